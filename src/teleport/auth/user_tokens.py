"""Sign-up and reset links: made for an administrator, opened once by whoever got the link.

The store keeps a digest of the link's secret. Whatever is wrong with a link, the answer is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta

import msgspec

from teleport.api.routes.login import WebSessionGrant
from teleport.api.routes.users import (
    PasswordSet,
    RegisterChallenge,
    RegisterChallengeRequest,
    SetPassword,
    TotpRegistration,
    UserTokenGranted,
    UserTokenShown,
)
from teleport.api.routes.users import UserToken as UserTokenRequest
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.lockout import Lockout
from teleport.auth.login import named_device, record_login
from teleport.auth.second_factor import SecondFactors, add_device, device_name
from teleport.auth.web_sessions import WebSessions
from teleport.credentials import passwords, totp
from teleport.credentials.tokens import digest, new_uuid, random_token
from teleport.foundation import durations
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated, NotFound, RevisionConflict
from teleport.model.events.user import MFADeviceAdded, PasswordChanged, ResetPasswordTokenCreated
from teleport.model.resource import Metadata
from teleport.model.resources.user import User
from teleport.model.resources.user_secrets import MFADevice, TOTPDevice, UserSecrets
from teleport.model.resources.user_token import UserToken, UserTokenPurpose, UserTokenSpec
from teleport.model.sensitive import Secret
from teleport.storage.store import CreateOf, DeleteOf, UpdateOf

GONE = "the link is not valid: it was used, replaced or is too old; ask an administrator for another"
_REGISTERING: tuple[UserTokenPurpose, ...] = ("invite", "reset", "recovery_approved")
_PATHS: dict[UserTokenPurpose, str] = {"invite": "invite", "reset": "reset"}


class UserTokens:
    """Makes links and lets people in through them."""

    def __init__(self, cluster: Cluster, factors: SecondFactors, lockout: Lockout, web_sessions: WebSessions) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._factors = factors
        self._lockout = lockout
        self._web_sessions = web_sessions

    async def create(
        self, caller: Caller | None, user: str, purpose: UserTokenPurpose, ttl: timedelta
    ) -> UserTokenGranted:
        """A new link; older ones of the user end. `caller` None: the cluster itself, at its first start."""
        await self.end_all(user)
        secret, now = random_token(), self._cluster.clock.now()
        token = UserToken(
            metadata=Metadata(name=digest(secret), expires=now + ttl),
            spec=UserTokenSpec(purpose=purpose, user=user, created=now),
        )
        await self._store.create(token)
        fields = caller.event_fields() if caller else {"user": "system"}
        event = ResetPasswordTokenCreated(name=user, ttl=durations.text(ttl), expires=now + ttl, **fields)
        await self._cluster.journal.record(event)
        return UserTokenGranted(user=user, token=secret, url=self.url(secret, purpose), expires=now + ttl)

    def url(self, secret: str, purpose: UserTokenPurpose) -> str:
        """Where the browser application takes a link; empty while no proxy address is known."""
        address = self._cluster.settings.public_addr.removesuffix(":443")
        return f"https://{address}/web/{_PATHS[purpose]}/{secret}" if address else ""

    async def end_all(self, user: str) -> None:
        """Links that were made for the user work no more."""
        async for token in self._store.iterate(UserToken):
            if token.spec.user == user:
                await self._drop(token)

    async def show(self, caller: Caller, request: UserTokenRequest) -> UserTokenShown:
        token = await self._live(request.token)
        assert token.expires is not None
        return UserTokenShown(
            token_id=request.token,
            user=token.spec.user,
            kind=token.spec.purpose,
            expiry=token.expires,
            second_factors=tuple(sorted(await self._factors.allowed())),
        )

    async def register_challenge(self, caller: Caller, request: RegisterChallengeRequest) -> RegisterChallenge:
        """Begin to register the device that completes the sign-up."""
        token = await self._live(request.token, _REGISTERING)
        match request.device_type:
            case "totp":
                return await self._begin_totp(token)
            case "webauthn":
                is_passkey = request.device_usage == "passwordless"
                options = await self._factors.begin_key(token.spec.user, passwordless=is_passkey, link=token.name)
                return RegisterChallenge(webauthn=options)
            case other:
                raise BadParameter(f"deviceType {other!r}: expected totp or webauthn")

    async def set_password(self, caller: Caller, request: SetPassword) -> PasswordSet:
        user, _ = await self._finish(caller, request)
        return PasswordSet(user.name)

    async def sign_up_session(self, caller: Caller, request: SetPassword) -> WebSessionGrant:
        """The same for a browser, which is logged in at once."""
        user, device = await self._finish(caller, request)
        grant = await self._web_sessions.create(caller, user)
        await record_login(self._cluster, caller, user, device)
        return grant

    async def _begin_totp(self, token: UserToken) -> RegisterChallenge:
        if "totp" not in await self._factors.allowed():
            raise AccessDenied("one-time codes are not accepted here")
        secret = totp.new_secret()
        token.spec.totp_secret = Secret(secret)
        try:
            await self._store.update(token)
        except (RevisionConflict, NotFound):
            raise NotFound(GONE) from None
        return RegisterChallenge(totp=await totp_registration(self._cluster.name, token.spec.user, secret))

    async def _finish(self, caller: Caller, request: SetPassword) -> tuple[User, MFADevice | None]:
        token = await self._live(request.token)
        user = await self._store.find(User, token.spec.user)
        if user is None:
            raise NotFound(GONE)
        device = await self._device(token, request)
        is_passkey = device is not None and device.webauthn is not None and bool(device.webauthn.passwordless)
        if not request.password and not is_passkey:
            raise BadParameter("a password is needed, or a passkey that may log in alone")
        secrets = await self._factors.secrets(user.name)
        if request.password:
            secrets.spec.password_hash = Secret(await passwords.hash_password(request.password))
            secrets.spec.password_changed_at = self._cluster.clock.now()
        if device is not None:
            add_device(secrets, device)
        await self._keep(token, secrets)
        await self._lockout.succeeded(user.name)
        await self._record(caller, user, device, has_password=bool(request.password))
        return user, device

    async def _keep(self, token: UserToken, secrets: UserSecrets) -> None:
        """The link's end and what it earned are one write: it is good once, whoever races."""
        write = UpdateOf(secrets) if secrets.revision else CreateOf(secrets)
        try:
            await self._store.transact([DeleteOf(UserToken, token.name, token.revision), write])
        except (NotFound, RevisionConflict):
            raise NotFound(GONE) from None

    async def _device(self, token: UserToken, request: SetPassword) -> MFADevice | None:
        if request.webauthn_creation_response is not None:
            return await self._factors.finish_key(
                token.spec.user, request.webauthn_creation_response, request.device_name, link=token.name
            )
        if request.second_factor_token:
            if token.spec.totp_secret is None:
                raise BadParameter("begin to register the authenticator application first")
            return totp_device(
                token.spec.totp_secret.reveal(), request.second_factor_token, request.device_name, self._cluster
            )
        if (await self._cluster.preference()).spec.second_factor_is_mandatory:
            raise BadParameter("a second factor is needed: an authenticator application's code or a WebAuthn device")
        return None

    async def _live(self, secret: str, purposes: Collection[UserTokenPurpose] = ("invite", "reset")) -> UserToken:
        token = await self._store.find(UserToken, digest(secret)) if secret else None
        now = self._cluster.clock.now()
        is_live = token is not None and (token.expires is None or token.expires > now)
        if token is None or not is_live or token.spec.purpose not in purposes or token.spec.recovers == "password":
            raise NotFound(GONE)
        return token

    async def _drop(self, token: UserToken) -> None:
        try:
            await self._store.delete(UserToken, token.name)
        except NotFound:
            return

    async def _record(self, caller: Caller, user: User, device: MFADevice | None, *, has_password: bool) -> None:
        fields = {**caller.event_fields(), "user": user.name}
        if has_password:
            await self._cluster.journal.record(PasswordChanged(**fields))
        if device is not None:
            named = msgspec.structs.asdict(named_device(device))
            await self._cluster.journal.record(MFADeviceAdded(**named, **fields))


async def totp_registration(cluster: str, user: str, secret: str) -> TotpRegistration:
    """What an authenticator application needs, also as a picture."""
    url = totp.otpauth_uri(secret, cluster, user)
    return TotpRegistration(qr_code=await asyncio.to_thread(totp.qr_svg, url), secret=secret, otp_url=url)


def totp_device(secret: str, code: str, name: str, cluster: Cluster) -> MFADevice:
    """The device, when `code` proves that its application has the secret. That code is spent."""
    now = cluster.clock.now()
    step = totp.accept(secret, code, now, 0)
    if step is None:
        raise NotAuthenticated("the one-time code is wrong; check the clock of the device and try again")
    return MFADevice(
        id=new_uuid(),
        name=device_name(name, "authenticator"),
        added_at=now,
        totp=TOTPDevice(secret=Secret(secret), used_steps=[step]),
    )
