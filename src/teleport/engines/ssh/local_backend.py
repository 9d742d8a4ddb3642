"""The back end of an agent: programs, sockets and files of this host, with the rights of a host user."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from teleport.engines.admission import Admission
from teleport.engines.ssh import host_users
from teleport.engines.ssh.backend import Program, Screens, Wish
from teleport.engines.ssh.displays import Displays
from teleport.engines.ssh.forwarding import (
    Arrived,
    Far,
    Listener,
    SocketSide,
    adopt,
    connect_tcp,
    is_loopback,
    listen_at,
    listen_tcp,
)
from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.pam import pam_request
from teleport.engines.ssh.pipe_program import PipeProgram
from teleport.engines.ssh.spawner import Spawner
from teleport.engines.ssh.terminal_program import TerminalProgram
from teleport.engines.ssh.user_folder import UserFolder
from teleport.engines.ssh.visit import Visit
from teleport.foundation.errors import AccessDenied, TeleportError
from teleport.foundation.logs import get_logger

log = get_logger("ssh")

ROOTS_PORTS = 1024
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class LocalBackend:
    """A `backend.Backend`."""

    def __init__(self, visit: Visit, spawner: Spawner) -> None:
        self._visit = visit
        self._spawner = spawner
        self._user: HostUser | None = None
        self._give_back_account: Callable[[], None] = lambda: None
        self._agent: UserFolder | None = None
        self._agent_listener: Listener | None = None

    @property
    def user(self) -> HostUser:
        assert self._user is not None, "nobody has arrived yet"
        return self._user

    async def arrive(self, admission: Admission, certificate: str) -> None:
        accounts = self._visit.post.accounts
        wanted = admission.wanted_account() if accounts is not None else None
        if wanted is not None and accounts is not None:
            give_back = await accounts.borrow(admission.login, wanted)
            self._give_back_account()
            self._give_back_account = give_back
        self._user = user = await host_users.find(admission.login)
        pam = pam_request(admission, user, self._visit.connection.client_address[0])
        if pam is not None:
            await self._spawner.check_account(user, pam)
        else:  # where PAM decides, a module of it does that
            await host_users.check_open(user, self._visit.post.offers.login_files.closing)

    @property
    def home(self) -> str:
        return self.user.home

    def paths(self) -> None:
        return None

    def program(self, wish: Wish, screens: Screens) -> Program:
        kind = TerminalProgram if wish.terminal is not None and not wish.subsystem else PipeProgram
        return kind(self._visit, wish, screens, self._spawner, self.user)

    # -- forwards

    async def connect_tcp(self, host: str, port: int) -> SocketSide:
        return await connect_tcp(host, port, self._visit.touch)

    def hosts_of(self, far: Far, host: str) -> Sequence[str]:
        """By the connection itself: what a name stands for may change from one question to the next."""
        transport = far.transport if isinstance(far, SocketSide) else None
        peer = transport.get_extra_info("peername") if transport is not None else None
        address = str(peer[0]).removeprefix("::ffff:") if peer else host
        if not is_loopback(address):
            return [address]
        return [address, socket.gethostname(), self._visit.post.hostname]

    async def connect_unix(self, path: str) -> SocketSide:
        return await adopt(await self._spawner.connect(path, self.user), self._visit.touch)

    async def listen_tcp(self, host: str, port: int, arrived: Arrived, closed: Callable[[], None]) -> Listener:
        if 0 < port < ROOTS_PORTS and self.user.uid != 0:
            raise AccessDenied(f"port {port} is for root alone")
        sockets = listen_tcp(port) if host in _LOOPBACK else await listen_at(host, port)
        return self._listener(sockets, arrived, closed)

    async def listen_unix(self, path: str, arrived: Arrived, closed: Callable[[], None]) -> Listener:
        return self._listener([await self._spawner.listen(path, self.user)], arrived, closed)

    def _listener(self, sockets: list[socket.socket], arrived: Arrived, closed: Callable[[], None]) -> Listener:
        def accepted(sock: socket.socket) -> None:
            self._visit.tasks.start(self._adopt(sock, arrived), "accepted forward")

        return Listener(sockets, accepted, closed)

    async def _adopt(self, sock: socket.socket, arrived: Arrived) -> None:
        try:
            name = sock.getpeername() if sock.family != socket.AF_UNIX else ("", 0)
            far = await adopt(sock, self._visit.touch)
        except OSError:  # it has left again
            sock.close()
            return
        arrived(far, (str(name[0]), int(name[1])))

    # -- the key agent

    async def open_agent(self, arrived: Arrived) -> bool:
        """Listen for this user's programs on a socket of their own, in a folder nobody else could prepare."""
        try:
            folder = await asyncio.to_thread(UserFolder, self.user, "agent", "agent.sock")
        except OSError as error:
            log.warning("no folder for the agent socket can be made", error=error)
            return False
        try:
            sock = await self._spawner.listen(folder.file_path, self.user)
        except TeleportError as error:
            log.warning("the agent socket cannot be opened", error=error)
            folder.remove()
            return False
        self._agent = folder
        self._visit.link.agent_path = folder.file_path
        self._agent_listener = self._listener([sock], arrived, lambda: None)
        return True

    def displays(self) -> Displays:
        visit = self._visit
        return Displays(visit.link, visit.admission, self.user, visit.audit, visit.tasks, visit.touch)

    def close(self) -> None:
        if self._agent_listener is not None:
            self._agent_listener.close()
        if self._agent is not None:
            self._agent.remove()
        self._give_back_account()
