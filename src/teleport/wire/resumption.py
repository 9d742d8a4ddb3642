"""A byte stream that outlives the connections which carry it: numbered bytes, kept until the other side has them.

On each connection both sides first send a greeting: `TRS1` and how many bytes they have received so far, 8 bytes.
Each then repeats what the other lacks; on the first one of a stream nobody lacks anything, and nobody waits for the
other's greeting. Frames follow: one byte of kind, three of length, the content.

    DATA  1  bytes of the stream          FIN   3  the stream ends here
    ACK   2  8 bytes: received so far     PING  4, PONG 5  nothing

Who has a resumption's token is decided elsewhere; this is only about bytes.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from teleport.wire.errors import RemoteProtocolError

MAGIC: Final = b"TRS1"
GREETING_SIZE: Final = 12
LIMIT: Final = 2 * 1024 * 1024
"""Bytes that are kept for the other side; whoever sends waits when there are more."""
MAX_DATA: Final = 64 * 1024
_ACK_EVERY: Final = 256 * 1024
_DATA, _ACK, _FIN, _PING, _PONG = 1, 2, 3, 4, 5
_SIZES: Final = {_ACK: 8, _FIN: 0, _PING: 0, _PONG: 0}
_HEADER: Final = 4


class ResumableStream:
    """One end. What is to be written to the connection collects in `outbox`."""

    def __init__(self) -> None:
        self.outbox = bytearray()
        self.received = 0
        self.has_finished = False
        """Whether our side of the stream has ended."""
        self.peer_has_finished = False
        self._kept: deque[bytes] = deque()
        self._acknowledged = 0
        self._sent = 0
        self._told = 0
        self._inbox = bytearray()
        self._is_joined = False
        """The greeting of the other side has come."""
        self._may_frame = False

    @property
    def unacknowledged(self) -> int:
        return self._sent - self._acknowledged

    @property
    def may_send(self) -> bool:
        return self.unacknowledged < LIMIT and not self.has_finished

    def begin(self, *, is_first: bool = False) -> None:
        """A new connection carries the stream: nothing of the old one counts."""
        self._is_joined, self._may_frame = False, is_first
        self._inbox.clear()
        self.outbox[:] = MAGIC + self.received.to_bytes(8, "big")
        self._told = self.received

    def lose(self) -> None:
        """The connection is gone."""
        self._is_joined = self._may_frame = False
        self.outbox.clear()

    def send(self, data: bytes) -> None:
        """At most MAX_DATA at once."""
        self._kept.append(data)
        self._sent += len(data)
        if self._may_frame:
            self._frame(_DATA, data)

    def finish(self) -> None:
        self.has_finished = True
        if self._may_frame:
            self._frame(_FIN)

    def ping(self) -> None:
        if self._may_frame:
            self._frame(_PING)

    def feed(self, data: bytes) -> bytes:
        """The bytes of the stream in what came. Raises RemoteProtocolError."""
        self._inbox += data
        if not self._is_joined and not self._join():
            return b""
        found, position = bytearray(), 0
        while len(self._inbox) - position >= _HEADER:
            kind, size = self._inbox[position], int.from_bytes(self._inbox[position + 1 : position + 4], "big")
            if (kind != _DATA and _SIZES.get(kind) != size) or (kind == _DATA and not 0 < size <= MAX_DATA):
                raise RemoteProtocolError(f"a frame of kind {kind} with {size} bytes")
            if len(self._inbox) - position - _HEADER < size:
                break
            content = self._inbox[position + _HEADER : position + _HEADER + size]
            position += _HEADER + size
            if kind == _DATA:
                found += content
            else:
                self._control(kind, content)
        del self._inbox[:position]
        self.received += len(found)
        if self.received - self._told >= _ACK_EVERY:
            self._acknowledge()
        return bytes(found)

    def _control(self, kind: int, content: bytearray) -> None:
        if kind == _ACK:
            self._trim(int.from_bytes(content, "big"))
        elif kind == _FIN:
            self.peer_has_finished = True
        elif kind == _PING:
            self._frame(_PONG)
            self._acknowledge()

    def _join(self) -> bool:
        """Take the greeting, once it is whole, and repeat what the other side lacks."""
        if not MAGIC.startswith(self._inbox[:4]) and self._inbox[:4] != MAGIC:
            raise RemoteProtocolError("no greeting of a resumable stream")
        if len(self._inbox) < GREETING_SIZE:
            return False
        self._trim(int.from_bytes(self._inbox[4:GREETING_SIZE], "big"))
        del self._inbox[:GREETING_SIZE]
        self._is_joined = True
        if self._may_frame:
            return True
        self._may_frame = True
        for piece in self._kept:
            self._frame(_DATA, piece)
        if self.has_finished:
            self._frame(_FIN)
        return True

    def _trim(self, received: int) -> None:
        """Forget what the other side has. Raises RemoteProtocolError for what was never sent, or was forgotten."""
        if not self._acknowledged <= received <= self._sent:
            raise RemoteProtocolError(f"{received} bytes received, of {self._acknowledged} to {self._sent}")
        surplus = received - self._acknowledged
        while surplus:
            piece = self._kept.popleft()
            if len(piece) > surplus:
                self._kept.appendleft(piece[surplus:])
            surplus -= min(surplus, len(piece))
        self._acknowledged = received

    def _acknowledge(self) -> None:
        self._told = self.received
        self._frame(_ACK, self.received.to_bytes(8, "big"))

    def _frame(self, kind: int, content: bytes = b"") -> None:
        self.outbox += bytes((kind, *len(content).to_bytes(3, "big"))) + content
