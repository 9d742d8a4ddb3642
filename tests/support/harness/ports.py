"""Free loopback ports. Each test worker has a range of its own, below the one the kernel gives to clients."""

from __future__ import annotations

import itertools
import os
import socket

_RANGE = 400
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST = 15000 + _WORKER * _RANGE
_NEXT = itertools.cycle(range(_FIRST, _FIRST + _RANGE))


def free_port() -> int:
    for port in itertools.islice(_NEXT, _RANGE):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port in this worker's range")
