"""Who may come in, and who may stay: asks policy at the door, and again whenever what it knows has changed.

Decisions are made from the replica, so they do not wait for anybody. A connection that would be refused now is ended
within two seconds of the change that reaches this host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from teleport.engines.engine import Connection, Post
from teleport.engines.host_accounts.host_accounts import WantedAccount
from teleport.foundation.errors import BadParameter, NotFound, TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.model.identity import Identity
from teleport.model.resource import Resource
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.cluster_networking_config import ClusterNetworkingConfig
from teleport.model.resources.lock import Lock
from teleport.model.resources.role import Role
from teleport.model.resources.session_recording_config import SessionRecordingConfig
from teleport.model.resources.user import User
from teleport.model.resources.user_login_state import UserLoginState
from teleport.policy import locks, moderation
from teleport.policy.access import AccessState, can_access_node
from teleport.policy.decision import Decision
from teleport.policy.moderation import Requirement
from teleport.policy.options import MergedOptions
from teleport.policy.principals import host_user
from teleport.policy.role_set import RoleSet, RoleSetMemory
from teleport.storage.backend import Gap
from teleport.storage.feed import Subscription
from teleport.storage.replica import Replica

log = get_logger("admission")

R = TypeVar("R", bound=Resource)
WATCHED: Final = (
    "role",
    "lock",
    "user",
    "user_login_state",
    "cluster_auth_preference",
    "cluster_networking_config",
    "session_recording_config",
    "node",
)
KINDS: Final = (*WATCHED, "cert_authority")
"""The kinds a replica must hold for an engine to decide."""
_GATHER = 0.05
_TICK = 1.0
_RECHECK_TICKS = 30
_BATCH = 10


@dataclass(frozen=True)
class Verdict:
    """`reason` is for the person who asked, `detail` for the audit log."""

    allowed: bool
    reason: str = ""
    detail: str = ""


class Admission:
    """One person's admission to one node as one login. `decide` may be asked at any time."""

    def __init__(
        self, connection: Connection, identity: Identity, login: str, role_sets: RoleSetMemory | None = None
    ) -> None:
        self.identity = identity
        self.login = login
        self.next_change: datetime | None = None
        """When a schedule of a role opens or closes, so that it must be decided again; None for never."""
        self.required: tuple[Requirement, ...] = ()
        """Who must be present in the person's sessions, as last decided."""
        self.when_required_changes: Callable[[], None] = lambda: None
        self.when_decided: Callable[[], None] = lambda: None
        """Called when it was decided again that the person may stay."""
        self._connection = connection
        self._role_sets = role_sets or RoleSetMemory()
        self._role_set: RoleSet | None = None

    @property
    def post(self) -> Post:
        return self._connection.post

    def decide(self) -> Verdict:
        """As things stand now. Whatever cannot be decided is refused."""
        identity = self.identity
        if identity.is_host or identity.cluster != self.post.cluster:
            return Verdict(False, "the certificate is not that of a person of this cluster")
        try:
            if identity.user_type == "local" and self.post.replica.find(User, identity.username) is None:
                return Verdict(False, "the user of your certificate does not exist any more")
            if gone := self._withdrawn():
                return Verdict(False, gone)
            missing = [name for name in identity.roles if self.post.replica.find(Role, name) is None]
            if missing:  # it may have denied something: without it nothing can be said
                return Verdict(
                    False, f'role "{missing[0]}" of your certificate does not exist any more: log in again'
                )
            decision = self._decide()
        except TeleportError as error:
            return Verdict(False, f"access cannot be decided now: {error.message}")
        if decision.allowed:
            self.when_decided()
            return Verdict(True)
        return Verdict(False, decision.message_for_user(), decision.message_for_administrator())

    def _withdrawn(self) -> str:
        """What in the certificate an access list gave and took back."""
        replica, identity = self.post.replica, self.identity
        state = replica.find(UserLoginState, identity.username)
        if state is None:
            return ""
        return state.withdrawn_from(identity, replica.find(User, identity.username), self.post.clock.now())

    def _decide(self) -> Decision:
        role_set, state = self._question()
        return self._ask(role_set, state)

    def _ask(self, role_set: RoleSet, state: AccessState) -> Decision:
        required: tuple[Requirement, ...] = ()
        if not self.is_told_by_proxy:
            required = moderation.requirements(role_set.at(state.now).given, "ssh")
        if required != self.required:
            self.required = required
            self.when_required_changes()
        return can_access_node(role_set, self.post.node(), self.login, state)

    def lock_on(self, session: str) -> str:
        """Why a session of this person may not go on though they may stay; empty when no lock names it."""
        replica = self.post.replica
        naming = [lock for lock in replica.list(Lock) if lock.spec.target.session_id]
        if not naming:
            return ""
        now = self.post.clock.now()
        found = locks.blocking(naming, self.identity, self.post.node(), now, login=self.login, session=session)
        return locks.message(found) if found is not None else ""

    def roles_limiting_connections(self) -> tuple[str, ...]:
        """Names of the roles whose `max_connections` is the one that holds."""
        limit, given = self.options.max_connections, self._role_set.given if self._role_set else ()
        return tuple(role.name for role in given if limit and role.spec.options.max_connections == limit)

    def _question(self) -> tuple[RoleSet, AccessState]:
        replica, identity = self.post.replica, self.identity
        roles = {name: replica.get(Role, name) for name in identity.roles}
        self._role_set = self._role_sets.for_identity(identity, roles, self.post.cluster)
        now = self.post.clock.now()
        self.next_change = self._role_set.next_change(now)
        state = AccessState.of(
            identity,
            _setting(replica, ClusterAuthPreference),
            source_ip=self._connection.client_address[0],
            now=now,
            locks=replica.list(Lock),
            locks_age=replica.age(now),
        )
        return self._role_set, state

    @property
    def options(self) -> MergedOptions:
        assert self._role_set is not None, "not decided yet"
        return self._role_set.options

    def wanted_account(self) -> WantedAccount | None:
        """The host user that roles want made for this login; None when it must be there already.

        Raises BadParameter when roles or traits say what cannot be.
        """
        assert self._role_set is not None, "not decided yet"
        found = host_user(self._role_set.at(self.post.clock.now()), self.post.node(), self.login)
        if found is None:
            return None
        return WantedAccount(
            mode=found.mode, groups=found.groups, sudoers=found.sudoers, shell=found.shell,
            uid=self._number("host_user_uid"), gid=self._number("host_user_gid"),
        )  # fmt: skip

    def _number(self, trait: str) -> int | None:
        text = next(iter(self.identity.traits.get(trait, ())), "")
        if text and not (text.isascii() and text.isdecimal()):
            raise BadParameter(f"trait {trait} of {self.identity.username} is {text!r}: expected a number")
        return int(text) if text else None

    @property
    def idle_timeout(self) -> timedelta:
        """Zero for none."""
        limit = _setting(self.post.replica, ClusterNetworkingConfig).spec.client_idle_timeout
        return self.options.idle_timeout(limit.delta)

    @property
    def idle_message(self) -> str:
        return _setting(self.post.replica, ClusterNetworkingConfig).spec.idle_timeout_message

    @property
    def is_told_by_proxy(self) -> bool:
        """A proxy is the client, and does already what is done once."""
        return self._connection.is_told_by_proxy

    @property
    def recording_mode(self) -> str:
        """As the cluster sets it."""
        return _setting(self.post.replica, SessionRecordingConfig).spec.mode

    @property
    def is_kept_record_of(self) -> bool:
        """The cluster records sessions, wherever that is done."""
        return _setting(self.post.replica, SessionRecordingConfig).spec.is_on

    @property
    def is_recorded(self) -> bool:
        return not self.is_told_by_proxy and _setting(self.post.replica, SessionRecordingConfig).spec.is_on

    @property
    def is_streamed(self) -> bool:
        """A recording goes to the cluster while the session runs."""
        return _setting(self.post.replica, SessionRecordingConfig).spec.is_sync

    @property
    def must_be_recorded(self) -> bool:
        """A session ends when its recording fails, or does not reach the cluster where it is streamed."""
        spec = _setting(self.post.replica, SessionRecordingConfig).spec
        return spec.is_on and self.options.record_ssh == "strict"

    @property
    def deadline(self) -> datetime | None:
        """When the connection ends because the certificate does; None when it may go on."""
        preference = _setting(self.post.replica, ClusterAuthPreference).spec
        if not self.options.disconnects_expired(bool(preference.disconnect_expired_cert)):
            return None
        return self.identity.previous_expires or self.identity.expires


class Admissions:
    """All that were let in. Shared by the connections of one engine; starts watching with the first of them."""

    def __init__(self) -> None:
        self._admitted: dict[Admission, Callable[[str], None]] = {}
        self._tasks = TaskOwner("admission")
        self._watched: set[Replica] = set()
        self._changed = asyncio.Event()
        self.role_sets = RoleSetMemory()
        """Many connections are of the same people."""

    def enter(self, admission: Admission, send_away: Callable[[str], None]) -> None:
        """It came in: `send_away` is called, with the reason, once it may not stay."""
        self._admitted[admission] = send_away
        replica = admission.post.replica
        if not self._watched:
            self._tasks.start(self._reconsider(), "admissions")
        if replica not in self._watched:
            self._watched.add(replica)
            changes = replica.changes(WATCHED)  # from here on: none may slip by before the task begins
            self._tasks.start(self._watch(replica, changes), "admission changes")
        verdict = admission.decide()  # what changed while the client proved its key was told to nobody
        if not verdict.allowed:
            send_away(verdict.reason)

    def exit(self, admission: Admission) -> None:
        self._admitted.pop(admission, None)

    async def close(self) -> None:
        await self._tasks.close()
        self._watched.clear()

    async def _watch(self, replica: Replica, changes: Subscription) -> None:
        while True:
            try:
                async for change in changes:
                    self._changed.set()
                    if isinstance(change, Gap):
                        break
            finally:
                changes.close()
            changes = replica.changes(WATCHED)
            self._changed.set()
            await asyncio.sleep(_GATHER)

    async def _reconsider(self) -> None:
        ticks = 0
        while True:
            try:
                async with asyncio.timeout(_TICK):
                    await self._changed.wait()
            except TimeoutError:
                ticks += 1
                self._end_expired()
                if ticks % _RECHECK_TICKS and not self._has_hour_struck():
                    continue
            else:
                await asyncio.sleep(_GATHER)
            self._changed.clear()
            await self._decide_again()

    def _has_hour_struck(self) -> bool:
        """Whether a schedule of anybody's role has opened or closed since they were decided."""
        return any(
            admission.next_change is not None and admission.next_change <= admission.post.clock.now()
            for admission in self._admitted
        )

    def _end_expired(self) -> None:
        for admission, send_away in tuple(self._admitted.items()):
            deadline = admission.deadline
            if deadline is not None and deadline <= admission.post.clock.now():
                send_away("your certificate has expired")

    async def _decide_again(self) -> None:
        for number, (admission, send_away) in enumerate(tuple(self._admitted.items())):
            if number % _BATCH == _BATCH - 1:
                await asyncio.sleep(0)  # others take their turn
            if admission not in self._admitted:
                continue
            verdict = admission.decide()
            if not verdict.allowed:
                log.info(
                    "an open connection is refused", user=admission.identity.username, login=admission.login,
                    reason=verdict.detail or verdict.reason,
                )  # fmt: skip
                send_away(verdict.reason)


def keep_alive(replica: Replica) -> tuple[float, int]:
    """How often idle connections are probed, in seconds, and how many probes may go unanswered."""
    spec = _setting(replica, ClusterNetworkingConfig).spec
    return spec.keep_alive_interval.delta.total_seconds(), spec.keep_alive_count_max


def _setting(replica: Replica, kind: type[R]) -> R:
    """The cluster's setting; what it is by default where the cluster has not said."""
    try:
        return replica.get_singleton(kind)
    except NotFound:
        return kind()
