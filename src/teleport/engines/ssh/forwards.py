"""What one client forwards, within its roles, each told to the log: connections to the host's network, ports and
sockets it listens on there, and its key agent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import asyncssh

from teleport.engines.admission import Admission
from teleport.engines.ssh.audit import Audit
from teleport.engines.ssh.backend import Backend
from teleport.engines.ssh.connection import ServerConnection
from teleport.engines.ssh.forwarding import ChannelSide, Far
from teleport.foundation.errors import AccessDenied, LimitExceeded, TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner

log = get_logger("ssh")

REFUSED = "port forwarding is not allowed here by your roles or this node"
MODERATED = "your roles require others to be present, who could not see what is forwarded"

LOOPBACK = "localhost"
OpenChannel = Callable[[ChannelSide], Awaitable[object]]
"""Opens a channel to the client."""


class Forwards:
    """The forwards of one client. Closed with its connection."""

    def __init__(
        self,
        link: ServerConnection,
        admission: Admission,
        backend: Backend,
        audit: Audit,
        tasks: TaskOwner,
        touch: Callable[[], None],
    ) -> None:
        self._link = link
        self._admission = admission
        self._backend = backend
        self._audit = audit
        self._tasks = tasks
        self._touch = touch
        self._listening = 0
        self._has_agent = False

    # -- from the client to the host

    @property
    def is_listening(self) -> bool:
        """Whether ports or sockets of this host lead to the client."""
        return bool(self._listening)

    async def to_tcp(self, host: str, port: int) -> ChannelSide:
        async def connect() -> Far:
            far = await self._backend.connect_tcp(host, port)
            try:
                await self._refuse_governed(self._backend.hosts_of(far, host), port)
            except BaseException:
                far.close()
                raise
            return far

        return await self._towards(f"{host}:{port}", connect)

    async def _refuse_governed(self, hosts: Sequence[str], port: int) -> None:
        """A session within a forward is seen by nobody: servers whose sessions proxies record are reached there.

        Raises AccessDenied. What cannot be known is refused where sessions must be recorded.
        """
        governed = self._admission.post.governed
        if governed is None or not self._admission.is_kept_record_of:
            return
        try:
            found = await governed.at(hosts, port)
        except TeleportError as problem:
            if self._admission.must_be_recorded:
                raise AccessDenied(
                    f"whether this is a server to be recorded is not known now: {problem}"
                ) from problem
            return
        if found:
            raise AccessDenied(f"this is the SSH port of {found}, whose sessions are recorded: use `tsh ssh {found}`")

    async def to_unix(self, path: str) -> ChannelSide:
        return await self._towards(path, lambda: self._backend.connect_unix(path))

    async def _towards(self, where: str, connect: Callable[[], Awaitable[Far]]) -> ChannelSide:
        options, post = self._admission.options, self._admission.post
        is_allowed = options.port_forwarding_local and post.permit_port_forwarding
        if not is_allowed or self._admission.required:
            reason = MODERATED if is_allowed else REFUSED
            self._audit.port_failed(where, reason)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, reason)
        try:
            far = await connect()
        except (TeleportError, OSError, TimeoutError, UnicodeError, OverflowError) as error:
            reason = (error.strerror if isinstance(error, OSError) else "") or str(error) or "it took too long"
            self._audit.port_failed(where, reason)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, reason) from error
        self._audit.port_opened(where)
        side = ChannelSide(far, self._touch, lambda: self._audit.port_closed(where))
        if self._link.is_closed():
            side.connection_lost(None)  # the client has left meanwhile: its channel will never open, nor close
        return side

    # -- from the host to the client

    async def from_tcp(self, host: str, port: int) -> asyncssh.SSHListener | bool:
        """On the address the client wishes where a role says so by name; else only programs of the host reach it."""
        where = told = f"{host or '*'}:{port}"
        bound = port

        def arrived(far: Far, origin: tuple[str, int]) -> None:
            async def open_channel(side: ChannelSide) -> object:
                return await self._link.create_connection(lambda: side, host, bound, *origin)

            self._tasks.start(self._carry_back(far, told, open_channel), "remote forward")

        try:
            self._check_listening(where)
            place = host if self._admission.options.port_forwarding_beyond else LOOPBACK
            listener = await self._backend.listen_tcp(place, port, arrived, lambda: self._closed(told))
        except (TeleportError, OSError, OverflowError, UnicodeError) as error:
            self._audit.port_failed(where, str(error))
            return False
        bound = listener.get_port()
        told = f"{host or '*'}:{bound}"
        self._opened(told)
        return listener

    async def from_unix(self, path: str) -> asyncssh.SSHListener | bool:
        def arrived(far: Far, _: tuple[str, int]) -> None:
            async def open_channel(side: ChannelSide) -> object:
                return await self._link.create_unix_connection(lambda: side, path)

            self._tasks.start(self._carry_back(far, path, open_channel), "remote forward")

        try:
            self._check_listening(path)
            listener = await self._backend.listen_unix(path, arrived, lambda: self._closed(path))
        except (TeleportError, OSError) as error:
            self._audit.port_failed(path, str(error))
            return False
        self._opened(path)
        return listener

    def _check_listening(self, where: str) -> None:
        options, post = self._admission.options, self._admission.post
        if not (options.port_forwarding_remote and post.permit_port_forwarding):
            raise AccessDenied(f"{where}: {REFUSED}")
        if self._admission.required:
            raise AccessDenied(f"{where}: {MODERATED}")
        if self._listening >= post.limits.listeners:
            raise LimitExceeded(f"{where}: {self._listening} listeners on one connection are the most")

    def _opened(self, where: str) -> None:
        self._listening += 1
        self._audit.port_opened(where)

    def _closed(self, where: str) -> None:
        self._listening -= 1
        self._audit.port_closed(where)

    async def _carry_back(self, far: Far, where: str, open_channel: OpenChannel) -> None:
        """A program of the host connected to what the client listens on."""
        try:
            await open_channel(ChannelSide(far, self._touch, lambda: None))
        except (asyncssh.ChannelOpenError, OSError) as error:
            self._audit.port_failed(where, str(error))
            far.close()

    # -- the key agent

    async def open_agent(self) -> bool:
        """Let the user's programs on the host ask the client's key agent, and nobody else."""
        if self._has_agent:
            return True
        if not self._admission.options.forward_agent or self._admission.required:
            log.debug("agent forwarding is not allowed by the roles", user=self._admission.identity.username)
            return False

        def arrived(far: Far, _: tuple[str, int]) -> None:
            async def open_channel(side: ChannelSide) -> object:
                return await self._link.create_agent_channel().open(lambda: side)

            self._tasks.start(self._carry_back(far, "agent", open_channel), "agent forward")

        self._has_agent = await self._backend.open_agent(arrived)
        return self._has_agent
