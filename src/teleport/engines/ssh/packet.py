"""The hot path of asyncssh 2.24, made short: many packets in one pass and one buffer each way, bounded memory.

asyncssh's own code handles set-up, rekeying, every cipher but AES-GCM and every packet but a channel's data and
window. What is here does the same for bulk traffic without its copies, and adds what it leaves out: limits on the
length of packets, back pressure when the peer's TCP does not take what we send, and quick acknowledgements while a
connection is set up.

This module and `connection` touch private names of asyncssh; the version is pinned, and a test holds the two paths
against each other.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
import traceback
from typing import Any, Final, cast

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHConnection
from asyncssh.encryption import GCMEncryption
from asyncssh.misc import MACError, ProtocolError
from asyncssh.packet import PacketDecodeError, SSHPacket
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from teleport.engines.ssh.inlet import READ_SIZE

MAX_PACKET: Final = 256 << 10
"""Longest packet taken from a peer, as in OpenSSH."""
MIN_PACKET_DATA: Final = 256
"""A peer that takes less at once would cost far more work than it gets data."""
MAX_PACKET_DATA: Final = 32 << 10
"""Most data in a packet of ours: what OpenSSH takes."""
BATCH_DATA: Final = 512 << 10
"""Most data sealed in one go."""
WRITE_HIGH: Final = 1 << 20
WRITE_LOW: Final = 256 << 10
FLOODED: Final = 4 << 20
"""Unsent bytes at which nothing more is read from a peer that makes us answer and does not listen."""
_SETTING_UP: Final = 64
_REARM: Final = 1.0
"""Seconds in which signs of life do not move the time of the next keep-alive."""
_LENGTH: Final = 4
_TAG: Final = 16
_WINDOW_ADJUST: Final = 93
_CHANNEL_DATA: Final = 94
_FIRST_CHANNEL_PACKET: Final = 80
_MAX_WINDOW: Final = (1 << 32) - 1
_length = struct.Struct(">I").unpack_from
_channel_header = struct.Struct(">II").pack
_data_header = struct.Struct(">BBII")
"""Of a decrypted packet: size of the padding, kind, channel, size of the data or by how much a window grows."""
_HEAD: Final = _data_header.size
_PADDING: Final = bytes(20)
_ENVELOPE: Final = _LENGTH + _HEAD + len(_PADDING) + _TAG


class _Cipher:
    """The keys of one direction from one key exchange to the next; packets are counted where asyncssh counts them."""

    __slots__ = ("_counted", "_keyed", "of")

    def __init__(self, encryption: GCMEncryption) -> None:
        self.of = encryption
        self._counted = encryption._cipher  # noqa: SLF001
        self._keyed = AESGCM(self._counted._key)  # noqa: SLF001

    def seal(self, plain: bytes | memoryview, target: memoryview) -> int:
        """Write the packet with this content to the beginning of `target`; returns its size."""
        header = len(plain).to_bytes(_LENGTH, "big")
        end = _LENGTH + len(plain) + _TAG
        target[:_LENGTH] = header
        self._keyed.encrypt_into(self._counted._iv, plain, header, target[_LENGTH:end])  # noqa: SLF001
        self.count()
        return end

    def open(self, packet: memoryview, content: memoryview) -> None:
        """Write what is in the next packet, which does not count yet, to `content`. Raises MACError."""
        try:
            self._keyed.decrypt_into(self._counted._iv, packet[_LENGTH:], packet[:_LENGTH], content)  # noqa: SLF001
        except InvalidTag:
            raise MACError("MAC verification failed") from None

    def count(self) -> None:
        """One more packet has passed."""
        self._counted._update_iv()  # noqa: SLF001


class _Room(threading.local):
    """Where packets are opened: one place for each loop, since what was opened is told before others open theirs."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE + MAX_PACKET))


_room = _Room()


class _Arrivals:
    """What packets that came together bring for channels, until it is told to them: data for one, room for any.

    Each packet is opened so that its data follows what is there: its head then lies on the last bytes of that, which
    are put back.
    """

    __slots__ = ("_covered", "_view", "_widened", "channel", "size")

    def __init__(self) -> None:
        self.channel: SSHChannel[bytes] | None = None
        self.size = 0
        self._view = _room.view
        self._covered = b""
        self._widened: dict[SSHChannel[bytes], None] = {}

    def __bool__(self) -> bool:
        return self.channel is not None or bool(self._widened)

    def is_full(self, packet: int) -> bool:
        """Whether a packet of so many bytes finds no room behind what is there."""
        return self.size + packet > len(self._view)

    def open(self, cipher: _Cipher, packet: memoryview) -> memoryview:
        """The content of a packet: good until `keep` or `leave`. Raises MACError."""
        start = self.size
        self._covered = bytes(self._view[start : start + _HEAD])
        content = self._view[start : start + len(packet) - _LENGTH - _TAG]
        try:
            cipher.open(packet, content)
        except MACError:
            self.leave()  # what came before it is good
            raise
        return content

    def keep(self, channel: SSHChannel[bytes], size: int) -> None:
        """The packet has more data for the channel that some waits for already, or the first."""
        self.leave()
        self.channel = channel
        self.size += size

    def leave(self) -> None:
        """The packet has nothing more for us."""
        self._view[self.size : self.size + _HEAD] = self._covered

    def widen(self, channel: SSHChannel[bytes], room: int) -> None:
        """The peer takes more data on this channel."""
        channel._send_window += room  # noqa: SLF001
        self._widened[channel] = None

    def deliver(self) -> None:
        """Tell the channels. They may do anything with the connection then."""
        channel, data, widened = self.channel, self._view[_HEAD : _HEAD + self.size], self._widened
        self.channel, self.size, self._widened = None, 0, {}
        if channel is not None:
            # who says so keeps nothing of it, so that a copy is spared
            is_lent = getattr(channel._session, "borrows_input", False) and not channel._recv_paused  # noqa: SLF001
            channel._accept_data(cast("bytes", data) if is_lent else bytes(data))  # noqa: SLF001
        for channel in widened:
            channel._flush_send_buf()  # noqa: SLF001


class TunedConnection(SSHConnection):
    """To be mixed in before SSHServerConnection or SSHClientConnection."""

    _sealing: _Cipher | None = None
    _opening: _Cipher | None = None
    _is_congested = False
    _is_flooded = False
    _armed = 0.0
    _has_begun = False
    """Data of a channel has come: the client has set up its session, and sends at once itself."""

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
        cipher = self._cipher_for_sending() if pkttype >= _FIRST_CHANNEL_PACKET else None
        if cipher is None:
            super().send_packet(pkttype, *args, handler=handler)
            return
        padding = _padding(1 + sum(map(len, args)))
        plain = b"".join((bytes((padding, pkttype)), *args, _PADDING[:padding]))
        packet = bytearray(_LENGTH + len(plain) + _TAG)
        cipher.seal(plain, memoryview(packet))
        self._send_sealed(packet, 1)

    def send_data(self, number: int, data: memoryview, packet_data: int) -> int:
        """Send data of a channel, cut into packets; returns how much of it was sent, which is more than none."""
        cipher = self._cipher_for_sending()
        if cipher is None:
            piece = bytes(data[:packet_data])
            self.send_packet(_CHANNEL_DATA, _channel_header(number, len(piece)), piece)
            return len(piece)
        count = -(-len(data) // packet_data)
        packets = bytearray(len(data) + count * _ENVELOPE)
        plain = memoryview(bytearray(min(packet_data, len(data)) + _ENVELOPE))
        end = 0
        with memoryview(packets) as target:
            for start in range(0, len(data), packet_data):
                size = _lay_out(plain, number, data[start : start + packet_data])
                end += cipher.seal(plain[:size], target[end:])
        del packets[end:]
        self._send_sealed(packets, count)
        return len(data)

    def _cipher_for_sending(self) -> _Cipher | None:
        """None when asyncssh itself has to send: another cipher, compression, a key exchange under way or due."""
        encryption = self._send_encryption
        if (
            type(encryption) is not GCMEncryption
            or not self._kex_complete
            or not self._auth_complete
            or self._compressor
            or self._rekey_bytes_sent >= self._rekey_bytes
            or (self._rekey_seconds and time.monotonic() >= self._rekey_time)
        ):
            return None
        if self._sealing is None or self._sealing.of is not encryption:
            self._sealing = _Cipher(encryption)
        return self._sealing

    def _send_sealed(self, packets: bytearray, count: int) -> None:
        self._send(cast("bytes", packets))
        self._send_seq = (self._send_seq + count) & 0xFFFFFFFF
        self._rekey_bytes_sent += len(packets)

    # -- receiving

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        self.take(memoryview(data))

    def take(self, data: memoryview) -> None:
        """What has arrived; nothing of it is kept but copies."""
        if self._recv_seq < _SETTING_UP and not self._has_begun:
            self._acknowledge_quickly()
        encryption = self._recv_encryption
        if type(encryption) is GCMEncryption and self._auth_complete and not self._decompressor and self._is_between:
            if self._opening is None or self._opening.of is not encryption:
                self._opening = _Cipher(encryption)
            self._receive_fast(self._opening, data)
        else:
            super().data_received(bytes(data))
        if self._is_congested:
            self._check_flood()

    def _reset_keepalive_timer(self) -> None:
        """A sign of life. A timer costs as much as the rest of a small packet, so it is not set anew for each."""
        now = self._loop.time()
        if self._keepalive_timer is None or now - self._armed >= min(_REARM, self._keepalive_interval / 8):
            self._armed = now
            super()._reset_keepalive_timer()

    @property
    def _is_between(self) -> bool:
        """Between two packets and two key exchanges, on a connection that lives."""
        return self._kex_complete and self._recv_handler == self._recv_pkthdr and self._transport is not None

    def _acknowledge_quickly(self) -> None:
        """Spare the client 40 ms: OpenSSH sends without TCP_NODELAY until its session starts."""
        if self._transport is not None and hasattr(socket, "TCP_QUICKACK"):
            sock = self._transport.get_extra_info("socket")
            if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _receive_fast(self, cipher: _Cipher, data: memoryview) -> None:
        self._reset_keepalive_timer()
        try:
            left = self._take_whole(cipher, data)
        except asyncssh.DisconnectError as error:
            self._send_disconnect(error.code, error.reason, error.lang)
            self._force_close(error)
            return
        except Exception:
            self.internal_error()
            return
        if left:
            self._inpbuf += left
            if self._transport is not None and not (self._is_between and self._recv_encryption is cipher.of):
                self._recv_data()

    def _take_whole(self, cipher: _Cipher, data: memoryview) -> bytes:
        """Handle whole packets; returns the rest, which is the beginning of one or is for asyncssh to handle."""
        start = 0
        if self._inpbuf:
            start = self._missing(len(data))
            begun, self._inpbuf = b"".join((self._inpbuf, data[:start])), b""
            taken = self._take_packets(cipher, memoryview(begun))
            if taken < len(begun) or not self._is_between or self._recv_encryption is not cipher.of:
                return b"".join((begun[taken:], data[start:]))
        return bytes(data[start + self._take_packets(cipher, data[start:]) :])

    def _missing(self, most: int) -> int:
        """How many bytes complete the packet that has begun to arrive."""
        begun = self._inpbuf
        if len(begun) < _LENGTH:
            return most
        return min(most, _LENGTH + int(_length(begun)[0]) + _TAG - len(begun))

    def _take_packets(self, cipher: _Cipher, data: memoryview) -> int:
        """Handle whole packets; returns how far it came. Stops early when asyncssh has to go on."""
        offset, arrivals = 0, _Arrivals()
        try:
            while len(data) - offset >= _LENGTH:
                size = _length(data, offset)[0]
                self._check_length(size)
                following = offset + _LENGTH + size + _TAG
                if following > len(data):
                    break
                if arrivals.is_full(size):
                    arrivals.deliver()
                    continue
                if self._note(arrivals.open(cipher, data[offset:following]), arrivals):
                    cipher.count()
                    self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF
                    offset = following
                    continue
                if arrivals:
                    arrivals.deliver()  # in order; then this packet is looked at again
                else:
                    # it goes, alone, through the code of asyncssh, which decrypts it again
                    self._inpbuf = bytes(data[offset:following])
                    offset = following
                    self._recv_data()
                if self._inpbuf or not self._is_between or self._recv_encryption is not cipher.of:
                    break
        finally:
            arrivals.deliver()
        return offset

    def _note(self, content: memoryview, arrivals: _Arrivals) -> bool:
        """Add a channel's data or window to what has arrived. False when anything about it needs the careful path."""
        padding, kind, number, size = _data_header.unpack_from(content)
        channel = self._channels.get(number)
        if channel is None or padding < 4:
            arrivals.leave()
            return False
        state = channel._recv_state  # noqa: SLF001
        if kind == _CHANNEL_DATA:
            is_next = arrivals.channel is None or arrivals.channel is channel
            room = channel._recv_window - arrivals.size  # noqa: SLF001
            if state != "open" or not is_next or size > room or _HEAD + size + padding != len(content):
                arrivals.leave()
                return False
            self._has_begun = True
            arrivals.keep(channel, size)
        else:
            arrivals.leave()
            is_live = state in ("open", "eof_pending", "eof")
            if kind != _WINDOW_ADJUST or not is_live or _HEAD + padding != len(content):
                return False
            if channel._send_window + size > _MAX_WINDOW:  # noqa: SLF001
                return False
            arrivals.widen(channel, size)
        self._auth_final = True
        return True

    def is_their_fault(self, error: BaseException | None) -> bool:
        """Whether an error comes from what the peer sent: packets cut short, numbers of no group, out of turn."""
        is_agreeing = not self._kex_complete and isinstance(error, ValueError | LookupError)
        return is_agreeing or isinstance(error, PacketDecodeError | UnicodeError) or _is_out_of_turn(error)

    def _recv_pkthdr(self) -> bool:
        if not super()._recv_pkthdr():
            return False
        self._check_length(self._pktlen)
        return True

    def _check_length(self, size: int) -> None:
        if size > MAX_PACKET:
            raise ProtocolError(f"packet of {size} bytes is longer than {MAX_PACKET}")


def _is_out_of_turn(error: BaseException | None) -> bool:
    """Whether asyncssh took for granted that a message does not come now."""
    if not isinstance(error, AssertionError) or error.__traceback__ is None:
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).startswith("asyncssh.")


def _padding(payload: int) -> int:
    """Bytes behind a payload that make a whole number of blocks with it and the byte that tells their number."""
    padding = -(payload + 1) % 16
    return padding if padding >= 4 else padding + 16


def _lay_out(plain: memoryview, number: int, data: memoryview) -> int:
    """Write the content of a packet with data for a channel; returns its size."""
    held, end = _HEAD, _HEAD + len(data)
    padding = _padding(end - 1)
    _data_header.pack_into(plain, 0, padding, _CHANNEL_DATA, number, len(data))
    plain[held:end] = data
    plain[end : end + padding] = _PADDING[:padding]
    return end + padding


class TunedChannel(SSHChannel[bytes]):
    """To be mixed in before a channel class of asyncssh: sends without copying, and waits while it must."""

    def process_open(self, send_chan: int, send_window: int, send_pktsize: int, session: Any) -> None:
        _check_packet_data(send_pktsize)
        super().process_open(send_chan, send_window, send_pktsize, session)

    def process_open_confirmation(
        self, send_chan: int, send_window: int, send_pktsize: int, packet: SSHPacket
    ) -> None:
        _check_packet_data(send_pktsize)
        super().process_open_confirmation(send_chan, send_window, send_pktsize, packet)

    def write(self, data: bytes, datatype: int | None = None) -> None:
        if datatype is not None or self._send_buf or self._send_state != "open" or self._conn is None:
            super().write(data, datatype)
            return
        sent = self._send_now(memoryview(data))
        if sent < len(data):
            super().write(data[sent:])

    def _send_now(self, data: memoryview) -> int:
        """As much as the peer takes now."""
        connection = cast("TunedConnection", self._conn)
        packet_data = min(self._send_pktsize, MAX_PACKET_DATA)
        position = 0
        while position < len(data) and self._send_window and connection.can_carry:
            size = min(len(data) - position, self._send_window, BATCH_DATA, 16 * packet_data)
            sent = connection.send_data(self._send_chan or 0, data[position : position + size], packet_data)
            self._send_window -= sent
            position += sent
        return position

    def _accept_data(self, data: bytes, datatype: int | None = None) -> None:
        # asyncssh counts a window only when data is delivered: while nobody reads, a peer could send without end
        if self._recv_paused and sum(len(held) for held, _ in self._recv_buf) + len(data) > self._recv_window:
            raise ProtocolError("Window exceeded")
        super()._accept_data(data, datatype)

    def _flush_send_buf(self) -> None:
        if self._conn is None:
            return
        while self._send_buf and self._send_buf[0][1] is None:
            waiting = self._send_buf[0][0]
            with memoryview(waiting) as view:
                sent = self._send_now(view)
            self._send_buf_len -= sent
            if sent < len(waiting):
                del waiting[:sent]
                break
            del self._send_buf[0]
        if self._send_buf and not cast("TunedConnection", self._conn).can_carry:
            self._pause_resume_writing()
        else:
            super()._flush_send_buf()


def _check_packet_data(size: int) -> None:
    """Raises ProtocolError. With none at all, sending would never end."""
    if size < MIN_PACKET_DATA:
        raise ProtocolError(f"the peer takes packets of {size} bytes only: at least {MIN_PACKET_DATA} are needed")
