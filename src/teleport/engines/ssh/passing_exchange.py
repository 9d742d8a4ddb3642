"""One SFTP conversation as it passes, whatever is asked in it: packets, their numbers, and what we ask in between."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Final

from teleport.engines.ssh import sftp_server as sftp
from teleport.engines.ssh.passing import Broken, Sides, Step
from teleport.engines.ssh.remote_paths import Answered
from teleport.engines.ssh.sftp_server import Malformed, Reader, framed, string

MAX_PACKET: Final = sftp.MAX_PACKET + 1024
MAX_PENDING: Final = 4096
MAX_WAITING: Final = 512 << 10
PASSED: Final = {
    b"statvfs@openssh.com", b"fstatvfs@openssh.com", b"fsync@openssh.com", b"limits@openssh.com",
    b"posix-rename@openssh.com", b"hardlink@openssh.com", b"lsetstat@openssh.com", b"expand-path@openssh.com",
    b"home-directory", b"users-groups-by-id@openssh.com",
}  # fmt: skip
"""Extensions that may be used: what each does is understood here."""
_number = struct.Struct(">I")

Entry = tuple[Any, ...]
"""Who takes an answer, and with what."""
TakeRequest = Callable[[int, Reader, bytes], None]
"""Given the client's number, what follows it, and the same as bytes."""


class PacketCutter:
    """Cuts a stream into whole packets, without their lengths. Raises Broken for one that is too long."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._buffer = bytearray()

    def put(self, data: bytes) -> None:
        self._buffer += data

    def __len__(self) -> int:
        return len(self._buffer)

    def packets(self, is_held: Callable[[], bool]) -> Iterator[bytes]:
        """Those that are complete, for as long as nobody holds them."""
        used = 0
        try:
            while not is_held() and len(self._buffer) - used >= 4:
                (size,) = _number.unpack_from(self._buffer, used)
                if not 1 <= size <= MAX_PACKET:
                    raise Broken(f"the {self._who} sends an SFTP packet of {size} bytes")
                if len(self._buffer) - used - 4 < size:
                    return
                start, used = used + 4, used + 4 + size
                yield bytes(self._buffer[start:used])
        finally:
            del self._buffer[:used]


class SftpExchange(ABC):
    """A `passing.Passage`. Requests get numbers of ours on the way, and their own again on the way back."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._client = PacketCutter("client")
        self._server = PacketCutter("server")
        self._out_client: list[bytes] = []
        self._out_server: list[bytes] = []
        self._pending: dict[int, Entry] = {}
        self._next = 0
        self._step: Step | None = None
        self._missing = 0
        self._answers: list[Answered] = []
        self._is_greeted = False
        self._is_answered = False
        self._has_ended = False
        self._is_over = False
        self._requests: dict[int, TakeRequest] = {}

    @abstractmethod
    def _settle(self) -> Step:
        """What has to be asked before the first request."""

    # -- passing.Passage

    def open(self) -> None:  # noqa: B027 - nothing to do: the client speaks first
        """As with every passage."""

    def from_client(self, data: bytes) -> None:
        self._client.put(data)
        self._go_on()

    def from_server(self, data: bytes) -> None:
        if self._is_over:
            return
        self._server.put(data)
        try:
            for packet in self._server.packets(lambda: self._is_over):
                self._take_answer(packet)
        except (Broken, Malformed, ValueError) as problem:
            self._break(str(problem) or "the server sends a malformed SFTP packet")
        self._go_on()

    def end_of_client(self) -> None:
        self._has_ended = True
        self._go_on()

    @property
    def is_full(self) -> bool:
        return len(self._client) > MAX_WAITING or len(self._pending) > MAX_PENDING

    def close(self) -> None:
        self._is_over = True

    # -- the two directions

    def _go_on(self) -> None:
        if self._is_over:
            return
        try:
            for packet in self._client.packets(self._is_held):
                self._take_request(packet)
        except (Broken, Malformed, ValueError) as problem:
            self._break(str(problem) or "the client sends a malformed SFTP packet")
        self._flush()
        if self._has_ended and not self._is_held():
            self._has_ended = False
            self._sides.end_to_server()

    def _is_held(self) -> bool:
        is_unsettled = self._is_greeted and not self._is_answered
        return self._is_over or self._step is not None or is_unsettled or len(self._pending) > MAX_PENDING

    def _flush(self) -> None:
        if self._out_server:
            out, self._out_server = b"".join(self._out_server), []
            self._sides.to_server(out)
        if self._out_client:
            out, self._out_client = b"".join(self._out_client), []
            self._sides.to_client(out)

    def _break(self, reason: str) -> None:
        self._flush()
        self._is_over = True
        self._sides.break_off(f"the copy is ended: {reason}")

    def _take_request(self, packet: bytes) -> None:
        kind = packet[0]
        if not self._is_greeted:
            if kind != sftp.INIT or len(packet) < 5:
                raise Broken("the client does not speak SFTP")
            self._is_greeted = True
            self._out_server.append(framed(bytes((sftp.INIT,)) + _number.pack(3)))
            return
        reader = Reader(memoryview(packet)[1:])
        number = reader.u32()
        take = self._requests.get(kind)
        if take is None:
            self._refuse(number, sftp.UNSUPPORTED, "Operation unsupported")
            return
        try:
            take(number, reader, packet[5:])
        except OSError:  # a path that is none
            self._refuse(number, sftp.BAD_MESSAGE, "Bad message")

    def _take_answer(self, packet: bytes) -> None:
        kind = packet[0]
        if not self._is_answered:
            self._take_version(kind, packet)
            return
        if len(packet) < 5:
            raise Broken("the server sends a malformed SFTP packet")
        (number,) = _number.unpack_from(packet, 1)
        entry = self._pending.pop(number, None)
        if entry is None:
            raise Broken("the server answers what it was not asked")
        entry[0](kind, packet[5:], *entry[1:])

    def _take_version(self, kind: int, packet: bytes) -> None:
        """Only extensions that are understood here are offered to the client."""
        reader = Reader(memoryview(packet)[1:])
        if not self._is_greeted or kind != sftp.VERSION or (version := reader.u32()) != 3:
            raise Broken("the server does not speak version 3 of SFTP")
        kept = b""
        left = len(packet) - 5
        while left > 0:
            name, value = reader.string(), reader.string()
            left -= len(name) + len(value) + 8
            if name in PASSED:
                kept += string(name) + string(value)
        self._is_answered = True
        self._out_client.append(framed(bytes((sftp.VERSION,)) + _number.pack(version) + kept))
        self._begin(self._settle())

    # -- what is asked on the way

    def _ask(self, kind: int, body: bytes, *entry: Any) -> None:
        """Send a request; `entry` takes its answer."""
        self._next = (self._next + 1) & 0xFFFFFFFF
        self._pending[self._next] = entry
        self._out_server.append(_number.pack(len(body) + 5) + bytes((kind,)) + _number.pack(self._next))
        self._out_server.append(body)

    def _reply(self, number: int, kind: int, body: bytes) -> None:
        self._out_client.append(_number.pack(len(body) + 5) + bytes((kind,)) + _number.pack(number))
        self._out_client.append(body)

    def _refuse(self, number: int, code: int, words: str) -> None:
        said = words.encode("utf-8", "replace")
        self._reply(number, sftp.STATUS, _number.pack(code) + string(said) + string(b""))

    def _begin(self, step: Step) -> None:
        """Nothing more of the client is taken until it has ended."""
        self._step = step
        self._answers = []
        self._resume(None)

    def _resume(self, answers: list[Answered] | None) -> None:
        step = self._step
        assert step is not None
        try:
            asks = next(step) if answers is None else step.send(answers)
            while not asks:
                asks = step.send([])
        except StopIteration:
            self._step = None
            return
        except BaseException:
            self._step = None
            raise
        self._missing = len(asks)
        self._answers = [(0, b"")] * len(asks)
        for place, (kind, body) in enumerate(asks):
            self._ask(kind, body, self._take_ours, place)

    def _take_ours(self, kind: int, body: bytes, place: int) -> None:
        self._answers[place] = (kind, body)
        self._missing -= 1
        if not self._missing:
            self._resume(self._answers)
