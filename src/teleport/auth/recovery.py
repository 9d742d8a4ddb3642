"""Account recovery: a code written down earlier stands for what was lost, the other half is proved as ever.

Codes are kept as one-way hashes, good once, and guesses count as failed logins. Whatever is wrong, the answer is one.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from teleport.api.route import Empty
from teleport.api.routes.mfa import MfaChallenge
from teleport.api.routes.recovery import (
    ApproveRecovery,
    FinishRecovery,
    NewRecoveryCodes,
    RecoveryCodes,
    RecoveryCodesKept,
    RecoveryGranted,
    RecoveryToken,
    StartRecovery,
)
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.lockout import Lockout
from teleport.auth.login import named_device
from teleport.auth.mfa import MultiFactor
from teleport.auth.second_factor import Scope, SecondFactors, add_device
from teleport.auth.user_tokens import GONE, totp_device
from teleport.auth.web_sessions import WebSessions
from teleport.credentials import passwords, recovery
from teleport.credentials.tokens import digest, random_token
from teleport.foundation import durations
from teleport.foundation.errors import BadParameter, NotAuthenticated, NotFound, RevisionConflict
from teleport.model.events.user import (
    MFADeviceAdded,
    PasswordChanged,
    RecoveryCodeRefused,
    RecoveryCodesGenerated,
    RecoveryCodeUsed,
    RecoveryTokenCreated,
)
from teleport.model.resource import Metadata
from teleport.model.resources.user import User
from teleport.model.resources.user_secrets import MFADevice, UserSecrets
from teleport.model.resources.user_token import Recovers, UserToken, UserTokenPurpose, UserTokenSpec
from teleport.model.sensitive import Secret
from teleport.storage.store import CreateOf, DeleteOf, UpdateOf

START_TTL = timedelta(hours=3)
APPROVED_TTL = timedelta(minutes=15)
REFUSAL = "invalid user name, recovery code, password or second factor"
_SCOPE: Scope = "account_recovery"
_MAX_CODE = 128
_MAX_NAME = 255


class Recovery:
    """For local users."""

    def __init__(
        self,
        cluster: Cluster,
        factors: SecondFactors,
        multi_factor: MultiFactor,
        lockout: Lockout,
        web_sessions: WebSessions,
    ) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._factors = factors
        self._multi_factor = multi_factor
        self._lockout = lockout
        self._web_sessions = web_sessions

    async def codes(self, caller: Caller, request: Empty) -> RecoveryCodesKept:
        spec = (await self._factors.secrets(caller.person().username)).spec
        return RecoveryCodesKept(left=len(spec.recovery_codes), created=spec.recovery_codes_at)

    async def new_codes(self, caller: Caller, request: NewRecoveryCodes) -> RecoveryCodes:
        """Three, in place of earlier ones."""
        name = caller.person().username
        await self._local(name)
        await self._multi_factor.check(caller, request.existing, _SCOPE)
        secrets = await self._factors.secrets(name)
        codes = await self._replace_codes(secrets)
        await self._store.update(secrets)
        await self._cluster.journal.record(RecoveryCodesGenerated(**caller.event_fields()))
        return codes

    async def start(self, caller: Caller, request: StartRecovery) -> RecoveryGranted:
        """Spend a code. Raises NotAuthenticated."""
        recovers = _what_was_lost(request.recover)
        name = request.user[:_MAX_NAME]
        async with self._lockout.turn(name):
            is_locked = await self._lockout.is_locked(name)
            secrets = await self._factors.secrets(name or "-")
            stored = [code.reveal() for code in secrets.spec.recovery_codes]
            index = await recovery.match_code(request.recovery_code[:_MAX_CODE], stored)
            user = await self._store.find(User, name) if name else None
            if is_locked or index is None or user is None or not await self._may_recover(user):
                raise await self._refused(caller, name)
            del secrets.spec.recovery_codes[index]
            token, granted = self._token("recovery", name, recovers, START_TTL)
            try:
                await self._store.transact([UpdateOf(secrets), CreateOf(token)])
            except (RevisionConflict, NotFound):
                raise await self._refused(caller, name) from None
        fields = {**caller.event_fields(), "user": name}
        await self._cluster.journal.record(RecoveryCodeUsed(success=True, **fields))
        await self._record_token(caller, name, granted, START_TTL)
        return granted

    async def challenge(self, caller: Caller, request: RecoveryToken) -> MfaChallenge:
        """For whoever lost the password."""
        token = await self._live(request.token, "recovery")
        if token.spec.recovers != "password":
            raise BadParameter("the second factor was lost: prove the password")
        asked = await self._factors.ask(token.spec.user, _SCOPE)
        return MfaChallenge(webauthn_challenge=asked.webauthn, totp_challenge=asked.totp)

    async def approve(self, caller: Caller, request: ApproveRecovery) -> RecoveryGranted:
        """Raises NotAuthenticated when what was not lost is not proved."""
        token = await self._live(request.token, "recovery")
        name = token.spec.user
        async with self._lockout.turn(name):
            if await self._lockout.is_locked(name) or not await self._proves_rest(token, request):
                raise await self._refused(caller, name)
        approved, granted = self._token("recovery_approved", name, token.spec.recovers, APPROVED_TTL)
        try:
            await self._store.transact([DeleteOf(UserToken, token.name, token.revision), CreateOf(approved)])
        except (RevisionConflict, NotFound):
            raise NotFound(GONE) from None
        await self._record_token(caller, name, granted, APPROVED_TTL)
        return granted

    async def finish(self, caller: Caller, request: FinishRecovery) -> RecoveryCodes:
        """What was lost is replaced, sessions end, and new codes are shown."""
        token = await self._live(request.token, "recovery_approved")
        name = token.spec.user
        await self._local(name)
        device: MFADevice | None = None
        new_hash: Secret[str] | None = None
        if token.spec.recovers == "password":
            new_hash = Secret(await passwords.hash_password(request.password))
        else:
            device = await self._new_device(token, request)
        secrets = await self._factors.secrets(name)  # registering a device wrote to them
        if new_hash is not None:
            secrets.spec.password_hash = new_hash
            secrets.spec.password_changed_at = self._cluster.clock.now()
        if device is not None:
            add_device(secrets, device)
        codes = await self._replace_codes(secrets)
        try:
            await self._store.transact([DeleteOf(UserToken, token.name, token.revision), UpdateOf(secrets)])
        except (RevisionConflict, NotFound):
            raise NotFound(GONE) from None
        await self._lockout.succeeded(name)
        await self._web_sessions.end_all(name)
        await self._record_end(caller, name, device)
        return codes

    async def _proves_rest(self, token: UserToken, request: ApproveRecovery) -> bool:
        name = token.spec.user
        if token.spec.recovers == "mfa":
            stored = (await self._factors.secrets(name)).spec.password_hash
            return await passwords.verify_password(stored.reveal() if stored else "", request.password)
        response = request.mfa_response
        try:
            if response.webauthn_response is not None:
                await self._factors.check_key(name, response.webauthn_response, _SCOPE)
            else:
                await self._factors.check_code(name, response.totp_code)
        except (NotAuthenticated, BadParameter):
            return False
        return True

    async def _new_device(self, token: UserToken, request: FinishRecovery) -> MFADevice:
        name = token.spec.user
        if request.webauthn_creation_response is not None:
            return await self._factors.finish_key(
                name, request.webauthn_creation_response, request.device_name, link=token.name
            )
        if token.spec.totp_secret is None or not request.second_factor_token:
            raise BadParameter("register a device: ask for its challenge, and answer it")
        secret = token.spec.totp_secret.reveal()
        return totp_device(secret, request.second_factor_token, request.device_name, self._cluster)

    async def _replace_codes(self, secrets: UserSecrets) -> RecoveryCodes:
        codes = recovery.generate_codes()
        secrets.spec.recovery_codes = [Secret(hashed) for hashed in await recovery.hash_codes(codes)]
        secrets.spec.recovery_codes_at = self._cluster.clock.now()
        return RecoveryCodes(codes=tuple(codes), created=secrets.spec.recovery_codes_at)

    def _token(
        self, purpose: UserTokenPurpose, user: str, recovers: Recovers, ttl: timedelta
    ) -> tuple[UserToken, RecoveryGranted]:
        secret, now = random_token(), self._cluster.clock.now()
        token = UserToken(
            metadata=Metadata(name=digest(secret), expires=now + ttl),
            spec=UserTokenSpec(purpose=purpose, user=user, created=now, recovers=recovers),
        )
        return token, RecoveryGranted(token=secret, expires=now + ttl)

    async def _live(self, secret: str, purpose: UserTokenPurpose) -> UserToken:
        token = await self._store.find(UserToken, digest(secret)) if secret else None
        is_over = token is None or token.expires is None or token.expires <= self._cluster.clock.now()
        if token is None or is_over or token.spec.purpose != purpose:
            raise NotFound(GONE)
        return token

    async def _may_recover(self, user: User) -> bool:
        preference = await self._cluster.preference()
        return bool(preference.spec.allow_local_auth) and not user.is_sso and not user.is_bot

    async def _local(self, name: str) -> None:
        user = await self._store.find(User, name)
        if user is None or not await self._may_recover(user):
            raise BadParameter("recovery is for local users")

    async def _refused(self, caller: Caller, user: str) -> NotAuthenticated:
        await self._lockout.failed(user)
        fields = {**caller.event_fields(), "user": user}
        await self._cluster.journal.record(RecoveryCodeRefused(success=False, error=REFUSAL, **fields))
        return NotAuthenticated(REFUSAL)

    async def _record_token(self, caller: Caller, user: str, granted: RecoveryGranted, ttl: timedelta) -> None:
        fields = {**caller.event_fields(), "user": user}
        event = RecoveryTokenCreated(name=user, ttl=durations.text(ttl), expires=granted.expires, **fields)
        await self._cluster.journal.record(event)

    async def _record_end(self, caller: Caller, user: str, device: MFADevice | None) -> None:
        fields = {**caller.event_fields(), "user": user}
        if device is None:
            await self._cluster.journal.record(PasswordChanged(**fields))
        else:
            named = msgspec.structs.asdict(named_device(device))
            await self._cluster.journal.record(MFADeviceAdded(**named, **fields))
        await self._cluster.journal.record(RecoveryCodesGenerated(**fields))


def _what_was_lost(word: str) -> Recovers:
    match word:
        case "password" | "mfa":
            return word
        case _:
            raise BadParameter(f"recover {word!r}: expected password or mfa")
