"""X11 at hosts that run no agent of ours: their SSH server opens the display, and each window passes through here.

Cookies mean nothing here: the client has chosen them, and exchanges them for its real ones.
"""

from __future__ import annotations

from collections.abc import Callable

import asyncssh

from teleport.engines.admission import Admission
from teleport.engines.ssh.audit import Audit
from teleport.engines.ssh.connection import ServerConnection
from teleport.engines.ssh.displays import DisplayRequest, check_roles, check_shape
from teleport.engines.ssh.forwarding import ChannelSide
from teleport.engines.ssh.remote_connection import RemoteSide
from teleport.foundation.errors import AccessDenied, LimitExceeded, TeleportError
from teleport.foundation.logs import get_logger
from teleport.foundation.service import TaskOwner

log = get_logger("ssh.x11")

NOT_THERE = "the SSH server of this host forwards no displays: it needs X11Forwarding in sshd_config, and xauth"


class RemoteDisplay:
    """What one session asked for, until it ends."""

    def __init__(self, displays: RemoteDisplays, request: DisplayRequest) -> None:
        self.request = request
        self._displays = displays
        self.is_used = False

    def settle(self, *, is_open: bool) -> str:
        """The host has answered. What the person is to know, if anything."""
        return self._displays.settle(self, is_open=is_open)

    def close(self) -> None:
        self._displays.forget(self)


class RemoteDisplays:
    """A `displays.DisplaySource`: the displays of one client's sessions, within its roles."""

    def __init__(
        self,
        link: Callable[[], ServerConnection],
        admission: Admission,
        audit: Audit,
        tasks: TaskOwner,
        touch: Callable[[], None],
    ) -> None:
        self._link = link
        self._admission = admission
        self._audit = audit
        self._tasks = tasks
        self._touch = touch
        self._open: list[RemoteDisplay] = []

    async def open(self, request: DisplayRequest) -> RemoteDisplay | None:
        try:
            check_roles(self._admission)
            check_shape(request)
        except TeleportError as refusal:
            self._audit.display_refused(str(refusal))
            return None
        display = RemoteDisplay(self, request)
        self._open.append(display)  # a program may be quicker than the host's answer is read
        return display

    def settle(self, display: RemoteDisplay, *, is_open: bool) -> str:
        if not is_open:
            self.forget(display)
            self._audit.display_refused(NOT_THERE)
            return NOT_THERE
        self._audit.display_opened()
        return ""

    def forget(self, display: RemoteDisplay) -> None:
        if display in self._open:
            self._open.remove(display)

    def take(self, host: str, port: int) -> RemoteSide:
        """A program of the host connects to a display. Raises asyncssh.ChannelOpenError."""
        try:
            self._check()
        except TeleportError as refusal:
            self._audit.display_refused(str(refusal))
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, str(refusal)) from refusal
        side = RemoteSide(self._touch)
        self._tasks.start(self._carry(side, host, port), "x11")
        return side

    def _check(self) -> None:
        """Raises TeleportError. Which of several displays is meant is not said, so the freest counts."""
        free = [one for one in self._open if not (one.is_used and one.request.is_single)]
        if not free:
            raise AccessDenied("no display was offered")
        check_roles(self._admission)
        if self._link().open_channels >= self._admission.post.limits.channels:
            raise LimitExceeded("too many channels on one connection")
        free[0].is_used = True

    async def _carry(self, side: RemoteSide, host: str, port: int) -> None:
        try:
            await self._link().create_x11_connection(lambda: ChannelSide(side, self._touch, lambda: None), host, port)
        except (asyncssh.ChannelOpenError, OSError) as error:
            log.debug("a program's window is not shown", error=error)
            side.close()
