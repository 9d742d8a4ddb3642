"""Does through io_uring what it is asked, with nothing but system calls: run it as a program.

ring_client.py plain|polled PATH PORT DATAGRAMS     open PATH and a file that is not there, connect to the port,
                                                    send a datagram to the other: prints the four results
ring_client.py many PORT PORT ...                   one sendmmsg() of a datagram to each
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
import sys

SETUP, ENTER = 425, 426
POLLED = 2
"""IORING_SETUP_SQPOLL: a thread of the kernel submits."""
GET_EVENTS, WAKE_UP = 1, 2
SEND_MESSAGE, CONNECT, OPEN = 9, 16, 18
ENTRIES = 8
ENTRY, RESULT = 64, 16
ENTRIES_AT = 0x10000000
HERE = -100
MISSING = b"/no/such/in-a-ring"


class Ring:
    def __init__(self, flags: int) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        words = bytearray(120)
        struct.pack_into("<I", words, 8, flags)
        self._flags = flags
        self._fd = self._libc.syscall(SETUP, ENTRIES, (ctypes.c_char * 120).from_buffer(words))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        _, self._tail, _, _, _, _, self._array, _ = struct.unpack_from("<8I", words, 40)
        self._done_head, self._done_tail, _, _, _, self._results, _, _ = struct.unpack_from("<8I", words, 80)
        self._shared = mmap.mmap(self._fd, max(self._array + 4 * ENTRIES, self._results + RESULT * 2 * ENTRIES))
        self._entries = mmap.mmap(self._fd, ENTRY * ENTRIES, offset=ENTRIES_AT)

    def ask(self, operation: int, descriptor: int, address: int, length: int = 0, offset: int = 0) -> int:
        """Submit one request and wait for its result."""
        at, done = self._word(self._tail), self._word(self._done_tail)
        place = at % ENTRIES
        words = (operation, 0, 0, descriptor, offset, address, length)
        struct.pack_into("<BBHiQQI", self._entries, place * ENTRY, *words)
        struct.pack_into("<I", self._shared, self._array + place * 4, place)
        struct.pack_into("<I", self._shared, self._tail, at + 1)
        flags = GET_EVENTS | (WAKE_UP if self._flags & POLLED else 0)
        while self._word(self._done_tail) == done:
            self._libc.syscall(ENTER, self._fd, 1, 1, flags, None, 0)
        (result,) = struct.unpack_from("<i", self._shared, self._results + done % (2 * ENTRIES) * RESULT + 8)
        struct.pack_into("<I", self._shared, self._done_head, done + 1)
        return int(result)

    def _word(self, at: int) -> int:
        (word,) = struct.unpack_from("<I", self._shared, at)
        return int(word)


def loopback(port: int) -> ctypes.Array[ctypes.c_char]:
    packed = struct.pack("<H", socket.AF_INET) + struct.pack(">H4s8x", port, bytes((127, 0, 0, 1)))
    return ctypes.create_string_buffer(packed, 16)


def message_to(address: ctypes.Array[ctypes.c_char]) -> bytes:
    """A struct msghdr without content."""
    return struct.pack("<QIxxxxQQQQI4x", ctypes.addressof(address), 16, 0, 0, 0, 0, 0)


def through_ring(flags: int, path: str, port: int, datagrams: int) -> list[int]:
    ring = Ring(flags)
    name, missing = (ctypes.create_string_buffer(text) for text in (os.fsencode(path), MISSING))
    peer, other = loopback(port), loopback(datagrams)
    message = ctypes.create_string_buffer(message_to(other), 56)
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return [
            ring.ask(OPEN, HERE, ctypes.addressof(name)),
            ring.ask(OPEN, HERE, ctypes.addressof(missing)),
            ring.ask(CONNECT, stream.fileno(), ctypes.addressof(peer), offset=16),
            ring.ask(SEND_MESSAGE, sender.fileno(), ctypes.addressof(message), 1),
        ]


def send_many(ports: list[int]) -> int:
    addresses = [loopback(port) for port in ports]
    messages = ctypes.create_string_buffer(b"".join(message_to(one) + bytes(8) for one in addresses))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return int(ctypes.CDLL(None).sendmmsg(sender.fileno(), messages, len(ports), 0))


if __name__ == "__main__":
    how, *rest = sys.argv[1:]
    if how == "many":
        print(send_many([int(port) for port in rest]))
    else:
        print(*through_ring(POLLED if how == "polled" else 0, rest[0], int(rest[1]), int(rest[2])))
