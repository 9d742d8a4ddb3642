"""The caller's own second factors: seen, proved again, added, removed."""

from __future__ import annotations

import msgspec

from teleport.api.route import Empty
from teleport.api.routes.mfa import (
    AddDevice,
    BeginDevice,
    ChallengeRequest,
    MfaChallenge,
    MfaDevice,
    MfaDevices,
    MfaResponse,
    RemoveDevice,
)
from teleport.api.routes.users import RegisterChallenge
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.lockout import Lockout
from teleport.auth.login import device_ref, named_device
from teleport.auth.second_factor import SCOPES, Proved, Scope, SecondFactors, add_device
from teleport.auth.settings import CHALLENGE_TTL
from teleport.auth.user_tokens import totp_device, totp_registration
from teleport.credentials import totp
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated, NotFound
from teleport.model.events.user import (
    MFAChallengeCreated,
    MFAChallengeRefused,
    MFAChallengeValidated,
    MFADeviceAdded,
    MFADeviceDeleted,
)
from teleport.model.resources.user_secrets import MFADevice, UserSecrets

KEY_ONLY_SCOPES = frozenset({"admin_action", "headless"})
"""What a one-time code does not open: nobody can be made to type a touch of a key into another page."""
_PENDING = "/secrets/totp_pending/"


class MultiFactor:
    """Every call is a person's, about nobody else."""

    def __init__(self, cluster: Cluster, factors: SecondFactors, lockout: Lockout) -> None:
        self._cluster = cluster
        self._factors = factors
        self._lockout = lockout

    async def challenge(self, caller: Caller, request: ChallengeRequest) -> MfaChallenge:
        """A challenge for one scope, good once unless reuse is asked for."""
        identity = caller.person()
        if request.scope not in SCOPES:
            raise BadParameter(f"scope {request.scope!r}: expected one of {', '.join(SCOPES)}")
        if request.allow_reuse and request.scope != "admin_action":
            raise BadParameter("only challenges for administrative actions may be used again")
        asked = await self._factors.ask(identity.username, request.scope, allow_reuse=request.allow_reuse)
        await self._cluster.journal.record(
            MFAChallengeCreated(
                challenge_scope=request.scope, challenge_allow_reuse=request.allow_reuse, **caller.event_fields()
            )
        )
        has_code = asked.totp and request.scope not in KEY_ONLY_SCOPES
        return MfaChallenge(webauthn_challenge=asked.webauthn, totp_challenge=has_code)

    async def check(self, caller: Caller, response: MfaResponse, scope: Scope, *, in_series: bool = False) -> Proved:
        """The caller's answer to a challenge of this scope. Wrong answers count as failed logins.

        `in_series`: the challenge may be one that was asked for to be answered once for many calls.
        """
        name = caller.person().username
        async with self._lockout.turn(name):
            if await self._lockout.is_locked(name):
                raise AccessDenied("the user is locked after failed logins; try again later")
            try:
                if response.webauthn_response is not None:
                    proved = await self._factors.check_key(
                        name, response.webauthn_response, scope, in_series=in_series
                    )
                elif response.totp_code and scope not in KEY_ONLY_SCOPES:
                    proved = await self._factors.check_code(name, response.totp_code)
                else:
                    raise NotAuthenticated("a second factor is needed: answer with a code or a WebAuthn device")
            except (NotAuthenticated, AccessDenied) as error:
                was_wrong = isinstance(error, NotAuthenticated)  # else the device is locked
                if was_wrong and (response.webauthn_response is not None or response.totp_code):
                    await self._lockout.failed(name)
                event = MFAChallengeRefused(
                    challenge_scope=scope, success=False, error=error.message, **caller.event_fields()
                )
                raise AccessDenied(error.message, event_id=await self._cluster.journal.record(event)) from error
        named = device_ref(proved.device)
        event_ok = MFAChallengeValidated(
            challenge_scope=scope, success=True, mfa_device=named, **caller.event_fields()
        )
        await self._cluster.journal.record(event_ok)
        return proved

    async def devices(self, caller: Caller, request: Empty) -> MfaDevices:
        secrets = await self._factors.secrets(caller.person().username)
        return MfaDevices(tuple(_shown(device) for device in secrets.spec.mfa_devices))

    async def begin_device(self, caller: Caller, request: BeginDevice) -> RegisterChallenge:
        """Whoever has a device proves it before another one is added: a stolen certificate adds none."""
        name = _owner(caller)
        if (await self._factors.secrets(name)).spec.mfa_devices:
            await self.check(caller, request.existing, "manage_devices")
        match request.device_type:
            case "totp":
                secret = totp.new_secret()
                await self._keep_pending(name, secret)
                return RegisterChallenge(totp=await totp_registration(self._cluster.name, name, secret))
            case "webauthn":
                is_passkey = request.device_usage == "passwordless"
                return RegisterChallenge(webauthn=await self._factors.begin_key(name, passwordless=is_passkey))
            case other:
                raise BadParameter(f"device_type {other!r}: expected totp or webauthn")

    async def add_device(self, caller: Caller, request: AddDevice) -> MfaDevice:
        name = _owner(caller)
        if request.webauthn_response is not None:
            device = await self._factors.finish_key(name, request.webauthn_response, request.name)
        else:
            device = totp_device(await self._take_pending(name), request.totp_code, request.name, self._cluster)
        secrets = await self._factors.secrets(name)
        add_device(secrets, device)
        await (self._cluster.store.update(secrets) if secrets.revision else self._cluster.store.create(secrets))
        named = msgspec.structs.asdict(named_device(device))
        await self._cluster.journal.record(MFADeviceAdded(**named, **caller.event_fields()))
        return _shown(device)

    async def remove_device(self, caller: Caller, request: RemoveDevice) -> Empty:
        """The last device stays while the cluster asks for one."""
        name = _owner(caller)
        secrets = await self._factors.secrets(name)
        device = secrets.device(request.name)
        if device is None:
            raise NotFound(f"you have no device {request.name!r}")
        await self.check(caller, request.existing, "manage_devices")
        secrets = await self._factors.secrets(name)  # proving a device wrote to them
        secrets.spec.mfa_devices = [other for other in secrets.spec.mfa_devices if other.id != device.id]
        await self._check_remaining(secrets, device)
        await self._cluster.store.update(secrets)
        named = msgspec.structs.asdict(named_device(device))
        await self._cluster.journal.record(MFADeviceDeleted(**named, **caller.event_fields()))
        return Empty()

    async def _check_remaining(self, secrets: UserSecrets, removed: MFADevice) -> None:
        """Raises BadParameter when the user could not log in any more with what is left."""
        allowed = await self._factors.allowed()
        rest = [device for device in secrets.spec.mfa_devices if _kind(device) in allowed]
        if (
            not rest
            and _kind(removed) in allowed
            and (await self._cluster.preference()).spec.second_factor_is_mandatory
        ):
            raise BadParameter("this is your last device, and the cluster asks for one: add another first")
        had_passkey = bool(removed.webauthn and removed.webauthn.passwordless)
        has_passkey = any(device.webauthn and device.webauthn.passwordless for device in rest)
        if had_passkey and not has_passkey and secrets.spec.password_hash is None:
            raise BadParameter("this is your last passkey, and you have no password: add another passkey first")

    async def _keep_pending(self, name: str, secret: str) -> None:
        expires = self._cluster.clock.now() + CHALLENGE_TTL
        await self._cluster.store.backend.put(_PENDING + name, secret.encode(), expires=expires)

    async def _take_pending(self, name: str) -> str:
        try:
            item = await self._cluster.store.backend.get(_PENDING + name)
            await self._cluster.store.backend.delete(item.key, item.revision)
        except NotFound:
            raise NotAuthenticated("the registration is too old or was not begun; begin again") from None
        return item.value.decode()


def _kind(device: MFADevice) -> str:
    return "totp" if device.totp is not None else "webauthn"


def _shown(device: MFADevice) -> MfaDevice:
    return MfaDevice(
        id=device.id,
        name=device.name,
        type=_kind(device),
        passwordless=bool(device.webauthn and device.webauthn.passwordless),
        added_at=device.added_at,
        last_used=device.last_used,
    )


def _owner(caller: Caller) -> str:
    """Whose devices these are. Raises AccessDenied for who acts as somebody else: a device would let them stay."""
    identity = caller.person()
    if identity.impersonator:
        raise AccessDenied(f"devices of {identity.username!r} are changed by their owner, not by impersonation")
    return identity.username
