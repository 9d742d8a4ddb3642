"""One client's stay on this host: who came in as whom, what is open, and what it may do until it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import asyncssh

from teleport.credentials import ssh_certificates
from teleport.engines.admission import Admission, Admissions
from teleport.engines.engine import Connection
from teleport.engines.ssh import forwarding, host_users
from teleport.engines.ssh.agent_folder import AgentFolder
from teleport.engines.ssh.audit import Audit
from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.spawner import Spawner
from teleport.foundation.errors import BadParameter, LimitExceeded, NotAuthenticated, TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner
from teleport.model.identity import Identity

if TYPE_CHECKING:
    from teleport.engines.ssh.connection import ServerConnection

log = get_logger("ssh")

FORWARDING_REFUSED = "port forwarding is not allowed here by your roles or this node"
CONCLUSION = 10.0
"""Seconds that sessions are given to finish their recordings once the client has gone."""
FAREWELL = 1.0
"""Seconds a client is given to take the last words before its connection is cut."""


class Visit(asyncssh.SSHServer):
    """The gate of one connection, and asyncssh's owner of it. Closed once, by whichever side ends first."""

    def __init__(self, connection: Connection, admissions: Admissions, spawner: Spawner) -> None:
        post = connection.post
        self.connection = connection
        self.post = post
        self.spawner = spawner
        self.audit = Audit(connection)
        self.tasks = TaskOwner("ssh")
        self.permit_user_environment = post.permit_user_environment
        self.environment_limit = post.limits.environment
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.screens: set[Callable[[str], None]] = set()
        """How to tell each open session that it is over, and why."""
        self.sessions = 0
        self.last_active = post.clock.monotonic()
        self._admissions = admissions
        self._admission: Admission | None = None
        self._user: HostUser | None = None
        self._link: ServerConnection | None = None
        self._is_leaving = False
        self._listeners = 0
        self._agent: AgentFolder | None = None
        self._agent_listener: forwarding.Listener | None = None

    # -- who it is

    @property
    def admission(self) -> Admission:
        assert self._admission is not None, "not authenticated yet"
        return self._admission

    @property
    def identity(self) -> Identity:
        return self.admission.identity

    @property
    def login(self) -> str:
        return self.admission.login

    @property
    def user(self) -> HostUser:
        assert self._user is not None, "not authenticated yet"
        return self._user

    @property
    def link(self) -> ServerConnection:
        assert self._link is not None, "not connected"
        return self._link

    def attach(self, link: ServerConnection) -> None:
        self._link = link

    # -- the gate

    async def is_known(self, certificate: str) -> bool:
        try:
            self._verify(certificate)
        except NotAuthenticated as refusal:
            log.debug("a certificate is not accepted", error=refusal, trace_id=self.connection.request.trace_id)
            self.audit.refused(None, "", refusal.message)
            return False
        return True

    async def admit(self, certificate: str, login: str) -> str:
        try:
            identity = self._verify(certificate)
            ssh_certificates.verify_user(
                certificate,
                self.post.user_authorities(),
                login,
                self.post.clock.now(),
                self.connection.client_address[0],
            )
        except NotAuthenticated as refusal:
            return self._refuse(None, login, refusal.message)
        admission = self._admissions.new(self.connection, identity, login)
        verdict = admission.decide()
        if not verdict.allowed:
            return self._refuse(identity, login, verdict.reason, verdict.detail)
        if self.post.emitter.failure is not None:
            return f"this node cannot keep its audit log at present: {self.post.emitter.failure}"
        try:
            user = await host_users.find(login)
        except TeleportError as refusal:
            return self._refuse(identity, login, refusal.message)
        self._admission, self._user = admission, user
        self.audit.identify(identity, login)
        return ""

    def _verify(self, certificate: str) -> Identity:
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
        self._admissions.enter(self.admission, self.leave)
        self.tasks.start(self._watch_idle(), "idle")

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
        from teleport.engines.ssh.channel import SessionChannel

        limit = self.admission.options.max_sessions
        self._check_channels()
        if limit and self.sessions >= limit:
            self.audit.session_rejected(limit)
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, f"your roles allow {limit} sessions on one connection"
            )
        self.sessions += 1
        return SessionChannel(self)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        self._check_forwarding(f"{dest_host}:{dest_port}", self._may_forward_out)
        return self._forward_tcp(dest_host, dest_port)

    def unix_connection_requested(self, dest_path: str) -> Any:
        self._check_forwarding(dest_path, self._may_forward_out)
        return self._forward_unix(dest_path)

    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        return self._listen_tcp(listen_host, listen_port)

    def unix_server_requested(self, listen_path: str) -> Any:
        return self._listen_unix(listen_path)

    # -- forwarding

    @property
    def _may_forward_out(self) -> bool:
        return self.admission.options.port_forwarding_local and self.post.permit_port_forwarding

    def _check_channels(self) -> None:
        if self.link.open_channels > self.post.limits.channels:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, f"more than {self.post.limits.channels} channels on one connection"
            )

    def _check_forwarding(self, where: str, is_allowed: bool) -> None:
        self._check_channels()
        if not is_allowed:
            self.audit.port_failed(where, FORWARDING_REFUSED)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, FORWARDING_REFUSED)

    async def _forward_tcp(self, host: str, port: int) -> forwarding.ChannelSide:
        where = f"{host}:{port}"
        try:
            far = await forwarding.connect_tcp(host, port, self.touch)
        except (OSError, TimeoutError, UnicodeError) as error:
            reason = str(error) or "it took too long"
            self.audit.port_failed(where, reason)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, reason) from error
        self.audit.port_opened(where)
        return forwarding.ChannelSide(far, self.touch, lambda: self.audit.port_closed(where))

    async def _forward_unix(self, path: str) -> forwarding.ChannelSide:
        try:
            far = await forwarding.adopt(await self.spawner.connect(path, self.user), self.touch)
        except (TeleportError, OSError) as error:
            self.audit.port_failed(path, str(error))
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(error)) from error
        self.audit.port_opened(path)
        return forwarding.ChannelSide(far, self.touch, lambda: self.audit.port_closed(path))

    async def _listen_tcp(self, host: str, port: int) -> forwarding.Listener | bool:
        where = f"{host or '*'}:{port}"
        try:
            self._check_listener(where)
            if port < 1024 and port != 0 and self.user.uid != 0:
                raise LimitExceeded(f"port {port} is for root alone")
            sockets = forwarding.listen_tcp(port)
        except (TeleportError, OSError, OverflowError) as error:
            self.audit.port_failed(where, str(error))
            return False
        bound = sockets[0].getsockname()[1]

        async def open_channel(far: forwarding.SocketSide, origin: tuple[str, int]) -> None:
            await self.link.create_connection(
                lambda: forwarding.ChannelSide(far, self.touch, lambda: None),
                host,
                bound if port == 0 else port,
                *origin,
            )

        return self._listener(sockets, f"{host or '*'}:{bound}", open_channel)

    async def _listen_unix(self, path: str) -> forwarding.Listener | bool:
        try:
            self._check_listener(path)
            sock = await self.spawner.listen(path, self.user)
        except (TeleportError, OSError) as error:
            self.audit.port_failed(path, str(error))
            return False

        async def open_channel(far: forwarding.SocketSide, _: tuple[str, int]) -> None:
            await self.link.create_unix_connection(
                lambda: forwarding.ChannelSide(far, self.touch, lambda: None), path
            )

        return self._listener([sock], path, open_channel)

    def _check_listener(self, where: str) -> None:
        if not (self.admission.options.port_forwarding_remote and self.post.permit_port_forwarding):
            raise LimitExceeded(f"{where}: {FORWARDING_REFUSED}")
        if self._listeners >= self.post.limits.listeners:
            raise LimitExceeded(f"{where}: {self._listeners} listeners on one connection are the most")

    def _listener(self, sockets: Any, where: str, open_channel: Any) -> forwarding.Listener:
        self._listeners += 1
        self.audit.port_opened(where)

        def closed() -> None:
            self._listeners -= 1
            self.audit.port_closed(where)

        def arrived(sock: Any) -> None:
            self.tasks.start(self._carry_back(sock, where, open_channel), "remote forward")

        return forwarding.Listener(sockets, arrived, closed)

    async def _carry_back(self, sock: Any, where: str, open_channel: Any) -> None:
        """A program of this host connected to what the client listens on."""
        name = sock.getpeername() if sock.family != 1 else ("", 0)
        far = await forwarding.adopt(sock, self.touch)
        try:
            await open_channel(far, (str(name[0]), int(name[1])))
        except (asyncssh.ChannelOpenError, OSError) as error:
            self.audit.port_failed(where, str(error))
            if far.transport is not None:
                far.transport.abort()

    async def open_agent(self) -> bool:
        """Listen for this user's programs on a socket of their own, in a folder nobody else could prepare."""
        if self._agent_listener is not None:
            return True
        if not self.admission.options.forward_agent:
            log.debug("agent forwarding is not allowed by the roles", user=self.identity.username)
            return False
        try:
            folder = await asyncio.to_thread(AgentFolder, self.user)
        except OSError as error:
            log.warning("no folder for the agent socket can be made", error=error)
            return False
        try:
            sock = await self.spawner.listen(folder.socket_path, self.user)
        except TeleportError as error:
            log.warning("the agent socket cannot be opened", error=error)
            folder.remove()
            return False

        async def open_channel(far: forwarding.SocketSide, _: tuple[str, int]) -> None:
            channel = self.link.create_agent_channel()
            await channel.open(lambda: forwarding.ChannelSide(far, self.touch, lambda: None))

        def arrived(accepted: Any) -> None:
            self.tasks.start(self._carry_back(accepted, "agent", open_channel), "agent forward")

        self._agent = folder
        self.link.agent_path = folder.socket_path
        self._agent_listener = forwarding.Listener([sock], arrived, lambda: None)
        return True

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
        if self._agent_listener is not None:
            self._agent_listener.close()
        if self._agent is not None:
            self._agent.remove()
        await self.tasks.close(grace=CONCLUSION)
        self.audit.left()
