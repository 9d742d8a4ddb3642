"""A connection that changes hands: the socket, and the bytes of it that were already read."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(slots=True)
class HandedOff:
    """A raw, non-blocking stream socket. `leftover` was read from it too early: it comes first.

    Whoever holds it owns the descriptor and must close it or hand it on.
    """

    sock: socket.socket
    leftover: bytes = b""

    def close(self) -> None:
        self.leftover = b""
        self.sock.close()
