"""The client's side of an SSH connection, to the server of a host that runs no agent of ours."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.encryption import GCMEncryption
from asyncssh.packet import SSHPacket
from asyncssh.public_key import decode_ssh_certificate, decode_ssh_public_key

from teleport.engines.ssh.connection import TcpChannel, UnixChannel, X11Channel, certificate_line
from teleport.engines.ssh.displays import DisplayRequest
from teleport.engines.ssh.packet import TunedChannel, TunedConnection
from teleport.engines.ssh.streams import WRITE_HIGH
from teleport.foundation.errors import NotAuthenticated
from teleport.foundation.logs import get_logger

log = get_logger("ssh.remote")

CheckHost = Callable[[str], None]
"""Given the host's certificate, as text; empty where it shows a bare key. Raises NotAuthenticated."""
MAX_CHANNELS = 128


class RemoteSide(asyncssh.SSHTCPSession[bytes], asyncssh.SSHUNIXSession[bytes]):
    """A `forwarding.Far` that is a channel to the other server."""

    def __init__(self, touch: Callable[[], None]) -> None:
        self._touch = touch
        self._own: Any = None
        self._peer: SSHChannel[bytes] | None = None
        self._early: list[bytes] = []
        self._has_ended = False
        self._is_closed = False

    # -- asyncssh's side

    def connection_made(self, chan: Any) -> None:
        self._own = chan
        if self._is_closed:
            chan.close()
        elif self._peer is None:
            chan.pause_reading()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._touch()
        if self._peer is None:  # asyncssh reads from channels that were opened by the server, whatever we say
            self._early.append(data)
            self._own.pause_reading()
        elif not self._peer.is_closing():
            self._peer.write(data)

    def eof_received(self) -> bool:
        self._has_ended = True
        if self._peer is not None and not self._peer.is_closing():
            self._peer.write_eof()
        return True

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._peer.pause_reading()

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._peer.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True
        if self._peer is not None:
            self._peer.close()

    # -- engines.ssh.forwarding.Far

    def attach(self, channel: SSHChannel[bytes]) -> None:
        self._peer = channel
        for data in self._early:
            channel.write(data)
        self._early.clear()
        if self._has_ended:
            channel.write_eof()
        if self._is_closed:
            channel.close()
        elif self._own is not None:
            self._own.resume_reading()

    def write(self, data: bytes) -> None:
        if self._own is not None and not self._own.is_closing():
            self._own.write(data)

    def end(self) -> None:
        if self._own is not None and not self._own.is_closing():
            self._own.write_eof()

    def pause(self) -> None:
        if self._own is not None and not self._is_closed:
            self._own.pause_reading()

    def resume(self) -> None:
        if self._own is not None and not self._is_closed:
            self._own.resume_reading()

    def close(self) -> None:
        self._is_closed = True
        if self._own is not None:
            self._own.close()


class RemoteChannel(TunedChannel, asyncssh.SSHClientChannel[bytes]):
    """A session on the other server."""

    display: DisplayRequest | None = None
    """Set while the server has a display for it."""

    def forget_unsent(self) -> None:
        self._send_buf.clear()
        self._send_buf_len = 0
        self._flush_send_buf()  # whoever waits for room is told


class RemoteConnection(TunedConnection, asyncssh.SSHClientConnection):
    """One connection for one visit. `check_host` decides about the host; asyncssh checks what it signs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: asyncssh.SSHClientConnectionOptions,
        check_host: CheckHost,
        take_agent: Callable[[], Awaitable[RemoteSide]],
        take_display: Callable[[str, int], Awaitable[RemoteSide]],
    ) -> None:
        super().__init__(loop, options, wait="auth")
        self._check_host = check_host
        self._take_agent = take_agent
        self._take_display = take_display

    def validate_server_host_key(self, key_data: bytes) -> asyncssh.SSHKey:
        line = certificate_line(key_data)
        try:
            self._check_host(line)
            key = decode_ssh_certificate(key_data).key if line else decode_ssh_public_key(key_data)
        except (NotAuthenticated, asyncssh.KeyImportError) as problem:
            raise asyncssh.HostKeyNotVerifiable(str(problem)) from problem
        self._server_host_key = key
        return key

    def internal_error(self, exc_info: Any = None, error_logger: Any = None) -> None:
        told: Any = exc_info or sys.exc_info()
        error = told[1]
        if self.is_their_fault(error):
            log.debug("an SSH server sent a malformed packet", server=self._peer_addr, error=error)
            problem = asyncssh.ProtocolError(f"it sent what it must not: {error}")  # whoever waits knows this kind
            super().internal_error((type(problem), problem, told[2]), error_logger)
            return
        log.error("an SSH connection to a server failed", server=self._peer_addr, error=error)
        super().internal_error(exc_info, error_logger)

    @property
    def is_open_to_truncation(self) -> bool:
        """True when packets of the key exchange could be removed unseen (Terrapin)."""
        return not self._strict_kex and not isinstance(self._recv_encryption, GCMEncryption)

    # -- channels

    async def open_program(
        self,
        session: asyncssh.SSHClientSession[bytes],
        *,
        command: str | None,
        subsystem: str,
        variables: dict[str, str],
        terminal: tuple[str, tuple[int, int], dict[int, int]] | None,
        forwards_agent: bool,
        display: DisplayRequest | None = None,
    ) -> RemoteChannel:
        """Raises asyncssh.ChannelOpenError."""
        channel = RemoteChannel(
            self, self._loop, "strict", None, "strict", self._options.window, self._options.max_pktsize
        )
        channel.display = display
        environment = {name.encode(): value.encode() for name, value in variables.items()}
        kind, size, modes = terminal or ("", (0, 0), {})
        await channel.create(
            lambda: session, command, subsystem or None, environment, terminal is not None, kind, size, modes,
            display is not None and "ignore_failure", None, None, display is not None and display.is_single,
            forwards_agent,
        )  # fmt: skip
        channel.set_write_buffer_limits(high=WRITE_HIGH)
        return channel

    def create_tcp_channel(self, *_: Any, window: int = 0, max_pktsize: int = 0, **__: Any) -> TcpChannel:
        return TcpChannel(self, self._loop, None, "strict", self._options.window, self._options.max_pktsize)

    def create_unix_channel(self, *_: Any, window: int = 0, max_pktsize: int = 0, **__: Any) -> UnixChannel:
        return UnixChannel(self, self._loop, None, "strict", self._options.window, self._options.max_pktsize)

    def create_x11_channel(self, window: int = 0, max_pktsize: int = 0) -> X11Channel:
        return X11Channel(self, self._loop, None, "strict", self._options.window, self._options.max_pktsize)

    async def attach_x11_listener(
        self, chan: Any, display: str | None, auth_path: str | None, single_connection: bool
    ) -> tuple[bytes, bytes, int]:
        """What the client said of its display is said again."""
        request = chan.display
        return request.protocol, request.cookie, request.screen

    def detach_x11_listener(self, chan: Any) -> None:
        """The server has refused it, or the session has ended."""
        if isinstance(chan, RemoteChannel):
            chan.display = None

    def _process_x11_open(self, packet: SSHPacket) -> Any:
        host, port = packet.get_string(), packet.get_uint32()
        packet.check_end()
        self._check_room()
        return self.create_x11_channel(), self._take_display(host[:256].decode("utf-8", "replace"), port)

    def _check_room(self) -> None:
        if len(self._channels) >= MAX_CHANNELS:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "too many channels on one connection")

    def _process_auth_agent_at_openssh_dot_com_open(self, packet: SSHPacket) -> Any:
        packet.check_end()
        self._check_room()
        return self.create_unix_channel(), self._take_agent()
