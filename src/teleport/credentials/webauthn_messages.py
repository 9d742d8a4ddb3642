"""The JSON that browsers speak for WebAuthn (level 3, section 5.1.8 and following): base64url text, camel case."""

from __future__ import annotations

import msgspec


class _Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Browsers add members of their own: unknown ones are passed over."""


class RelyingPartyEntity(_Message, frozen=True, kw_only=True):
    name: str
    id: str


class UserEntity(_Message, frozen=True, kw_only=True):
    id: str
    name: str
    display_name: str


class CredentialParameters(_Message, frozen=True, kw_only=True):
    alg: int
    type: str = msgspec.field(default="public-key")


class CredentialDescriptor(_Message, frozen=True, kw_only=True):
    id: str
    type: str
    transports: list[str] | msgspec.UnsetType = msgspec.UNSET


class AuthenticatorSelection(_Message, frozen=True, kw_only=True):
    resident_key: str
    require_resident_key: bool
    user_verification: str


class CreationPublicKey(_Message, frozen=True, kw_only=True):
    rp: RelyingPartyEntity
    user: UserEntity
    challenge: str
    pub_key_cred_params: list[CredentialParameters]
    timeout: int
    exclude_credentials: list[CredentialDescriptor]
    authenticator_selection: AuthenticatorSelection
    attestation: str


class CreationOptions(_Message, frozen=True, kw_only=True):
    """For `navigator.credentials.create`."""

    public_key: CreationPublicKey


class RequestPublicKey(_Message, frozen=True, kw_only=True):
    challenge: str
    timeout: int
    rp_id: str
    allow_credentials: list[CredentialDescriptor]
    user_verification: str


class RequestOptions(_Message, frozen=True, kw_only=True):
    """For `navigator.credentials.get`."""

    public_key: RequestPublicKey


class AttestationResponse(_Message, frozen=True, kw_only=True):
    client_data_json: str = msgspec.field(name="clientDataJSON")
    attestation_object: str
    transports: list[str] = []


class RegistrationResponse(_Message, frozen=True, kw_only=True):
    """What `PublicKeyCredential.toJSON()` gives after creation."""

    id: str
    raw_id: str
    type: str
    response: AttestationResponse


class AssertionResponse(_Message, frozen=True, kw_only=True):
    client_data_json: str = msgspec.field(name="clientDataJSON")
    authenticator_data: str
    signature: str
    user_handle: str | None = None


class AuthenticationResponse(_Message, frozen=True, kw_only=True):
    """What `PublicKeyCredential.toJSON()` gives after an assertion."""

    id: str
    raw_id: str
    type: str
    response: AssertionResponse
