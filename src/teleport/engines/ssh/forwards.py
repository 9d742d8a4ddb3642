"""What one client forwards, within its roles, with the rights of its host user, each told to the log: connections to
this host's network, ports and sockets it listens on here, and its key agent.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import asyncssh

from teleport.engines.admission import Admission
from teleport.engines.ssh.audit import Audit
from teleport.engines.ssh.connection import ServerConnection
from teleport.engines.ssh.forwarding import ChannelSide, Listener, SocketSide, adopt, connect_tcp, listen_tcp
from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.spawner import Spawner
from teleport.engines.ssh.user_folder import UserFolder
from teleport.foundation.errors import AccessDenied, LimitExceeded, TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner

log = get_logger("ssh")

REFUSED = "port forwarding is not allowed here by your roles or this node"
MODERATED = "your roles require others to be present, who could not see what is forwarded"
ROOTS_PORTS = 1024

OpenChannel = Callable[[SocketSide, tuple[str, int]], Awaitable[None]]
"""Opens a channel to the client for a socket that came from that address."""


class Forwards:
    """The forwards of one client. Closed with its connection."""

    def __init__(
        self,
        link: ServerConnection,
        admission: Admission,
        user: HostUser,
        spawner: Spawner,
        audit: Audit,
        tasks: TaskOwner,
        touch: Callable[[], None],
    ) -> None:
        self._link = link
        self._admission = admission
        self._user = user
        self._spawner = spawner
        self._audit = audit
        self._tasks = tasks
        self._touch = touch
        self._listening = 0
        self._agent: UserFolder | None = None
        self._agent_listener: Listener | None = None

    # -- from the client to here

    async def to_tcp(self, host: str, port: int) -> ChannelSide:
        return await self._towards(f"{host}:{port}", lambda: connect_tcp(host, port, self._touch))

    async def to_unix(self, path: str) -> ChannelSide:
        async def connect() -> SocketSide:
            return await adopt(await self._spawner.connect(path, self._user), self._touch)

        return await self._towards(path, connect)

    async def _towards(self, where: str, connect: Callable[[], Awaitable[SocketSide]]) -> ChannelSide:
        options, post = self._admission.options, self._admission.post
        is_allowed = options.port_forwarding_local and post.permit_port_forwarding
        if not is_allowed or self._admission.required:
            reason = MODERATED if is_allowed else REFUSED
            self._audit.port_failed(where, reason)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, reason)
        try:
            far = await connect()
        except (TeleportError, OSError, TimeoutError, UnicodeError, OverflowError) as error:
            reason = str(error) or "it took too long"
            self._audit.port_failed(where, reason)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, reason) from error
        self._audit.port_opened(where)
        return ChannelSide(far, self._touch, lambda: self._audit.port_closed(where))

    # -- from here to the client

    async def from_tcp(self, host: str, port: int) -> Listener | bool:
        """Only programs of this host reach it, whatever address the client wishes."""
        where = f"{host or '*'}:{port}"
        try:
            self._check_listening(where)
            if 0 < port < ROOTS_PORTS and self._user.uid != 0:
                raise AccessDenied(f"port {port} is for root alone")
            sockets = listen_tcp(port)
        except (TeleportError, OSError, OverflowError) as error:
            self._audit.port_failed(where, str(error))
            return False
        bound = int(sockets[0].getsockname()[1])

        async def open_channel(far: SocketSide, origin: tuple[str, int]) -> None:
            await self._link.create_connection(lambda: self._back(far), host, bound, *origin)

        return self._listener(sockets, f"{host or '*'}:{bound}", open_channel)

    async def from_unix(self, path: str) -> Listener | bool:
        try:
            self._check_listening(path)
            sock = await self._spawner.listen(path, self._user)
        except TeleportError as error:
            self._audit.port_failed(path, str(error))
            return False

        async def open_channel(far: SocketSide, _: tuple[str, int]) -> None:
            await self._link.create_unix_connection(lambda: self._back(far), path)

        return self._listener([sock], path, open_channel)

    def _check_listening(self, where: str) -> None:
        options, post = self._admission.options, self._admission.post
        if not (options.port_forwarding_remote and post.permit_port_forwarding):
            raise AccessDenied(f"{where}: {REFUSED}")
        if self._admission.required:
            raise AccessDenied(f"{where}: {MODERATED}")
        if self._listening >= post.limits.listeners:
            raise LimitExceeded(f"{where}: {self._listening} listeners on one connection are the most")

    def _listener(self, sockets: list[socket.socket], where: str, open_channel: OpenChannel) -> Listener:
        self._listening += 1
        self._audit.port_opened(where)

        def closed() -> None:
            self._listening -= 1
            self._audit.port_closed(where)

        def arrived(sock: socket.socket) -> None:
            self._tasks.start(self._carry_back(sock, where, open_channel), "remote forward")

        return Listener(sockets, arrived, closed)

    def _back(self, far: SocketSide) -> ChannelSide:
        return ChannelSide(far, self._touch, lambda: None)

    async def _carry_back(self, sock: socket.socket, where: str, open_channel: OpenChannel) -> None:
        """A program of this host connected to what the client listens on."""
        name = sock.getpeername() if sock.family != socket.AF_UNIX else ("", 0)
        far = await adopt(sock, self._touch)
        try:
            await open_channel(far, (str(name[0]), int(name[1])))
        except (asyncssh.ChannelOpenError, OSError) as error:
            self._audit.port_failed(where, str(error))
            if far.transport is not None:
                far.transport.abort()

    # -- the key agent

    async def open_agent(self) -> bool:
        """Listen for this user's programs on a socket of their own, in a folder nobody else could prepare."""
        if self._agent_listener is not None:
            return True
        if not self._admission.options.forward_agent or self._admission.required:
            log.debug("agent forwarding is not allowed by the roles", user=self._admission.identity.username)
            return False
        try:
            folder = await asyncio.to_thread(UserFolder, self._user, "agent", "agent.sock")
        except OSError as error:
            log.warning("no folder for the agent socket can be made", error=error)
            return False
        try:
            sock = await self._spawner.listen(folder.file_path, self._user)
        except TeleportError as error:
            log.warning("the agent socket cannot be opened", error=error)
            folder.remove()
            return False

        async def open_channel(far: SocketSide, _: tuple[str, int]) -> None:
            await self._link.create_agent_channel().open(lambda: self._back(far))

        def arrived(accepted: socket.socket) -> None:
            self._tasks.start(self._carry_back(accepted, "agent", open_channel), "agent forward")

        self._agent = folder
        self._link.agent_path = folder.file_path
        self._agent_listener = Listener([sock], arrived, lambda: None)
        return True

    def close(self) -> None:
        if self._agent_listener is not None:
            self._agent_listener.close()
        if self._agent is not None:
            self._agent.remove()
