"""How other processes find the resident client: its socket in the home directory. Imports next to nothing."""

from __future__ import annotations

import os
import socket

SOCKET_NAME = "tsh.sock"


def path_of(home: str) -> str:
    return os.path.join(home, SOCKET_NAME)


def stop(home: str) -> bool:
    """Ask a running daemon to end. False when none runs."""
    link = open_link(home)
    if link is None:
        return False
    with link:
        link.settimeout(5.0)
        try:
            link.sendall(b'{"do":"stop"}\n')
            link.recv(1)
        except OSError:
            return False
    return True


def open_link(home: str) -> socket.socket | None:
    """A connection to the running daemon."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(path_of(home))
    except OSError:
        link.close()
        return None
    return link
