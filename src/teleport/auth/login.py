"""Logging in: password and second factor, or a passkey alone.

Every failure reads the same and takes the same work, whether the user exists or not. What really happened is in the
audit log.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from teleport.api.routes.login import (
    BeginLogin,
    FinishLogin,
    FinishSessionLogin,
    LoginChallenge,
    LoginGranted,
    WebSessionGrant,
)
from teleport.auth import figures
from teleport.auth.caller import Caller
from teleport.auth.certificates import Certificates, Keys
from teleport.auth.cluster import Cluster
from teleport.auth.lockout import Lockout
from teleport.auth.second_factor import Scope, SecondFactors
from teleport.auth.web_sessions import WebSessions
from teleport.credentials import passwords
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated, Unsupported
from teleport.model.events.user import MFADeviceRef, UserLogin, UserLoginFailed
from teleport.model.resources.user import User
from teleport.model.resources.user_secrets import MFADevice

REFUSAL = "invalid username, password or second factor"
_MAX_NAME = 255
_MAX_PASSWORD = 1024


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody offers to prove who they are."""

    user: str = ""
    password: str = ""
    code: str = ""
    key: msgspec.Raw | None = None


class Logins:
    """Proves people and hands out what a login earns."""

    def __init__(
        self,
        cluster: Cluster,
        factors: SecondFactors,
        lockout: Lockout,
        certificates: Certificates,
        web_sessions: WebSessions,
    ) -> None:
        self._cluster = cluster
        self._factors = factors
        self._lockout = lockout
        self._certificates = certificates
        self._web_sessions = web_sessions

    async def begin(self, caller: Caller, request: BeginLogin) -> LoginChallenge:
        """The second factor to answer. The password must be right already, else nothing is told of the devices."""
        if request.passwordless:
            if not (await self._cluster.preference()).spec.passwordless:
                raise Unsupported("login by passkey alone is not offered here")
            asked = await self._factors.ask_anybody()
            return LoginChallenge(webauthn_challenge=asked.webauthn)
        answers = Answers(user=request.user, password=request.password)
        async with self._lockout.turn(request.user):
            await self._refuse_if_locked(caller, answers)
            if not await self._knows_password(answers):
                raise await self._refused(caller, answers, "wrong user or password")
        asked = await self._factors.ask(request.user, "login")
        return LoginChallenge(webauthn_challenge=asked.webauthn, totp_challenge=asked.totp)

    async def finish(self, caller: Caller, request: FinishLogin) -> LoginGranted:
        """Certificates for whoever proves to be the user."""
        keys = _keys(request)
        answers = Answers(
            user=request.user,
            password=request.password,
            code=request.totp_code,
            key=request.webauthn_challenge_response,
        )
        user, device = await self.prove(caller, answers)
        issued = await self._certificates.for_login(
            caller,
            user,
            keys,
            ttl=timedelta(microseconds=request.ttl // 1000) if request.ttl > 0 else None,
            compatibility=request.compatibility,
            route_to_cluster=request.route_to_cluster,
            kubernetes_cluster=request.kubernetes_cluster,
        )
        await record_login(self._cluster, caller, user, device)
        return LoginGranted(
            username=user.name,
            cert=issued.ssh_certificate,
            tls_cert=issued.tls_certificate,
            host_signers=issued.host_signers,
            expires=issued.expires,
        )

    async def finish_session(self, caller: Caller, request: FinishSessionLogin) -> WebSessionGrant:
        """A web session for whoever proves to be the user. Only a proxy gets here (its route says so)."""
        answers = Answers(
            user=request.user,
            password=request.password,
            code=request.second_factor_token,
            key=request.webauthn_assertion_response,
        )
        user, device = await self.prove(caller, answers)
        grant = await self._web_sessions.create(caller, user)
        await record_login(self._cluster, caller, user, device)
        return grant

    async def prove(self, caller: Caller, answers: Answers, scope: Scope = "login") -> tuple[User, MFADevice | None]:
        """Who it is; a WebAuthn answer must be to a challenge of this scope.

        Raises NotAuthenticated with the one text for everything that may be wrong.
        """
        if answers.code and answers.key is not None:
            raise BadParameter("answer with a one-time code or with WebAuthn, not with both")
        if not answers.user and answers.key is not None:
            return await self._prove_by_passkey(caller, answers)
        async with self._lockout.turn(answers.user):
            await self._refuse_if_locked(caller, answers)
            is_known = await self._knows_password(answers)
            try:
                device = await self._check_factor(answers, scope) if is_known else None
            except (NotAuthenticated, BadParameter) as error:
                raise await self._refused(caller, answers, error.message) from error
            except AccessDenied as error:  # nobody guessed: what they proved with is locked
                await self._record_failure(caller, answers.user, error.message)
                raise
            user = await self._cluster.store.find(User, answers.user) if is_known else None
            if user is None:
                raise await self._refused(caller, answers, "wrong user or password")
            await self._lockout.succeeded(answers.user)
            return user, device

    async def _prove_by_passkey(self, caller: Caller, answers: Answers) -> tuple[User, MFADevice | None]:
        assert answers.key is not None
        if not (await self._cluster.preference()).spec.passwordless:
            raise Unsupported("login by passkey alone is not offered here")
        try:
            proved = await self._factors.check_key("", answers.key, "login")
        except (NotAuthenticated, BadParameter) as error:
            raise await self._refused(caller, answers, error.message) from error
        except AccessDenied as error:
            await self._record_failure(caller, answers.user, error.message)
            raise
        named = msgspec.structs.replace(answers, user=proved.user)
        await self._refuse_if_locked(caller, named)
        user = await self._cluster.store.find(User, proved.user)
        if user is None or not await self._may_log_in_here(user):
            raise await self._refused(caller, named, "no local user")
        return user, proved.device

    async def _knows_password(self, answers: Answers) -> bool:
        """The same work for everybody: an unknown user's password is checked against nothing."""
        name = answers.user if len(answers.user) <= _MAX_NAME else ""
        user = await self._cluster.store.find(User, name) if name else None
        secrets = await self._factors.secrets(name or "-")
        stored = secrets.spec.password_hash.reveal() if user and secrets.spec.password_hash else ""
        is_right = await passwords.verify_password(stored, answers.password[:_MAX_PASSWORD])
        return is_right and user is not None and await self._may_log_in_here(user)

    async def _may_log_in_here(self, user: User) -> bool:
        """Users of another identity provider have no local login, whatever secrets may be stored for their name."""
        preference = await self._cluster.preference()
        return bool(preference.spec.allow_local_auth) and not user.is_sso and not user.is_bot

    async def _check_factor(self, answers: Answers, scope: Scope) -> MFADevice | None:
        if answers.key is not None:
            return (await self._factors.check_key(answers.user, answers.key, scope)).device
        if answers.code:
            return (await self._factors.check_code(answers.user, answers.code)).device
        preference = await self._cluster.preference()
        if preference.spec.second_factor_is_mandatory:
            raise NotAuthenticated("no second factor was given")
        if (
            preference.spec.second_factor == "optional"
            and (await self._factors.secrets(answers.user)).spec.mfa_devices
        ):
            raise NotAuthenticated("the user has devices, and none was used")
        return None

    async def _refuse_if_locked(self, caller: Caller, answers: Answers) -> None:
        if await self._lockout.is_locked(answers.user):
            # the same work as a wrong password, so that time does not tell a locked name from others
            await passwords.verify_password("", answers.password[:_MAX_PASSWORD])
            await self._record_failure(caller, answers.user, "locked after failed logins")
            raise NotAuthenticated(REFUSAL)

    async def _refused(self, caller: Caller, answers: Answers, why: str) -> NotAuthenticated:
        if answers.user and await self._lockout.failed(answers.user):
            why += "; the name is locked now"
        await self._record_failure(caller, answers.user, why)
        return NotAuthenticated(REFUSAL)

    async def _record_failure(self, caller: Caller, user: str, why: str) -> None:
        figures.FAILED_LOGINS.inc()
        fields = {**caller.event_fields(), "user": user[:_MAX_NAME]}
        await self._cluster.journal.record(UserLoginFailed(method="local", success=False, error=why, **fields))


async def record_login(cluster: Cluster, caller: Caller, user: User, device: MFADevice | None) -> None:
    """The event of a login that was proved."""
    figures.LOGINS.inc()
    fields = {**caller.event_fields(), "user": user.name}
    event = UserLogin(method="local", success=True, mfa_device=device_ref(device), **fields)
    await cluster.journal.record(event)


def device_ref(device: MFADevice | None) -> MFADeviceRef | None:
    """How events name a device."""
    return named_device(device) if device is not None else None


def named_device(device: MFADevice) -> MFADeviceRef:
    """The same for a device that is there."""
    return MFADeviceRef(mfa_device_name=device.name, mfa_device_uuid=device.id, mfa_device_type=device.type)


def _keys(request: FinishLogin) -> Keys:
    if request.pub_key and (request.ssh_pub_key or request.tls_pub_key):
        raise BadParameter("pub_key is the older form: send it alone, or ssh_pub_key and tls_pub_key")
    ssh, tls = request.pub_key or request.ssh_pub_key, request.pub_key or request.tls_pub_key
    if not ssh and not tls:
        raise BadParameter("no public key was sent, so no certificate can be made")
    return Keys.read(ssh, tls)
