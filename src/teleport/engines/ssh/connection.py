"""The server's side of an SSH connection: asyncssh with our gate before authentication, our channels behind it."""

from __future__ import annotations

import asyncio
import base64
import sys
from typing import Any, Protocol, cast

import asyncssh
from asyncssh.packet import SSHPacket, String
from asyncssh.public_key import SSHOpenSSHCertificate, decode_ssh_certificate

from teleport.engines.ssh.host_users import accepts_variable
from teleport.engines.ssh.packet import TunedChannel, TunedConnection
from teleport.foundation.logs import get_logger
from teleport.wire import session_words

log = get_logger("ssh")

MAX_ATTEMPTS = 20
"""Keys a client may offer or sign with before it is sent away."""
_OPEN_TO_TRUNCATION = (
    "your SSH client would let messages be removed unseen (CVE-2023-48795): update it to one with strict key "
    "exchange, or let it use aes128-gcm@openssh.com"
)
_NOT_SSH = b"Invalid SSH identification string.\r\n"
_NOT_SSH_2 = b"Protocol major versions differ.\r\n"
"""As OpenSSH says it: people and their monitors look for these words."""


class Gate(Protocol):
    """Decides who comes in. It sees a certificate twice: offered, and signed with."""

    permit_user_environment: bool
    environment_limit: int

    async def is_known(self, certificate: str) -> bool:
        """Whether a certificate that was merely offered is worth a signature; its holder is told why not.

        Nothing is granted by it.
        """
        ...

    async def admit(self, certificate: str, login: str) -> str:
        """The client has proven to hold the certified key. The reason of a refusal; empty when it may come in."""
        ...

    def authenticated(self) -> None:
        """The client is in: from here on it may open channels."""
        ...

    def channel_closed(self) -> None:
        """One channel less is open."""
        ...

    async def open_agent(self) -> bool:
        """The client offers its key agent. False when it is not taken."""
        ...


class ServerChannel(TunedChannel, asyncssh.SSHServerChannel[bytes]):
    """A session's channel; takes only some variables from the client, and not too many."""

    _environment_size = 0

    def _process_env_request(self, packet: SSHPacket) -> bool:
        name, value = packet.get_string(), packet.get_string()
        packet.check_end()
        gate = cast("ServerConnection", self._conn).gate
        self._environment_size += len(name) + len(value)
        word = name.decode("ascii", "replace")
        accepted = (
            (word in session_words.VARIABLES or accepts_variable(word, gate.permit_user_environment))
            and b"\0" not in value
            and self._environment_size <= gate.environment_limit
        )
        if accepted:
            self._env[name] = value
        return accepted

    def _process_x11_req_request(self, packet: SSHPacket) -> bool | None:
        is_single, protocol, cookie = packet.get_boolean(), packet.get_string(), packet.get_string()
        screen = packet.get_uint32()
        packet.check_end()
        connection = cast("ServerConnection", self._conn)
        session = cast("DisplaySession", self._session)
        connection.create_task(self._answer_x11(session, is_single, protocol, cookie, screen), self.logger)
        return None

    async def _answer_x11(
        self, session: DisplaySession, is_single: bool, protocol: bytes, cookie: bytes, screen: int
    ) -> None:
        is_open = await session.display_requested(is_single, protocol, cookie, screen)
        if self._conn is not None:
            self._report_response(is_open)


class DisplaySession(Protocol):
    """A session that can be asked for a display."""

    async def display_requested(self, is_single: bool, protocol: bytes, cookie: bytes, screen: int) -> bool: ...


class TcpChannel(TunedChannel, asyncssh.SSHTCPChannel[bytes]):
    """A forwarded TCP connection."""


class UnixChannel(TunedChannel, asyncssh.SSHUNIXChannel[bytes]):
    """A forwarded Unix socket."""


class X11Channel(TunedChannel, asyncssh.channel.SSHX11Channel):
    """A program's connection to the screen of the client."""


class ServerConnection(TunedConnection, asyncssh.SSHServerConnection):
    """One client. `gate` decides, asyncssh checks again by its own means, and both must agree."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: asyncssh.SSHServerConnectionOptions,
        gate: Gate,
        client_address: tuple[str, int],
    ) -> None:
        super().__init__(loop, options)
        self._client_address = client_address
        self.gate = gate
        self._attempts = 0
        self.agent_path: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # behind a tunnel the socket's peer is the proxy; certificates are pinned to the person's own machine
        self._peer_addr, self._peer_port = self._client_address

    def _recv_version(self) -> bool:
        line, end, _ = self._inpbuf.partition(b"\n")
        if not end or line.startswith((b"SSH-2.0-", b"SSH-1.99-")) or self._transport is None:
            return super()._recv_version()
        self._inpbuf = b""
        self._send(_NOT_SSH_2 if line.startswith(b"SSH-") else _NOT_SSH)
        self._transport.close()  # aborted, as asyncssh ends it, it would not say so any more
        return False

    def internal_error(self, exc_info: Any = None, error_logger: Any = None) -> None:
        """An error nobody foresaw ends the connection; asyncssh itself would not say a word."""
        error = exc_info[1] if exc_info else sys.exc_info()[1]
        if self.is_their_fault(error):
            log.debug("a client sent a malformed packet", client=self._client_address[0], error=error)
        else:
            log.error("an SSH connection failed", error=error)
        super().internal_error(exc_info, error_logger)

    # -- authentication

    @property
    def is_open_to_truncation(self) -> bool:
        """True when packets of the key exchange could be removed unseen (Terrapin): no strict order, MAC after."""
        return not self._strict_kex and type(self._recv_encryption).__name__ != "GCMEncryption"

    async def validate_public_key(self, username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        self._attempts += 1
        if self._attempts > MAX_ATTEMPTS:
            raise asyncssh.DisconnectError(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "too many keys were tried")
        certificate = certificate_line(key_data)
        if not certificate:
            return False
        if self.is_open_to_truncation:
            self.send_auth_banner(f"{_OPEN_TO_TRUNCATION}\r\n")
            return False
        if not msg:
            return await self.gate.is_known(certificate)
        if not self._is_signed(key_data, msg, signature):
            return False
        reason = await self.gate.admit(certificate, username)
        if not reason and not await super().validate_public_key(username, key_data, msg, signature):
            reason = "the certificate was refused"
        if reason:
            self.send_auth_banner(f"{reason}\r\n")
        return not reason

    def _is_signed(self, key_data: bytes, message: bytes, signature: bytes) -> bool:
        try:
            certificate = decode_ssh_certificate(key_data)
        except asyncssh.KeyImportError:
            return False
        if not isinstance(certificate, SSHOpenSSHCertificate):
            return False
        certificate.key.set_touch_required(True)
        return bool(certificate.key.verify(String(self._session_id) + message, signature))

    async def create_agent_listener(self) -> bool:
        return await self.gate.open_agent()

    def get_agent_path(self) -> str | None:
        return self.agent_path

    # -- channels

    def create_server_channel(
        self, encoding: str | None = "", errors: str = "", window: int = 0, max_pktsize: int = 0
    ) -> ServerChannel:
        return ServerChannel(
            self, self._loop, self._allow_pty, False, False, 0, 0, None, "strict",
            window or self._window, max_pktsize or self._max_pktsize,
        )  # fmt: skip

    def create_tcp_channel(self, *_: Any, window: int = 0, max_pktsize: int = 0, **__: Any) -> TcpChannel:
        return TcpChannel(self, self._loop, None, "strict", window or self._window, max_pktsize or self._max_pktsize)

    def create_unix_channel(self, *_: Any, window: int = 0, max_pktsize: int = 0, **__: Any) -> UnixChannel:
        return UnixChannel(self, self._loop, None, "strict", window or self._window, max_pktsize or self._max_pktsize)

    def create_x11_channel(self, window: int = 0, max_pktsize: int = 0) -> X11Channel:
        return X11Channel(self, self._loop, None, "strict", window or self._window, max_pktsize or self._max_pktsize)

    def remove_channel(self, recv_chan: int) -> None:
        super().remove_channel(recv_chan)
        self.gate.channel_closed()

    @property
    def open_channels(self) -> int:
        return len(self._channels)

    @property
    def client_version(self) -> str:
        """As it named itself."""
        return str(self.get_extra_info("client_version", ""))

    @property
    def bytes_waiting(self) -> int:
        """What the peer has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0


def certificate_line(key_data: bytes) -> str:
    """The text form of an OpenSSH certificate; empty when it is something else."""
    size = int.from_bytes(key_data[:4], "big")
    algorithm = key_data[4 : 4 + size]
    if not algorithm.endswith(b"-cert-v01@openssh.com") or not algorithm.isascii():
        return ""
    return f"{algorithm.decode()} {base64.b64encode(key_data).decode()}"
