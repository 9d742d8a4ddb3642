"""Changes bytes as strangers and accidents do: flips, cuts, copies, other lengths, words that parsers know."""

from __future__ import annotations

import random
from collections.abc import Sequence

MAX_SIZE = 32 * 1024
WORDS: tuple[bytes, ...] = (
    b"", b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\r\n", b"\r\n\r\n", b'"', b"{", b"[", b"}" * 9, b"[" * 3000,
    b"(" * 300, b"\x81" * 2000, b"null", b"true", b"1e309", b"-1", b"99999999999999999999", b"\\ud800", b"\\u0000",
    b"\xed\xa0\x80", b"\xc0\x80", b"%00", b"%2e%2e%2f", b"../", b"{{", b"}}", b"&a *a", b"!!python/object", b"<<: *",
    b"PROXY TCP4 ", b"\x16\x03\x01", b"SSH-2.0-", b"ssh-ed25519-cert-v01@openssh.com",
    b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", "٣".encode(), "é́​".encode(), b"A" * 5000,
)  # fmt: skip


def mutate(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    """One to eight changes of `data`, some of them taken from `others`."""
    changed = bytearray(data)
    for _ in range(1 << dice.randrange(4)):
        _change(changed, others, dice)
    return bytes(changed[:MAX_SIZE])


def _change(data: bytearray, others: Sequence[bytes], dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    end = min(len(data), at + 1 + dice.randrange(1 << dice.randrange(8)))
    match dice.randrange(9):
        case 0 if data:
            data[at % len(data)] ^= 1 << dice.randrange(8)
        case 1 if data:
            data[at % len(data)] = dice.choice((0, 1, 9, 10, 13, 32, 34, 58, 127, 128, 255, dice.randrange(256)))
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = data[at:end] * dice.randrange(1, 20)
        case 4:
            data[at:at] = dice.choice(WORDS)
        case 5:
            data[at:end] = dice.choice(WORDS)
        case 6 if others:
            other = dice.choice(others)
            start = dice.randrange(len(other) + 1)
            data[at:end] = other[start : start + 1 + dice.randrange(64)]
        case 7:
            size = dice.choice((1, 2, 3, 4, 8))
            number = dice.choice((0, 1, len(data), 0xFFFF, 1 << 31, (1 << 8 * size) - 1))
            data[at : at + size] = (number & ((1 << 8 * size) - 1)).to_bytes(size, dice.choice(("big", "little")))
        case _:
            del data[at:]
