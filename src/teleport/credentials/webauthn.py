"""WebAuthn: registering passkeys and security keys, and proving one again (W3C WebAuthn level 3, section 7).

Each ceremony has two halves. The first gives the options for the browser and a Challenge to keep; the second takes
the Challenge out of keeping, so that it answers once, and the browser's response. Nothing here stores.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from fido2 import cbor
from fido2.attestation.base import InvalidAttestation
from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
)
from fido2.webauthn import AuthenticationResponse as ParsedAssertion
from fido2.webauthn import RegistrationResponse as ParsedRegistration

from teleport.credentials.attestation import AttestationPolicy
from teleport.credentials.webauthn_messages import (
    AuthenticationResponse,
    AuthenticatorSelection,
    CreationOptions,
    CreationPublicKey,
    CredentialDescriptor,
    CredentialParameters,
    RegistrationResponse,
    RelyingPartyEntity,
    RequestOptions,
    RequestPublicKey,
    UserEntity,
)
from teleport.credentials.webauthn_records import Assertion, Challenge, Credential, RelyingParty, web_origin
from teleport.foundation.errors import BadParameter, NotAuthenticated

__all__ = [
    "PATIENCE",
    "Assertion",
    "Challenge",
    "Credential",
    "RelyingParty",
    "begin_authentication",
    "begin_registration",
    "challenge_of",
    "finish_authentication",
    "finish_registration",
    "new_user_handle",
    "parse_authentication",
    "parse_registration",
    "user_handle_of",
    "web_origin",
]

PATIENCE = timedelta(minutes=5)

_Message = TypeVar("_Message", RegistrationResponse, AuthenticationResponse)
_CHALLENGE_BYTES = 32
_MAX_CREDENTIAL_ID = 1023
_ALGORITHMS = (-7, -8, -257)  # ES256, EdDSA, RS256
_MAX_MESSAGE = 128 * 1024
_TRANSPORTS = frozenset({"usb", "nfc", "ble", "smart-card", "hybrid", "internal"})
_MALFORMED = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    RecursionError,
    struct.error,
    UnsupportedAlgorithm,
    InvalidAttestation,
)


def new_user_handle() -> bytes:
    """What authenticators know a person by: random, so that they tell nobody who she is."""
    return secrets.token_bytes(32)


def begin_registration(
    party: RelyingParty,
    user_handle: bytes,
    user_name: str,
    existing: Sequence[Credential],
    now: datetime,
    *,
    passwordless: bool,
    scope: str = "",
) -> tuple[CreationOptions, Challenge]:
    """A passwordless device is kept in the authenticator and verifies its owner; others add to a password."""
    challenge = Challenge(
        purpose="registration",
        challenge=secrets.token_bytes(_CHALLENGE_BYTES),
        expires=now + PATIENCE,
        passwordless=passwordless,
        user_handle=user_handle,
        credentials=tuple(device.credential_id for device in existing),
        scope=scope,
    )
    options = CreationPublicKey(
        rp=RelyingPartyEntity(id=party.id, name=party.name),
        user=UserEntity(id=websafe_encode(user_handle), name=user_name, display_name=user_name),
        challenge=websafe_encode(challenge.challenge),
        pub_key_cred_params=[CredentialParameters(alg=number) for number in _ALGORITHMS],
        timeout=int(PATIENCE.total_seconds() * 1000),
        exclude_credentials=_descriptors(existing),
        authenticator_selection=AuthenticatorSelection(
            resident_key="required" if passwordless else "discouraged",
            require_resident_key=passwordless,
            user_verification="required" if passwordless else "discouraged",
        ),
        attestation=party.conveyance,
    )
    return CreationOptions(public_key=options), challenge


def finish_registration(
    party: RelyingParty,
    challenge: Challenge,
    response: RegistrationResponse,
    now: datetime,
    *,
    scope: str | None = None,
) -> Credential:
    """The device to store. Raises NotAuthenticated."""
    _check_challenge(challenge, "registration", scope, now)
    try:
        parsed = ParsedRegistration.from_dict(msgspec.to_builtins(response))
        _check_same_origin(parsed.response.client_data.cross_origin)
        verified = _server(party).register_complete(_state(challenge), parsed)
        attested = verified.credential_data
        assert attested is not None  # register_complete has checked
        if attested.credential_id != parsed.raw_id or len(parsed.raw_id) > _MAX_CREDENTIAL_ID:
            raise ValueError("the credential's id is not the one attested")
        if attested.public_key.ALGORITHM not in _ALGORITHMS:
            raise ValueError("the key is of an algorithm that was not asked for")
    except _MALFORMED as problem:
        raise NotAuthenticated(f"passkey refused: {_reason(problem)}") from problem
    if attested.credential_id in challenge.credentials:
        raise NotAuthenticated("passkey refused: it is registered already")
    return Credential(
        credential_id=attested.credential_id,
        public_key=cbor.encode(dict(attested.public_key)),
        sign_count=verified.counter,
        aaguid=str(attested.aaguid),
        attestation_format=parsed.response.attestation_object.fmt,
        attestation_object=bytes(parsed.response.attestation_object),
        transports=tuple(word for word in response.response.transports if word in _TRANSPORTS),
        passwordless=challenge.passwordless,
        user_handle=challenge.user_handle,
        relying_party=party.id,
    )


def begin_authentication(
    party: RelyingParty,
    credentials: Sequence[Credential],
    now: datetime,
    *,
    passwordless: bool = False,
    scope: str = "",
) -> tuple[RequestOptions, Challenge]:
    """Ask for one of `credentials`; or, passwordless, for any passkey of this cluster that verifies its owner.

    Raises BadParameter if there is no device to ask for.
    """
    asked = [] if passwordless else [known for known in credentials if known.relying_party in ("", party.id)]
    if not asked and not passwordless:
        raise BadParameter(f"no security key or passkey is registered for {party.id}")
    challenge = Challenge(
        purpose="authentication",
        challenge=secrets.token_bytes(_CHALLENGE_BYTES),
        expires=now + PATIENCE,
        passwordless=passwordless,
        credentials=tuple(device.credential_id for device in asked),
        scope=scope,
    )
    options = RequestPublicKey(
        challenge=websafe_encode(challenge.challenge),
        timeout=int(PATIENCE.total_seconds() * 1000),
        rp_id=party.id,
        allow_credentials=_descriptors(asked),
        user_verification="required" if passwordless else "discouraged",
    )
    return RequestOptions(public_key=options), challenge


def finish_authentication(
    party: RelyingParty,
    challenge: Challenge,
    response: AuthenticationResponse,
    credentials: Sequence[Credential],
    now: datetime,
    *,
    scope: str | None = None,
) -> Assertion:
    """The proof that one of `credentials`, all of one person, was used just now. Raises NotAuthenticated.

    `scope`, when given, must be the challenge's.
    """
    _check_challenge(challenge, "authentication", scope, now)
    try:
        parsed = ParsedAssertion.from_dict(msgspec.to_builtins(response))
        _check_same_origin(parsed.response.client_data.cross_origin)
        device = _answering(challenge, parsed, credentials)
        known = _known(device)
        _server(party).authenticate_complete(_state(challenge), [known], parsed)
        data = parsed.response.authenticator_data
    except _MALFORMED as problem:
        raise NotAuthenticated(f"passkey refused: {_reason(problem)}") from problem
    # a counter that does not advance means that two authenticators hold the key; some never count
    if (data.counter or device.sign_count) and data.counter <= device.sign_count:
        raise NotAuthenticated(
            f"passkey refused: its counter went from {device.sign_count} to {data.counter}, it may be cloned"
        )
    used = msgspec.structs.replace(device, sign_count=data.counter)
    return Assertion(credential=used, user_verified=data.is_user_verified())


def user_handle_of(response: AuthenticationResponse) -> bytes:
    """Whose devices to load before a passwordless login is finished; proves nothing. Raises NotAuthenticated."""
    handle = _decoded(response.response.user_handle or "")
    if not handle:
        raise NotAuthenticated("passkey refused: it does not say whose it is")
    return handle


def challenge_of(response: AuthenticationResponse | RegistrationResponse) -> bytes:
    """Which kept Challenge this answers. Proves nothing. Raises NotAuthenticated."""
    try:
        said = msgspec.json.decode(_decoded(response.response.client_data_json), type=_ClientData)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise NotAuthenticated("passkey refused: its client data is malformed") from problem
    return _decoded(said.challenge)


def parse_registration(raw: bytes | msgspec.Raw) -> RegistrationResponse:
    """The browser's JSON. Raises BadParameter."""
    return _parse(raw, RegistrationResponse)


def parse_authentication(raw: bytes | msgspec.Raw) -> AuthenticationResponse:
    """The browser's JSON. Raises BadParameter."""
    return _parse(raw, AuthenticationResponse)


class _ClientData(msgspec.Struct):
    challenge: str


def _parse(raw: bytes | msgspec.Raw, form: type[_Message]) -> _Message:
    raw = bytes(raw)
    if len(raw) > _MAX_MESSAGE:
        raise BadParameter(f"WebAuthn response of {len(raw)} bytes is too long")
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadParameter(f"WebAuthn response: {problem}") from problem


def _server(party: RelyingParty) -> Fido2Server:
    policy = AttestationPolicy(allowed=party.attestation_allowed_cas, denied=party.attestation_denied_cas)
    return Fido2Server(
        PublicKeyCredentialRpEntity(id=party.id, name=party.name),
        attestation=AttestationConveyancePreference(party.conveyance),
        verify_origin=party.is_origin,
        verify_attestation=policy.verify,
    )


def _state(challenge: Challenge) -> dict[str, object]:
    required = UserVerificationRequirement.REQUIRED if challenge.passwordless else None
    return {"challenge": websafe_encode(challenge.challenge), "user_verification": required}


def _check_challenge(challenge: Challenge, purpose: str, scope: str | None, now: datetime) -> None:
    if challenge.purpose != purpose or scope not in (None, challenge.scope):
        raise NotAuthenticated("passkey refused: the challenge was made for something else")
    if now >= challenge.expires:
        raise NotAuthenticated("passkey refused: the challenge has expired, begin again")


def _check_same_origin(is_cross_origin: object) -> None:
    if is_cross_origin is not False:
        raise ValueError("it was asked for inside a page of another origin")


def _answering(challenge: Challenge, parsed: ParsedAssertion, credentials: Sequence[Credential]) -> Credential:
    device = next((known for known in credentials if known.credential_id == parsed.raw_id), None)
    if device is None or not (challenge.passwordless or device.credential_id in challenge.credentials):
        raise ValueError("it is not one that was asked for")
    handle = parsed.response.user_handle
    if handle is not None and handle != device.user_handle:
        raise ValueError("it belongs to somebody else")
    if challenge.passwordless and (handle is None or not device.passwordless):
        raise ValueError("it is not registered for login without password")
    return device


def _known(device: Credential) -> AttestedCredentialData:
    key = cbor.decode(device.public_key)
    if not isinstance(key, Mapping):
        raise TypeError("the stored key is no COSE key")
    return AttestedCredentialData.create(bytes(16), device.credential_id, CoseKey.parse(key))


def _descriptors(credentials: Sequence[Credential]) -> list[CredentialDescriptor]:
    return [
        CredentialDescriptor(
            id=websafe_encode(device.credential_id),
            type="public-key",
            transports=list(device.transports) if device.transports else msgspec.UNSET,
        )
        for device in credentials
    ]


def _decoded(text: str) -> bytes:
    try:
        return websafe_decode(text)
    except ValueError as problem:
        raise NotAuthenticated("passkey refused: expected base64url") from problem


def _reason(problem: Exception) -> str:
    """Words for a person where there are some; the library's own for what is malformed."""
    text = str(problem).strip().rstrip(".")
    return f"{text[:1].lower()}{text[1:200]}" if isinstance(problem, ValueError) and text else "malformed response"
