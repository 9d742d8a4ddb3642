"""One session on an SSH connection, joined to the descriptors of a user: a shell, a command or a subsystem.

Output goes to the descriptors with plain writes: where a reader is slow the SSH window closes behind it. Input is
read when it is there; what cannot be watched (a regular file) is read in a thread.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from teleport.client import ssh_library, terminal  # isort: skip
import asyncssh

from teleport.client.x11 import X11Display

assert ssh_library

_CHUNK = 64 * 1024
CONNECTION_LOST = 255
LEAVING = 1.0
"""Seconds for a server to close a session that is left by an escape key."""


class SessionRequest(NamedTuple):
    """`command` None is a shell. A terminal is asked for when `term` is set."""

    command: str | None = None
    term: str = ""
    size: tuple[int, int] = (80, 24)
    modes: Mapping[int, int] = {}
    environment: Mapping[str, str] = {}
    escape_keys: bool = False
    x11: X11Display | None = None


class Sink(Protocol):
    """Where output goes. `write` may block; a broken one answers False."""

    def write(self, data: bytes) -> bool: ...


class DescriptorSink:
    """Writes to a descriptor until all is written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> bool:
        view = memoryview(data)
        try:
            while view:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:
                    _wait_writable(self._descriptor)
        except OSError:
            return False
        return True


def _wait_writable(descriptor: int) -> None:
    import select

    select.select([], [descriptor], [])


class RemoteSession(asyncssh.SSHClientSession[bytes]):
    """The callbacks of one session; `finished` is done when the channel is."""

    def __init__(self, output: Sink, errors: Sink) -> None:
        self._output = output
        self._errors = errors
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self.exit_status: int | None = None
        self.signal_name = ""
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.may_write = asyncio.Event()
        self.may_write.set()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        sink = self._errors if datatype == asyncssh.EXTENDED_DATA_STDERR else self._output
        if not sink.write(data) and self._channel is not None:
            self._channel.close()

    def eof_received(self) -> bool:
        return True  # the exit status is still to come

    def exit_status_received(self, status: int) -> None:
        self.exit_status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.signal_name = signal

    def pause_writing(self) -> None:
        self.may_write.clear()

    def resume_writing(self) -> None:
        self.may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.may_write.set()
        self.leave()

    def leave(self) -> None:
        """Whoever watches does not wait for the server any more."""
        if not self.finished.done():
            self.finished.set_result(None)

    def status(self) -> int:
        """The remote command's exit status, 128 and the signal that ended it, or 255 when neither is known."""
        if self.exit_status is not None:
            return self.exit_status
        if self.signal_name:
            return 128 + getattr(signal, f"SIG{self.signal_name}", 127)
        return CONNECTION_LOST


class InputPump:
    """Carries a descriptor's bytes to the channel, through the escape keys, never faster than the window allows."""

    def __init__(
        self,
        descriptor: int,
        channel: asyncssh.SSHClientChannel[bytes],
        session: RemoteSession,
        escape_keys: bool,
        taken: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._descriptor = descriptor
        self._channel = channel
        self._session = session
        self._taken = taken
        self._keys = terminal.EscapeKeys(enabled=escape_keys)

    async def run(self) -> None:
        while True:
            await self._session.may_write.wait()
            data = await self._read()
            if not data:
                if not self._channel.is_closing():
                    self._channel.write_eof()
                return
            typed = self._keys.feed(self._taken(data))
            if typed and not self._channel.is_closing():
                self._channel.write(typed)
            if self._keys.wants_help:
                self._keys.wants_help = False
                os.write(2, terminal.HELP.encode())
            if self._keys.wants_leave:
                self._channel.close()
                await asyncio.wait({self._session.finished}, timeout=LEAVING)
                self._session.leave()
                return

    async def _read(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self._descriptor, ready.set)
        except (OSError, NotImplementedError):  # a regular file is always readable and cannot be watched
            return await asyncio.to_thread(self._take)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._descriptor)
        return self._take()

    def _take(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK)
        except OSError:
            return b""


async def run_session(
    connection: asyncssh.SSHClientConnection,
    request: SessionRequest,
    descriptors: Sequence[int] = (0, 1, 2),
    *,
    watch_size: Callable[[Callable[[], None]], None] | None = None,
    sinks: tuple[Sink, Sink] | None = None,
    taken: Callable[[bytes], bytes] = bytes,
) -> int:
    """Open the session, join it to the descriptors (or its output to `sinks`), and answer its exit status.

    `taken` sees what is typed first, and gives back what it leaves.
    """
    sinks = sinks or (DescriptorSink(descriptors[1]), DescriptorSink(descriptors[2]))
    channel, session = await open_session(connection, request, sinks)
    if request.term and watch_size is not None:
        watch_size(lambda: channel.change_terminal_size(*terminal.size(descriptors[0])))
    pump = asyncio.get_running_loop().create_task(
        InputPump(descriptors[0], channel, session, request.escape_keys, taken).run()
    )
    try:
        await session.finished
    except asyncio.CancelledError:
        if not request.term and not channel.is_closing():
            channel.send_signal("INT")  # what Ctrl-C means, for a program without a terminal
        raise
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        channel.close()
    return session.status()


async def open_session(
    connection: asyncssh.SSHClientConnection, request: SessionRequest, sinks: tuple[Sink, Sink]
) -> tuple[asyncssh.SSHClientChannel[bytes], RemoteSession]:
    """A session that writes to the sinks. Where the server forwards no X11 it goes on without, and says so."""
    session = RemoteSession(*sinks)
    display = request.x11
    try:
        channel, _ = await connection.create_session(
            lambda: session,
            request.command,
            env=tuple(request.environment.items()),
            term_type=request.term or None,
            term_size=request.size if request.term else (),
            term_modes=dict(request.modes) if request.term else {},
            request_pty="force" if request.term else False,
            x11_forwarding=display is not None,
            x11_display=display.name if display else None,
            x11_auth_path=display.authority or None if display else None,
            encoding=None,
        )
    except asyncssh.ChannelOpenError as problem:
        if display is None or problem.code != asyncssh.OPEN_REQUEST_X11_FORWARDING_FAILED:
            raise
        print(f"WARNING: X11 is not forwarded: {problem.reason}", file=sys.stderr)
        return await open_session(connection, request._replace(x11=None), sinks)
    if display is not None and display.lifetime:
        asyncio.get_running_loop().call_later(display.lifetime, connection.detach_x11_listener, channel)
    return channel, session
