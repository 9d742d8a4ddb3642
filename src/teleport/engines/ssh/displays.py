"""X11: displays of this host that lead to the screens of clients, each for one session (RFC 4254, section 6.3).

Programs find the display and the cookie that opens it in a file of the session's own; the user's own authority file
is left alone. Cookies mean nothing here: the client has chosen them, and exchanges them for its real ones.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import asyncssh

from teleport.engines.admission import Admission
from teleport.engines.host_offers import X11Displays
from teleport.engines.ssh.audit import Audit
from teleport.engines.ssh.connection import ServerConnection
from teleport.engines.ssh.forwarding import ChannelSide, Listener, adopt, listen_tcp
from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.user_folder import UserFolder
from teleport.foundation.errors import AccessDenied, BadParameter, LimitExceeded, TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner

log = get_logger("ssh.x11")

BASE_PORT = 6000
_MAX_COOKIE = 256
_PROTOCOL = re.compile(rb"[A-Za-z0-9-]{1,64}")
_FAMILY_LOCAL, _FAMILY_WILD = 256, 65535


@dataclass(frozen=True)
class DisplayRequest:
    """What a client said in `x11-req`."""

    protocol: bytes
    cookie: bytes = field(repr=False)
    screen: int
    is_single: bool
    """Only the first program that connects is let through."""


class OfferedDisplay(Protocol):
    """A display of the client, for one session."""

    def close(self) -> None: ...


class DisplaySource(Protocol):
    """Where displays of a client's sessions come from."""

    async def open(self, request: DisplayRequest) -> OfferedDisplay | None:
        """None when it is refused, which the log knows."""
        ...


class Display:
    """One display, open until the session ends."""

    def __init__(self, name: str, folder: UserFolder, listener: Listener) -> None:
        self.name = name
        """As programs find it in DISPLAY."""
        self._folder = folder
        self._listener = listener

    @property
    def authority_path(self) -> str:
        """As programs find it in XAUTHORITY."""
        return self._folder.file_path

    def close(self) -> None:
        self._listener.close()
        self._folder.remove()


class Displays:
    """Opens the displays of one client's sessions, within its roles."""

    def __init__(
        self,
        link: ServerConnection,
        admission: Admission,
        user: HostUser,
        audit: Audit,
        tasks: TaskOwner,
        touch: Callable[[], None],
    ) -> None:
        self._link = link
        self._admission = admission
        self._user = user
        self._audit = audit
        self._tasks = tasks
        self._touch = touch

    async def open(self, request: DisplayRequest) -> Display | None:
        """None when it is refused, which the log knows."""
        try:
            display = await self._open(request)
        except (TeleportError, OSError) as error:
            reason = str(error)
            log.debug("a display is not forwarded", user=self._admission.identity.username, reason=reason)
            self._audit.display_refused(reason)
            return None
        self._audit.display_opened()
        return display

    def _check(self) -> X11Displays:
        """Raises AccessDenied."""
        offered = self._admission.post.offers.x11
        if offered is None:
            raise AccessDenied("this node forwards no displays: ssh_service.x11 is not enabled there")
        check_roles(self._admission)
        return offered

    async def _open(self, request: DisplayRequest) -> Display:
        offered = self._check()
        check_shape(request)
        number, sockets = _free_display(offered)
        try:
            content = authority(socket.gethostname(), number, request.protocol, request.cookie)
            folder = await asyncio.to_thread(UserFolder, self._user, "x11", "Xauthority", content)
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        return Display(
            f"localhost:{number}.{request.screen}", folder, Listener(sockets, self._gate(request), lambda: None)
        )

    def _gate(self, request: DisplayRequest) -> Callable[[socket.socket], None]:
        used = False

        def arrived(sock: socket.socket) -> None:
            nonlocal used
            if used and request.is_single:
                sock.close()
                return
            used = True
            self._tasks.start(self._carry(sock), "x11")

        return arrived

    async def _carry(self, sock: socket.socket) -> None:
        try:
            self._check()
            if self._link.open_channels >= self._admission.post.limits.channels:
                raise LimitExceeded("too many channels on one connection")
        except TeleportError as refusal:
            sock.close()
            self._audit.display_refused(str(refusal))
            return
        host, port = sock.getpeername()[:2]
        far = await adopt(sock, self._touch)
        try:
            await self._link.create_x11_connection(lambda: ChannelSide(far, self._touch, lambda: None), host, port)
        except (asyncssh.ChannelOpenError, OSError) as error:
            log.debug("a program's window is not shown", error=error)
            if far.transport is not None:
                far.transport.abort()


def check_roles(admission: Admission) -> None:
    """Raises AccessDenied."""
    if not admission.options.permit_x11_forwarding:
        raise AccessDenied("your roles do not permit X11 forwarding: permit_x11_forwarding is not set")
    if admission.required:
        raise AccessDenied("your roles require others to be present, who could not see what is displayed")


def check_shape(request: DisplayRequest) -> None:
    """Raises BadParameter."""
    if not _PROTOCOL.fullmatch(request.protocol) or not 0 < len(request.cookie) <= _MAX_COOKIE:
        raise BadParameter("the cookie of the display cannot be understood")


def _free_display(offered: X11Displays) -> tuple[int, list[socket.socket]]:
    """Raises Unavailable."""
    for number in range(offered.first, offered.last + 1):
        try:
            return number, listen_tcp(BASE_PORT + number)
        except OSError:
            continue
    raise Unavailable(f"displays {offered.first} to {offered.last} of this node are all in use")


def authority(hostname: str, number: int, protocol: bytes, cookie: bytes) -> bytes:
    """An X authority file that opens one display, by this host's name and by whatever name it is asked for."""

    def entry(family: int, address: bytes) -> bytes:
        fields = (address, str(number).encode(), protocol, cookie)
        return struct.pack(">H", family) + b"".join(struct.pack(">H", len(text)) + text for text in fields)

    return entry(_FAMILY_LOCAL, hostname.encode()) + entry(_FAMILY_WILD, b"")
