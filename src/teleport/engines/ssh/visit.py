"""One client's stay on this host: who came in as whom, what is open, and what it may do until it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncssh

from teleport.credentials import ssh_certificates
from teleport.credentials.ssh_certificates import JOIN_PRINCIPAL
from teleport.engines.admission import Admission, Admissions
from teleport.engines.engine import Connection
from teleport.engines.guests import GuestAdmission
from teleport.engines.ssh.audit import Audit
from teleport.engines.ssh.backend import Backend
from teleport.engines.ssh.connection import ServerConnection
from teleport.engines.ssh.displays import DisplaySource
from teleport.engines.ssh.forwards import Forwards
from teleport.foundation.errors import BadParameter, LimitExceeded, NotAuthenticated, TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.model.identity import Identity
from teleport.session.leases import Lease
from teleport.session.live import LiveSession

log = get_logger("ssh")

CONCLUSION = 10.0
"""Seconds that sessions are given to finish their recordings once the client has gone."""
FAREWELL = 1.0
"""Seconds a client is given to take the last words before its connection is cut."""

PARTING_WORDS = "this node is stopping"


class Visit(asyncssh.SSHServer):
    """The gate of one connection, and asyncssh's owner of it. Closed once, by whichever side ends first."""

    def __init__(
        self,
        connection: Connection,
        admissions: Admissions,
        make_backend: Callable[[Visit], Backend],
        open_session: Callable[[Visit], asyncssh.SSHServerSession[bytes]],
    ) -> None:
        post = connection.post
        self.connection = connection
        self.post = post
        self.audit = Audit(connection)
        self.tasks = TaskOwner("ssh")
        self.permit_user_environment = post.permit_user_environment
        self.environment_limit = post.limits.environment
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.screens: set[Callable[[str], None]] = set()
        """How to tell each open session that it is over, and why."""
        self.certificate = ""
        """The one that was admitted."""
        self.presences: dict[str, Callable[[str], None]] = {}
        """Takes a certificate as proof that a guest is there, by the id of the session. Raises AccessDenied."""
        self.lives: set[LiveSession] = set()
        """The sessions on terminals, which others may join."""
        self.displays: DisplaySource | None = None
        """None for guests, who show nothing."""
        self.conditions: dict[object, tuple[Callable[[], str], Callable[[str], None]]] = {}
        """Why each open session may not go on as things stand, if so; and how to end it with that reason."""
        self.sessions = 0
        self.last_active = post.clock.monotonic()
        self._admissions = admissions
        self._open_session = open_session
        self._admission: Admission | None = None
        self._lease: Lease | None = None
        self._was_moderated = False
        self._link: ServerConnection | None = None
        self._is_leaving = False
        self._draining = ""
        """Why no further session begins."""
        self._idle_watch: asyncio.Task[None] | None = None
        self._forwards: Forwards | None = None
        self.backend = make_backend(self)

    # -- who it is

    @property
    def admission(self) -> Admission:
        assert self._admission is not None, "not authenticated yet"
        return self._admission

    @property
    def is_admitted(self) -> bool:
        return self._admission is not None

    @property
    def identity(self) -> Identity:
        return self.admission.identity

    @property
    def login(self) -> str:
        return self.admission.login

    @property
    def link(self) -> ServerConnection:
        assert self._link is not None, "not connected"
        return self._link

    @property
    def guest(self) -> GuestAdmission | None:
        """Set when the person comes to join sessions of others, and may do nothing else."""
        return self._admission if isinstance(self._admission, GuestAdmission) else None

    @property
    def forwards(self) -> Forwards:
        """Raises asyncssh.ChannelOpenError for guests, who have none."""
        if self._forwards is None:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "who joins a session forwards nothing"
            )
        return self._forwards

    def attach(self, link: ServerConnection) -> None:
        self._link = link

    # -- the gate

    async def is_known(self, certificate: str) -> bool:
        try:
            self.verify(certificate)
        except NotAuthenticated as refusal:
            log.debug("a certificate is not accepted", error=refusal, trace_id=self.connection.request.trace_id)
            event_id = self.audit.refused(None, "", refusal.message)
            if event_id and ssh_certificates.is_signed_by(certificate, self.post.user_authorities()):
                # of our own alone: a key agent offers those of other clusters too, and a later one may be good
                self.link.send_auth_banner(f"{refusal.message} (event {event_id})\r\n")
            return False
        return True

    async def admit(self, certificate: str, login: str) -> str:
        identity = None
        try:
            identity = self.verify(certificate)
            ssh_certificates.verify_user(
                certificate,
                self.post.user_authorities(),
                login,
                self.post.clock.now(),
                self.connection.client_address[0],
            )
        except NotAuthenticated as refusal:
            return self._refuse(identity, login, refusal.message)
        memory = self._admissions.role_sets
        admission = (
            GuestAdmission(self.connection, identity, memory)
            if login == JOIN_PRINCIPAL
            else Admission(self.connection, identity, login, memory)
        )
        verdict = admission.decide()
        if not verdict.allowed:
            return self._refuse(identity, login, verdict.reason, verdict.detail)
        if self.post.emitter.failure is not None:
            return f"this node cannot keep its audit log at present: {self.post.emitter.failure}"
        if login != JOIN_PRINCIPAL and (reason := await self._take_place(admission)):
            return reason
        try:
            if login != JOIN_PRINCIPAL:
                await self.backend.arrive(admission, certificate)
        except TeleportError as refusal:
            self._give_place()
            return self._refuse(identity, login, refusal.message)
        self.certificate = certificate
        self._admission = admission
        self.audit.identify(identity, login)
        return ""

    async def _take_place(self, admission: Admission) -> str:
        """Count this connection in the whole cluster where a role limits them; why it may not be, if so."""
        limit, identity = admission.options.max_connections, admission.identity
        self._give_place()
        if not limit or admission.is_told_by_proxy:
            return ""
        try:
            self._lease = await self.post.leases.acquire("connection", identity.username, limit, self.leave)
        except LimitExceeded:
            event_id = self.audit.connection_rejected(identity, admission.login, limit)
            log.info("too many connections", user=identity.username, limit=limit, event=event_id)
            of = f"max_connections of role {', '.join(admission.roles_limiting_connections())}"
            return f"your roles limit connections to {limit} at once ({of}): end another one first (event {event_id})"
        except TeleportError as problem:
            reason = f"your roles limit your connections, which cannot be counted now: {problem.message}"
            return self._refuse(identity, admission.login, reason)
        return ""

    def _give_place(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            self.post.leases.release(lease)

    def verify(self, certificate: str) -> Identity:
        """The holder, by a certificate good here and now for one login at least. Raises NotAuthenticated."""
        try:
            first = ssh_certificates.read_user(certificate).principals[0]
        except BadParameter as problem:
            raise NotAuthenticated(f"certificate refused: {problem}") from problem
        return ssh_certificates.verify_user(
            certificate, self.post.user_authorities(), first, self.post.clock.now(), self.connection.client_address[0]
        )

    def _refuse(self, identity: Identity | None, login: str, reason: str, detail: str = "") -> str:
        event_id = self.audit.refused(identity, login, detail or reason)
        user = identity.username if identity else ""
        log.info("access refused", user=user, login=login, reason=detail or reason, event=event_id)
        return f"{reason} (event {event_id})" if event_id else reason

    def authenticated(self) -> None:
        if self.guest is None:
            self._forwards = Forwards(self.link, self.admission, self.backend, self.audit, self.tasks, self.touch)
            self.displays = self.backend.displays()
        else:
            self.permit_user_environment = True  # it says which session is meant, and reaches no program
        self._was_moderated = bool(self.admission.required)
        self.admission.when_required_changes = self._require
        self.admission.when_decided = self._check_conditions
        self._admissions.enter(self.admission, self.leave)
        self._idle_watch = self.tasks.start(self._watch_idle(), "idle")

    def _require(self) -> None:
        """Roles require others than before to be present in the sessions of this connection."""
        if self.admission.required and not self._was_moderated:
            # forwards and programs without a terminal may be open, which nobody can watch
            self.leave("your roles now require that others are present in your sessions: connect again")
            return
        for live in tuple(self.lives):
            live.reassess()

    def _check_conditions(self) -> None:
        for objection, end in tuple(self.conditions.values()):
            if reason := objection():
                end(reason)

    # -- asyncssh's questions

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        data = key.public_data
        return any(
            asyncssh.import_public_key(line).public_data == data
            for authority in self.post.user_authorities()
            for line in authority.ssh_keys
        )

    def auth_completed(self) -> None:
        self.authenticated()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def session_requested(self) -> Any:
        limit = self.admission.options.max_sessions
        if self._draining and self.sessions and self.guest is None:
            # as of a resource: another connection, which another process takes, may have it
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, f"{self._draining}: connect again for another session"
            )
        self._check_channels()
        if limit and self.sessions >= limit:
            self.audit.session_rejected(limit)
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, f"your roles allow {limit} sessions on one connection"
            )
        self.sessions += 1
        return self._open_session(self)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        self._check_channels()
        return self.forwards.to_tcp(dest_host, dest_port)

    def unix_connection_requested(self, dest_path: str) -> Any:
        self._check_channels()
        return self.forwards.to_unix(dest_path)

    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        return self._forwards is not None and self._forwards.from_tcp(listen_host, listen_port)

    def unix_server_requested(self, listen_path: str) -> Any:
        return self._forwards is not None and self._forwards.from_unix(listen_path)

    async def open_agent(self) -> bool:
        return self._forwards is not None and await self._forwards.open_agent()

    def _check_channels(self) -> None:
        if self.link.open_channels > self.post.limits.channels:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, f"more than {self.post.limits.channels} channels on one connection"
            )

    # -- the end

    def touch(self) -> None:
        """The client did something, or was shown something."""
        self.last_active = self.post.clock.monotonic()

    async def _watch_idle(self) -> None:
        while True:
            limit = self.admission.idle_timeout.total_seconds()
            if limit <= 0:
                await asyncio.sleep(60)
                continue
            left = self.last_active + limit - self.post.clock.monotonic()
            if left <= 0:
                self.leave(self.admission.idle_message or f"idle for more than {limit:g} seconds")
                return
            await asyncio.sleep(min(left, 60))

    def leave(self, reason: str) -> None:
        """Send the client away: every session is told why, and the connection ends soon after."""
        if self._is_leaving or self.ended.done():
            return
        self._is_leaving = True
        if self._admission is None:
            self.link.abort()
            return
        log.info("a connection is ended", user=self.identity.username, login=self.login, reason=reason)
        self.audit.disconnected(reason)
        for tell in tuple(self.screens):
            tell(reason)
        self.tasks.start(self._part(reason), "farewell")

    def drain(self, why: str) -> None:
        """No session follows another here any more; the client is sent away once the last has ended.

        One that never asked for a session is here for its forwards, and keeps them.
        """
        self._draining = why
        self.channel_closed()

    def channel_closed(self) -> None:
        """Called for each."""
        if self._draining and self._is_done:
            self.tasks.start(self._part_when_done(), "drained")

    @property
    def _is_done(self) -> bool:
        """Kept open for sessions that may come, and for nothing else."""
        is_listening = self._forwards is not None and self._forwards.is_listening
        return bool(self.sessions) and not self.link.open_channels and not is_listening

    async def _part_when_done(self) -> None:
        await asyncio.wait({self.ended}, timeout=FAREWELL)  # most clients leave by themselves
        if self._is_done:
            self.leave(self._draining)

    async def _part(self, reason: str) -> None:
        await asyncio.wait({self.ended}, timeout=FAREWELL)
        if not self.ended.done():
            # by its code: clients take DISC_BY_APPLICATION for an end that was wanted, and drop the reason
            self.link.disconnect(asyncssh.DISC_SERVICE_NOT_AVAILABLE, reason)
            await asyncio.wait({self.ended}, timeout=FAREWELL)
        if not self.ended.done():
            self.link.abort()

    async def close(self) -> None:
        """Nothing of this visit is left when it returns."""
        if self._admission is not None:
            self._admissions.exit(self._admission)
        self._give_place()
        self.backend.close()
        if self._idle_watch is not None:
            self._idle_watch.cancel()  # it has no end of its own to wait for
        await self.tasks.close(grace=CONCLUSION)
        self.audit.left()
