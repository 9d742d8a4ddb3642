"""The form of a session recording: a row of parts, each a batch of timed frames that can be checked and opened alone.

A part is a 24-byte header and a gzip body:

    magic "TPSR" | version u16 | flags u16 | number u32 | body size u32 | frame count u32 | CRC-32 of the body u32

The body unpacks to frames, each prefixed by its length (u32):

    kind u8 | offset u32, milliseconds since the start of the session | payload

    1 Started   JSON of RecordingInfo      3 Resized   columns u16, rows u16      5 Ended   JSON of RecordingEnd
    2 Printed   bytes the terminal showed  4 Noted     JSON of an audit event

All numbers are big-endian. Parts are numbered from 1. A recording grows by whole parts only, so the tail that a crash
tore off is found by its header or checksum and everything before it plays. What people typed is not recorded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from isal import isal_zlib

MAGIC: Final = b"TPSR"
VERSION: Final = 1
HEADER: Final = struct.Struct(">4sHHIIII")
MAX_BODY: Final = 16 << 20
MAX_UNPACKED: Final = 64 << 20
MAX_OFFSET: Final = 0xFFFFFFFF
_FRAME: Final = struct.Struct(">IBI")
_SIZE: Final = struct.Struct(">HH")
_FAST: Final = 1
_GZIP_WINDOW: Final = 31


class RecordingInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who does what where: the first frame of every recording."""

    sid: str
    kind: str = "ssh"
    user: str
    login: str
    cluster: str = ""
    server_id: str = ""
    server_hostname: str = ""
    started: datetime
    columns: int = 80
    rows: int = 24
    term: str = ""
    command: tuple[str, ...] = ()
    interactive: bool = True


class RecordingEnd(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it ended. `recovered` marks an end written by a later run, after the recorder died."""

    ended: datetime
    reason: str = ""
    exit_status: int | None = None
    participants: tuple[str, ...] = ()
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    offset: int
    info: RecordingInfo


@dataclass(frozen=True, slots=True)
class Printed:
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Resized:
    offset: int
    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Noted:
    """An audit event beside the output; `event` is its JSON."""

    offset: int
    event: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    offset: int
    end: RecordingEnd


Frame = Started | Printed | Resized | Noted | Ended


class DamagedRecording(Exception):
    """Bytes that are no recording, or a part that was altered."""


def encode_part(number: int, frames: Iterable[Frame]) -> bytes:
    """One part of at least one frame, ready to be appended."""
    packed = [pack(frame) for frame in frames]
    body = isal_zlib.compress(b"".join(packed), _FAST, _GZIP_WINDOW)
    return HEADER.pack(MAGIC, VERSION, 0, number, len(body), len(packed), isal_zlib.crc32(body)) + body


def pack(frame: Frame) -> bytes:
    """A frame with its length, as it stands in the body of a part."""
    match frame:
        case Printed(offset, data):
            kind, payload = 2, data
        case Started(offset, info):
            kind, payload = 1, msgspec.json.encode(info)
        case Resized(offset, columns, rows):
            kind, payload = 3, _SIZE.pack(min(columns, 0xFFFF), min(rows, 0xFFFF))
        case Noted(offset, event):
            kind, payload = 4, event
        case Ended(offset, end):
            kind, payload = 5, msgspec.json.encode(end)
    return _FRAME.pack(len(payload) + 5, kind, min(offset, MAX_OFFSET)) + payload


def part_size(header: bytes) -> int:
    """Bytes of the part that begins with this header; 0 when it is none."""
    if len(header) < HEADER.size:
        return 0
    magic, version, _, _, size, _, _ = HEADER.unpack_from(header)
    return HEADER.size + int(size) if (magic, version) == (MAGIC, VERSION) and size <= MAX_BODY else 0


class RecordingReader:
    """Feed it the bytes of a recording in any pieces; it gives the frames of each part that is complete.

    `consumed` counts the bytes of whole parts so far: a torn file is mended by cutting it there.
    Raises DamagedRecording when a part is not followed by a part, or its checksum does not fit.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.consumed = 0
        self.last_number = 0
        """Of the last whole part."""

    @property
    def is_torn(self) -> bool:
        """True while bytes of an incomplete part are held: at the end of the file, its tail was torn off."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        return list(self.read(data))

    def read(self, data: bytes) -> Iterator[Frame]:
        """As `feed`, yet what comes before damage is given before it is raised."""
        self._buffer += data
        while (size := self._next_size()) and len(self._buffer) >= size:
            part = bytes(self._buffer[:size])
            yield from self._open(part)
            del self._buffer[:size]
            self.consumed += size
            self.last_number = HEADER.unpack_from(part)[3]

    def _next_size(self) -> int:
        if len(self._buffer) < HEADER.size:
            return 0
        magic, version, _, _, size, _, _ = HEADER.unpack_from(self._buffer)
        if magic != MAGIC or size > MAX_BODY:
            raise DamagedRecording(f"byte {self.consumed}: expected the header of a part, found {magic!r}")
        if version != VERSION:
            raise DamagedRecording(f"byte {self.consumed}: recording version {version} is not known, {VERSION} is")
        return HEADER.size + int(size)

    def _open(self, part: bytes) -> Iterator[Frame]:
        _, _, _, number, _, count, checksum = HEADER.unpack_from(part)
        body = part[HEADER.size :]
        if zlib.crc32(body) != checksum:
            raise DamagedRecording(f"part {number} at byte {self.consumed}: checksum does not fit")
        frames = list(_unpack(_inflate(body, number)))
        if len(frames) != count:
            raise DamagedRecording(f"part {number}: expected {count} frames, found {len(frames)}")
        return iter(frames)


def _inflate(body: bytes, number: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = inflater.decompress(body, MAX_UNPACKED)
    except zlib.error as error:
        raise DamagedRecording(f"part {number}: {error}") from error
    if inflater.unconsumed_tail:
        raise DamagedRecording(f"part {number} unpacks to more than {MAX_UNPACKED} bytes")
    return plain


def _unpack(plain: bytes) -> Iterator[Frame]:
    position = 0
    while position < len(plain):
        try:
            size, kind, offset = _FRAME.unpack_from(plain, position)
        except struct.error as error:
            raise DamagedRecording("a frame is cut off") from error
        end = position + 4 + size
        payload = plain[position + _FRAME.size : end]
        if size < 5 or end > len(plain):
            raise DamagedRecording(f"a frame of {size} bytes does not fit its part")
        position = end
        frame = _frame(kind, offset, payload)
        if frame is not None:
            yield frame


def _frame(kind: int, offset: int, payload: bytes) -> Frame | None:
    try:
        match kind:
            case 1:
                return Started(offset, msgspec.json.decode(payload, type=RecordingInfo))
            case 2:
                return Printed(offset, payload)
            case 3:
                return Resized(offset, *_SIZE.unpack(payload))
            case 4:
                return Noted(offset, payload)
            case 5:
                return Ended(offset, msgspec.json.decode(payload, type=RecordingEnd))
    except (msgspec.MsgspecError, struct.error) as error:
        raise DamagedRecording(f"frame kind {kind}: {error}") from error
    raise DamagedRecording(f"frame kind {kind} is not known")
