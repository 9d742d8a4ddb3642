"""People: invited, reset, changing their own password, deleted with all that was theirs."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from teleport.api.route import Empty
from teleport.api.routes.users import ChangePassword, InviteUser, ResetUser, UserTokenGranted
from teleport.auth.admin_actions import AdminActions
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.lockout import Lockout
from teleport.auth.login import Answers, Logins
from teleport.auth.settings import INVITE_TTL, MAX_INVITE_TTL, MAX_RESET_TTL, RESET_TTL
from teleport.auth.user_rules import check_reach, check_user
from teleport.auth.user_tokens import UserTokens
from teleport.auth.web_sessions import WebSessions
from teleport.credentials import passwords
from teleport.foundation import durations
from teleport.foundation.errors import BadParameter, NotFound, Unsupported
from teleport.model.events.user import PasswordChanged, UserCreated, UserUpdated
from teleport.model.resource import Metadata
from teleport.model.resources.access_request import AccessRequest
from teleport.model.resources.user import CreatedBy, User, UserRef, UserSpec
from teleport.model.resources.user_login_state import UserLoginState
from teleport.model.resources.user_secrets import LoginAttempts, UserSecrets
from teleport.model.sensitive import Secret


class Users:
    """What is more than reading and writing a `user` resource."""

    def __init__(
        self,
        cluster: Cluster,
        guard: Guard,
        tokens: UserTokens,
        logins: Logins,
        lockout: Lockout,
        web_sessions: WebSessions,
        admin_actions: AdminActions,
    ) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._guard = guard
        self._tokens = tokens
        self._logins = logins
        self._lockout = lockout
        self._web_sessions = web_sessions
        self._admin_actions = admin_actions

    async def invite(self, caller: Caller, request: InviteUser) -> UserTokenGranted:
        """A user without credentials, and the link to choose them."""
        ttl = _bounded(request.ttl, INVITE_TTL, MAX_INVITE_TTL, "an invitation")
        user = User(
            metadata=Metadata(name=request.name),
            spec=UserSpec(
                roles=list(request.roles),
                traits={name: list(values) for name, values in request.traits.items()},
                created_by=CreatedBy(time=self._cluster.clock.now(), user=UserRef(name=caller.name)),
            ),
        )
        user.check()
        await self._guard.require(caller, "create", User.KIND, resource=user)
        await self._admin_actions.require(caller, in_series=True)
        await check_user(self._cluster, self._guard, caller, user, None)
        await self._store.create(user)
        await self.forget_secrets(user.name)
        fields = caller.event_fields()
        event = UserCreated(name=user.name, roles=list(user.spec.roles), connector="local", **fields)
        await self._cluster.journal.record(event)
        return await self._tokens.create(caller, user.name, "invite", ttl)

    async def reset(self, caller: Caller, request: ResetUser) -> UserTokenGranted:
        """Password, devices and web sessions end at once; a link leads to new ones."""
        ttl = _bounded(request.ttl, RESET_TTL, MAX_RESET_TTL, "a reset link")
        user = await self._guarded_user(caller, request.name)
        if user.is_sso:
            raise Unsupported(f"user {user.name!r} comes from an identity provider and has no password here")
        await check_reach(self._guard, caller, user)
        await self._admin_actions.require(caller)
        await self.forget_secrets(user.name)
        if user.spec.status is not None and user.spec.status.is_locked:
            user.spec.status = None
            await self._store.overwrite(user)
        event = UserUpdated(name=user.name, roles=list(user.spec.roles), connector="local", **caller.event_fields())
        await self._cluster.journal.record(event)
        return await self._tokens.create(caller, user.name, "reset", ttl)

    async def change_password(self, caller: Caller, request: ChangePassword) -> Empty:
        """The old password and a second factor are asked again; wrong ones count as failed logins."""
        identity = caller.person()
        try:
            old, new = request.old_password.decode(), request.new_password.decode()
        except UnicodeDecodeError as error:
            raise BadParameter("passwords are UTF-8 text") from error
        passwords.check_password(new)
        answers = Answers(
            user=identity.username,
            password=old,
            code=request.second_factor_token,
            key=request.webauthn_assertion_response,
        )
        user, _ = await self._logins.prove(caller, answers, scope="change_password")
        secrets = await self._store.get(UserSecrets, user.name)
        secrets.spec.password_hash = Secret(await passwords.hash_password(new))
        secrets.spec.password_changed_at = self._cluster.clock.now()
        await self._store.update(secrets)
        await self._web_sessions.end_all(user.name, keep=caller.web_session)
        await self._cluster.journal.record(PasswordChanged(**caller.event_fields()))
        return Empty()

    async def forget(self, name: str) -> None:
        """A user was deleted: nothing that was theirs stays, or a namesake would inherit it."""
        await self.forget_secrets(name)
        await self._tokens.end_all(name)
        async for request in self._store.iterate(AccessRequest):
            if request.spec.user == name:
                with contextlib.suppress(NotFound):
                    await self._store.delete(AccessRequest, request.name)
        with contextlib.suppress(NotFound):
            await self._store.delete(UserLoginState, name)

    async def forget_secrets(self, name: str) -> None:
        """Of a reset user, or of a new one: what a namesake from a provider left behind is not theirs."""
        for kind in (UserSecrets, LoginAttempts):
            with contextlib.suppress(NotFound):
                await self._store.delete(kind, name)
        await self._web_sessions.end_all(name)

    async def _guarded_user(self, caller: Caller, name: str) -> User:
        user = await self._store.find(User, name)
        await self._guard.require(caller, "update", User.KIND, resource=user, name=name)
        if user is None:
            raise NotFound(f"user {name!r} is not found")
        return user


def _bounded(ttl: timedelta | None, default: timedelta, limit: timedelta, what: str) -> timedelta:
    if ttl is None:
        return default
    if not timedelta() < ttl <= limit:
        asked = durations.text(ttl)
        raise BadParameter(f"{what} is valid for at most {limit.total_seconds() / 3600:g}h, asked for {asked}")
    return ttl
