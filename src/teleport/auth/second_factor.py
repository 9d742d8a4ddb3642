"""Second factors of people: asking for one, checking the answer, and adding a device.

A one-time code is good once: the time step it belongs to is written, over what was read, before anybody is let in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from teleport.api.endpoint import PROXY_PORT, split_address
from teleport.auth.challenges import Challenges, WaitingChallenge
from teleport.auth.cluster import Cluster
from teleport.credentials import totp, webauthn
from teleport.credentials.tokens import digest, new_uuid
from teleport.credentials.webauthn import Credential, RelyingParty
from teleport.foundation.errors import (
    AccessDenied,
    BadParameter,
    NotAuthenticated,
    NotFound,
    RevisionConflict,
    Unsupported,
)
from teleport.model.identity import Identity
from teleport.model.resource import Metadata
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.lock import Lock
from teleport.model.resources.user_secrets import MFADevice, UserSecrets, WebAuthnDevice
from teleport.policy import locks

T = TypeVar("T", bound=msgspec.Struct)

Scope = Literal[
    "login", "session", "manage_devices", "account_recovery", "admin_action", "change_password", "headless"
]
SCOPES: tuple[Scope, ...] = (
    "login",
    "session",
    "manage_devices",
    "account_recovery",
    "admin_action",
    "change_password",
    "headless",
)
REGISTER_SCOPE = "register"
MAX_DEVICES = 20
MAX_DEVICE_NAME = 64
_HANDLES = "/webauthn_handles/"
_ATTEMPTS = 3


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What may be answered: a WebAuthn request (its JSON), a one-time code, both, or nothing without a device."""

    webauthn: msgspec.Raw | None = None
    totp: bool = False


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """Whose device answered. `reusable`: the challenge stays good until it expires."""

    user: str
    device: MFADevice
    reusable: bool = False


class SecondFactors:
    """Asks and checks. A wrong answer is NotAuthenticated, whose cause only the audit log learns; a right one by a
    device that is locked is AccessDenied."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._challenges = Challenges(cluster.store)

    async def allowed(self) -> frozenset[str]:
        """Of totp and webauthn, what the cluster lets people use."""
        kinds = await allowed_kinds(self._cluster)
        return kinds if await self.party() is not None else kinds - {"webauthn"}

    async def party(self) -> RelyingParty | None:
        """The relying party of WebAuthn; None while no name is known to which devices could be bound."""
        preference = await self._cluster.preference()
        settings = self._cluster.settings
        given = preference.spec.webauthn
        name = relying_party_name(self._cluster, preference)
        if not name:
            return None
        return RelyingParty(
            id=name,
            name="Teleport",
            origins=_origins(settings.public_addrs, name),
            attestation_allowed_cas=tuple(given.attestation_allowed_cas) if given else (),
            attestation_denied_cas=tuple(given.attestation_denied_cas) if given else (),
        )

    async def secrets(self, user: str) -> UserSecrets:
        """Empty ones for whoever has none, so that unknown and new users take the same path."""
        return await self._store.find(UserSecrets, user) or UserSecrets(metadata=Metadata(name=user))

    async def ask(self, user: str, scope: str, *, allow_reuse: bool = False) -> Asked:
        """What the user's devices may answer."""
        allowed = await self.allowed()
        devices = (await self.secrets(user)).spec.mfa_devices
        party = await self.party()
        known = [_credential(device) for device in devices if device.webauthn is not None]
        keys = [key for key in known if _is_for(key, party)]
        options: msgspec.Raw | None = None
        if keys and party is not None and "webauthn" in allowed:
            asked, challenge = webauthn.begin_authentication(party, keys, self._cluster.clock.now(), scope=scope)
            await self._keep(challenge, user, allow_reuse=allow_reuse)
            options = _raw(asked)
        has_code = "totp" in allowed and any(device.totp is not None for device in devices)
        return Asked(webauthn=options, totp=has_code)

    async def ask_anybody(self) -> Asked:
        """A challenge that any passkey of this cluster may answer."""
        party = await self.party()
        if party is None or "webauthn" not in await self.allowed():
            raise Unsupported("passkeys are not offered here")
        asked, challenge = webauthn.begin_authentication(
            party, (), self._cluster.clock.now(), passwordless=True, scope="login"
        )
        await self._keep(challenge, "")
        return Asked(webauthn=_raw(asked))

    async def check_code(self, user: str, code: str) -> Proved:
        """A one-time code, accepted once."""
        if "totp" not in await self.allowed():
            raise NotAuthenticated("one-time codes are not accepted here")
        for _ in range(_ATTEMPTS):
            secrets = await self.secrets(user)
            device = self._accept(secrets, code)
            if device is None:
                raise NotAuthenticated("the one-time code is wrong, late or used")
            try:
                await self._store.update(secrets)
            except RevisionConflict:
                continue  # another login of the same user wrote first: judge again by what is there now
            await self._refuse_locked(user, device)
            return Proved(user=user, device=device)
        raise NotAuthenticated("too many logins of one user at once")

    def _accept(self, secrets: UserSecrets, code: str) -> MFADevice | None:
        now = self._cluster.clock.now()
        for device in secrets.spec.mfa_devices:
            if device.totp is None:
                continue
            step = totp.accept(device.totp.secret.reveal(), code, now, max(device.totp.used_steps, default=0))
            if step is not None:
                device.totp.used_steps = [step]
                device.last_used = now
                return device
        return None

    async def check_key(self, user: str, answer: msgspec.Raw, scope: str, *, in_series: bool = False) -> Proved:
        """A WebAuthn answer. `user` empty: a passkey alone, and the answer tells who.

        `in_series`: answers to challenges for a series are accepted, the very same one again too.
        """
        party = await self.party()
        if party is None or "webauthn" not in await self.allowed():
            raise NotAuthenticated("WebAuthn is not accepted here")
        response = _parsed(webauthn.parse_authentication, answer)
        waiting = await self._challenges.take(webauthn.challenge_of(response), scope)
        if waiting is None or waiting.user != user or waiting.challenge.passwordless != (not user):
            raise NotAuthenticated("the answer belongs to no challenge that waits")
        if waiting.challenge.allow_reuse and not in_series:
            raise NotAuthenticated("the answer is for a series of calls, this one needs one of its own")
        if waiting.answered:
            return await self._proved_again(waiting, answer)
        name = user or await self._user_of_handle(webauthn.user_handle_of(response))
        for _ in range(_ATTEMPTS):
            secrets = await self.secrets(name)
            credentials = [_credential(device) for device in secrets.spec.mfa_devices if device.webauthn is not None]
            now = self._cluster.clock.now()
            assertion = webauthn.finish_authentication(
                party, waiting.challenge, response, credentials, now, scope=scope
            )
            device = _used(secrets, assertion.credential, now)
            try:
                await self._store.update(secrets)
            except RevisionConflict:
                continue
            await self._refuse_locked(name, device)
            if waiting.challenge.allow_reuse:
                await self._challenges.remember(waiting, _digest(answer), device.id)
            return Proved(user=name, device=device, reusable=waiting.challenge.allow_reuse)
        raise NotAuthenticated("too many logins of one user at once")

    async def _proved_again(self, waiting: WaitingChallenge, answer: msgspec.Raw) -> Proved:
        device = (await self.secrets(waiting.user)).device(waiting.device)
        if device is None or waiting.answered != _digest(answer):
            raise NotAuthenticated("the challenge was answered already, and differently")
        await self._refuse_locked(waiting.user, device)
        return Proved(user=waiting.user, device=device, reusable=True)

    async def _refuse_locked(self, user: str, device: MFADevice) -> None:
        """A lock on the device stops whatever it would prove, also a login. Others are judged where they count."""
        now = self._cluster.clock.now()
        holder = Identity(username=user, cluster=self._cluster.name, expires=now, mfa_verified=device.id)
        on_devices = [lock async for lock in self._store.iterate(Lock) if lock.spec.target.mfa_device]
        if (lock := locks.blocking(on_devices, holder, None, now)) is not None:
            raise AccessDenied(locks.message(lock))

    async def begin_key(self, user: str, *, passwordless: bool, link: str = "") -> msgspec.Raw:
        """The options for registering a WebAuthn device."""
        party = await self.party()
        if party is None or "webauthn" not in await self.allowed():
            raise Unsupported("WebAuthn devices are not accepted here: no relying party, or not among second factors")
        secrets = await self.secrets(user)
        handle = secrets.spec.webauthn_user_handle or webauthn.new_user_handle()
        if not secrets.spec.webauthn_user_handle:
            secrets.spec.webauthn_user_handle = handle
            await (self._store.update(secrets) if secrets.revision else self._store.create(secrets))
        known = [_credential(device) for device in secrets.spec.mfa_devices if device.webauthn is not None]
        now = self._cluster.clock.now()
        options, challenge = webauthn.begin_registration(
            party, handle, user, known, now, passwordless=passwordless, scope=REGISTER_SCOPE
        )
        await self._keep(challenge, user, link=link)
        return _raw(options)

    async def finish_key(self, user: str, answer: msgspec.Raw, name: str, *, link: str = "") -> MFADevice:
        """The device that was registered; not stored yet."""
        party = await self.party()
        response = _parsed(webauthn.parse_registration, answer)
        waiting = await self._challenges.take(webauthn.challenge_of(response), REGISTER_SCOPE)
        if party is None or waiting is None or waiting.user != user or waiting.link != link:
            raise NotAuthenticated("the registration belongs to no challenge that waits; begin again")
        now = self._cluster.clock.now()
        credential = webauthn.finish_registration(party, waiting.challenge, response, now, scope=REGISTER_SCOPE)
        await self._store.backend.put(_handle_key(credential.user_handle), user.encode())
        return MFADevice(id=new_uuid(), name=device_name(name, "passkey"), added_at=now, webauthn=_device(credential))

    async def _keep(
        self, challenge: webauthn.Challenge, user: str, *, allow_reuse: bool = False, link: str = ""
    ) -> None:
        kept = msgspec.structs.replace(challenge, allow_reuse=allow_reuse)
        await self._challenges.put(WaitingChallenge(challenge=kept, user=user, link=link))

    async def _user_of_handle(self, handle: bytes) -> str:
        try:
            return (await self._store.backend.get(_handle_key(handle))).value.decode()
        except (NotFound, BadParameter):
            raise NotAuthenticated("nobody here has this passkey") from None


def relying_party_name(cluster: Cluster, preference: ClusterAuthPreference) -> str:
    """The domain to which devices are bound; empty while none is known."""
    settings, given = cluster.settings, preference.spec.webauthn
    return (given.rp_id if given else "") or settings.relying_party or _host(settings.public_addr)


async def keys_of_other_parties(cluster: Cluster, name: str) -> int:
    """How many registered WebAuthn devices cannot answer to this relying party."""
    count = 0
    async for secrets in cluster.store.iterate(UserSecrets):
        keys = (device.webauthn for device in secrets.spec.mfa_devices if device.webauthn is not None)
        count += sum(key.rp_id not in ("", name) for key in keys)
    return count


async def allowed_kinds(cluster: Cluster) -> frozenset[str]:
    """The second factors that the cluster offers, as totp and webauthn."""
    factors = (await cluster.preference()).spec.factors
    return frozenset("totp" if factor == "otp" else factor for factor in factors if factor != "sso")


def device_name(wanted: str, default: str) -> str:
    """Raises BadParameter for a name no list could show."""
    name = wanted.strip() or default
    if len(name) > MAX_DEVICE_NAME or not name.isprintable():
        raise BadParameter(f"device name: expected at most {MAX_DEVICE_NAME} printable characters")
    return name


def add_device(secrets: UserSecrets, device: MFADevice) -> None:
    """Raises BadParameter when the name is taken or there are too many."""
    if len(secrets.spec.mfa_devices) >= MAX_DEVICES:
        raise BadParameter(f"a user may have at most {MAX_DEVICES} devices")
    if secrets.device(device.name) is not None:
        raise BadParameter(f"device name {device.name!r} is taken, choose another")
    secrets.spec.mfa_devices.append(device)


def _used(secrets: UserSecrets, credential: Credential, now: datetime) -> MFADevice:
    for device in secrets.spec.mfa_devices:
        if device.webauthn is not None and device.webauthn.credential_id == credential.credential_id:
            device.webauthn.sign_count = credential.sign_count
            device.last_used = now
            return device
    raise NotAuthenticated("the device was removed")


def _credential(device: MFADevice) -> Credential:
    key = device.webauthn
    assert key is not None
    return Credential(
        credential_id=key.credential_id,
        public_key=key.public_key,
        user_handle=key.user_handle,
        sign_count=key.sign_count,
        aaguid=key.aaguid,
        passwordless=bool(key.passwordless),
        attestation_format=key.attestation_type or "none",
        attestation_object=key.attestation_object,
        transports=tuple(key.transports),
        relying_party=key.rp_id,
    )


def _device(credential: Credential) -> WebAuthnDevice:
    return WebAuthnDevice(
        credential_id=credential.credential_id,
        public_key=credential.public_key,
        sign_count=credential.sign_count,
        aaguid=credential.aaguid,
        attestation_type=credential.attestation_format,
        attestation_object=credential.attestation_object,
        transports=list(credential.transports),
        passwordless=credential.passwordless,
        user_handle=credential.user_handle,
        rp_id=credential.relying_party,
    )


def _parsed(parse: Callable[[msgspec.Raw], T], answer: msgspec.Raw) -> T:
    try:
        return parse(answer)
    except BadParameter as error:
        raise NotAuthenticated(f"the WebAuthn answer is malformed: {error.message}") from error


def _is_for(credential: Credential, party: RelyingParty | None) -> bool:
    """Devices are bound to a domain for ever: those of an earlier one cannot answer."""
    return party is not None and credential.relying_party in ("", party.id)


def _digest(answer: msgspec.Raw) -> str:
    return digest(bytes(answer).decode("utf-8", "replace"))


def _raw(message: msgspec.Struct) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(message))


def _handle_key(handle: bytes) -> str:
    return _HANDLES + handle.hex()


def _host(address: str) -> str:
    return split_address(address, PROXY_PORT)[0] if address else ""


def _origins(addresses: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Where browsers may sign for `name`: the proxies' addresses."""
    places = [split_address(address, PROXY_PORT) for address in addresses] or [(name, PROXY_PORT)]
    return tuple(dict.fromkeys(webauthn.web_origin(host, port) for host, port in places))
