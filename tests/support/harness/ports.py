"""Free loopback ports. Each testing process claims a range of its own, below the one the kernel gives to clients."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Iterator
from functools import cache

_FIRST, _RANGE, _RANGES = 15000, 400, 40


@cache
def _ports() -> Iterator[int]:
    return itertools.cycle(_claim())


def _claim() -> range:
    for number in range(_RANGES):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0teleport-test-ports-{number}")  # an abstract name ends with the process
        except OSError:
            claim.close()
            continue
        _CLAIMS.append(claim)
        first = _FIRST + number * _RANGE
        return range(first, first + _RANGE)
    raise RuntimeError("every range of ports is claimed by another process")


_CLAIMS: list[socket.socket] = []


def free_port() -> int:
    for port in itertools.islice(_ports(), _RANGE):
        if _is_free(port):
            return port
    raise RuntimeError("no free port in this range")


def free_hundred() -> int:
    """The first of a hundred ports that nobody else is given, a multiple of it: for programs that count their own."""
    while True:
        first = _claim().start
        if all(map(_is_free, range(first, first + 100))):
            return first


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False
