"""The hot path of asyncssh 2.24, made short: one pass over what arrives, one buffer for what leaves, bounded memory.

asyncssh's own code handles set-up, rekeying, every cipher but AES-GCM and every packet but channel data. What is here
does the same for bulk traffic without its copies, and adds what it leaves out: a limit on the length of packets, back
pressure when the peer's TCP does not take what we send, and quick acknowledgements while a connection is set up.

This module and `connection` touch private names of asyncssh; the version is pinned, and a test holds the two paths
against each other.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final, cast

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHConnection
from asyncssh.encryption import GCMEncryption
from asyncssh.misc import MACError, ProtocolError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_PACKET: Final = 256 << 10
"""Longest packet taken from a peer, as in OpenSSH."""
WRITE_HIGH: Final = 1 << 20
WRITE_LOW: Final = 256 << 10
FLOODED: Final = 4 << 20
"""Unsent bytes at which nothing more is read from a peer that makes us answer and does not listen."""
_SETTING_UP: Final = 64
_TAG: Final = 16
_CHANNEL_DATA: Final = 94
_FIRST_CHANNEL_PACKET: Final = 80
_length = struct.Struct(">I").unpack_from
_data_header = struct.Struct(">BBII").unpack_from
_channel_header = struct.Struct(">II").pack
_PADDING: Final = bytes(32)


class TunedConnection(SSHConnection):
    """To be mixed in before SSHServerConnection or SSHClientConnection."""

    _seal: AESGCM | None = None
    _seal_of: object = None
    _open: AESGCM | None = None
    _open_of: object = None
    _is_congested = False
    _is_flooded = False

    # -- back pressure

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)
        super().connection_made(transport)

    @property
    def can_carry(self) -> bool:
        """Whether channel data may be sent now; if not, channels are told by `flush_channels` when it may."""
        return not self._is_congested and self._kex_complete

    def pause_writing(self) -> None:
        self._is_congested = True

    def resume_writing(self) -> None:
        self._is_congested = False
        if self._is_flooded and self._transport is not None:
            self._is_flooded = False
            self._transport.resume_reading()
        self.flush_channels()

    def flush_channels(self) -> None:
        for channel in tuple(self._channels.values()):
            channel._flush_send_buf()  # noqa: SLF001

    def _send_deferred_packets(self) -> None:
        super()._send_deferred_packets()
        if self._auth_complete and self.can_carry:
            self.flush_channels()

    def _check_flood(self) -> None:
        transport = self._transport
        if transport is not None and not self._is_flooded and transport.get_write_buffer_size() > FLOODED:
            self._is_flooded = True
            transport.pause_reading()

    # -- sending

    def send_packet(self, pkttype: int, *args: bytes, handler: Any = None) -> None:
        encryption = self._send_encryption
        if (
            pkttype < _FIRST_CHANNEL_PACKET
            or not self._kex_complete
            or not self._auth_complete
            or self._compressor
            or type(encryption) is not GCMEncryption
            or self._rekey_bytes_sent >= self._rekey_bytes
        ):
            super().send_packet(pkttype, *args, handler=handler)
            return
        size = 1 + sum(map(len, args))
        padding = -(size + 1) % 16
        if padding < 4:
            padding += 16
        plain = b"".join((bytes((padding, pkttype)), *args, _PADDING[:padding]))
        self._send_sealed(encryption, plain)

    def _send_sealed(self, encryption: GCMEncryption, plain: bytes) -> None:
        cipher = encryption._cipher  # noqa: SLF001
        if self._seal_of is not encryption:
            self._seal, self._seal_of = AESGCM(cipher._key), encryption  # noqa: SLF001
        assert self._seal is not None
        size = len(plain)
        packet = bytearray(size + 4 + _TAG)
        packet[:4] = header = size.to_bytes(4, "big")
        self._seal.encrypt_into(cipher._iv, plain, header, memoryview(packet)[4:])  # noqa: SLF001
        cipher._update_iv()  # noqa: SLF001
        self._send(cast("bytes", packet))
        self._send_seq = (self._send_seq + 1) & 0xFFFFFFFF
        self._rekey_bytes_sent += size

    # -- receiving

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        if self._recv_seq < _SETTING_UP:
            self._acknowledge_quickly()
        encryption = self._recv_encryption
        if (
            type(encryption) is not GCMEncryption
            or not self._auth_complete
            or not self._kex_complete
            or self._decompressor
            or self._recv_handler != self._recv_pkthdr
        ):
            super().data_received(data, datatype)
        else:
            self._receive_fast(encryption, data)
        if self._is_congested:
            self._check_flood()

    def _acknowledge_quickly(self) -> None:
        """Spare the client 40 ms: OpenSSH sends without TCP_NODELAY until its session starts."""
        if self._transport is not None and hasattr(socket, "TCP_QUICKACK"):
            sock = self._transport.get_extra_info("socket")
            if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _receive_fast(self, encryption: GCMEncryption, data: bytes) -> None:
        self._reset_keepalive_timer()
        if self._inpbuf:
            data = self._inpbuf + data
            self._inpbuf = b""
        try:
            offset = self._take_packets(encryption, data)
        except asyncssh.DisconnectError as error:
            self._send_disconnect(error.code, error.reason, error.lang)
            self._force_close(error)
            return
        except Exception:
            self.internal_error()
            return
        if offset < len(data):
            self._inpbuf += data[offset:]
            if self._recv_encryption is not encryption or self._recv_handler != self._recv_pkthdr:
                self._recv_data()

    def _take_packets(self, encryption: GCMEncryption, data: bytes) -> int:
        """Handle whole packets; returns how far it came. Stops early when the keys or the handler changed."""
        view, offset, end = memoryview(data), 0, len(data)
        cipher = encryption._cipher  # noqa: SLF001
        if self._open_of is not encryption:
            self._open, self._open_of = AESGCM(cipher._key), encryption  # noqa: SLF001
        assert self._open is not None
        decrypt = self._open.decrypt
        while end - offset >= 4:
            size = _length(view, offset)[0]
            self._check_length(size)
            following = offset + 4 + size + _TAG
            if following > end:
                break
            try:
                plain = decrypt(cipher._iv, view[offset + 4 : following], view[offset : offset + 4])  # noqa: SLF001
            except InvalidTag:
                raise MACError("MAC verification failed") from None
            if plain[1] == _CHANNEL_DATA and self._deliver(plain):
                cipher._update_iv()  # noqa: SLF001
                offset = following
                if self._recv_encryption is not encryption or self._transport is None:
                    break
                continue
            # anything else goes, alone, through the code of asyncssh, which decrypts it again
            self._inpbuf = bytes(view[offset:following])
            offset = following
            self._recv_data()
            if (
                self._inpbuf
                or self._recv_encryption is not encryption
                or not self._kex_complete
                or self._recv_handler != self._recv_pkthdr
                or self._transport is None
            ):
                break
        return offset

    def _deliver(self, plain: bytes) -> bool:
        """Give channel data to its channel. False when anything about it needs the careful path."""
        padding, _, number, size = _data_header(plain)
        channel = self._channels.get(number)
        if (
            channel is None
            or size + 10 + padding != len(plain)
            or padding < 4
            or channel._recv_state != "open"  # noqa: SLF001
            or size > channel._recv_window  # noqa: SLF001
        ):
            return False
        self._auth_final = True
        self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF
        channel._accept_data(plain[10 : 10 + size])  # noqa: SLF001
        return True

    def _recv_pkthdr(self) -> bool:
        if not super()._recv_pkthdr():
            return False
        self._check_length(self._pktlen)
        return True

    def _check_length(self, size: int) -> None:
        if size > MAX_PACKET:
            raise ProtocolError(f"packet of {size} bytes is longer than {MAX_PACKET}")


class TunedChannel(SSHChannel[bytes]):
    """To be mixed in before a channel class of asyncssh: sends without copying, and waits while it must."""

    def write(self, data: bytes, datatype: int | None = None) -> None:
        connection = self._conn
        if datatype is not None or self._send_buf or self._send_state != "open" or connection is None:
            super().write(data, datatype)
            return
        view, position, end = memoryview(data), 0, len(data)
        while position < end and self._send_window and connection.can_carry:  # type: ignore[attr-defined]
            size = min(end - position, self._send_window, self._send_pktsize)
            self._send_window -= size
            header = _channel_header(self._send_chan or 0, size)
            connection.send_packet(_CHANNEL_DATA, header, view[position : position + size])  # type: ignore[arg-type]
            position += size
        if position < end:
            super().write(data[position:])

    def _accept_data(self, data: bytes, datatype: int | None = None) -> None:
        # asyncssh counts a window only when data is delivered: while nobody reads, a peer could send without end
        if self._recv_paused and sum(len(held) for held, _ in self._recv_buf) + len(data) > self._recv_window:
            raise ProtocolError("Window exceeded")
        super()._accept_data(data, datatype)

    def _flush_send_buf(self) -> None:
        connection = self._conn
        if connection is not None and self._send_buf and not connection.can_carry:  # type: ignore[attr-defined]
            self._pause_resume_writing()
            return
        super()._flush_send_buf()
