"""How other processes find and ask the resident client. Imports next to nothing: its time is the user's time.

A request is words separated by NUL behind a length, with the descriptors 0, 1 and 2 of whoever asks:

    length u32 | version | count of words | word … | NAME=value …

The answer is one byte: `N` not something it does, `S` and the exit status, `D` and a descriptor to go on with.

`_socket` is what `socket` adds its enumerations and conveniences to, which cost as much as starting Python does.
"""

from __future__ import annotations

import _socket
import os
import sys

from teleport import __version__

SOCKET_NAME = "tsh.sock"
NOT_ME, STATUS, DESCRIPTOR = b"N", b"S", b"D"
STOP = "stop"
MAX_REQUEST = 256 * 1024
PASSED = ("TERM", "USER", "LOGNAME", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
_INT = 4  # bytes of a descriptor's number
_PEER = 12  # pid, uid, gid, each 32 bits


def path_of(home: str) -> str:
    return os.path.join(home, SOCKET_NAME)


def open_link(home: str) -> _socket.socket | None:
    """A connection to the running daemon of this very user, for the caller to close."""
    if not hasattr(_socket, "AF_UNIX") or not hasattr(_socket, "SCM_RIGHTS"):
        return None
    link = _socket.socket(_socket.AF_UNIX)
    try:
        link.connect(path_of(home))
        if is_mine(link):
            return link
    except OSError:
        pass
    link.close()
    return None


def ask(link: _socket.socket, words: list[str], environment: dict[str, str]) -> tuple[bytes, int]:
    """The answer, and the descriptor that came with it or -1. Raises OSError, ValueError for what does not fit."""
    standard = b"".join(descriptor.to_bytes(_INT, sys.byteorder) for descriptor in (0, 1, 2))
    link.sendmsg([encode_request(words, environment)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, standard)])
    answer, ancillary, _, _ = link.recvmsg(2, _socket.CMSG_SPACE(_INT))
    for level, kind, content in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS) and len(content) >= _INT:
            return answer, int.from_bytes(content[:_INT], sys.byteorder)
    return answer, -1


def is_mine(link: _socket.socket) -> bool:
    """Whether the other end belongs to the user who runs this; where the system cannot tell, file modes must do."""
    if not hasattr(_socket, "SO_PEERCRED"):
        return True
    credentials = link.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _PEER)
    return int.from_bytes(credentials[4:8], sys.byteorder) == os.getuid()


def encode_request(words: list[str], environment: dict[str, str]) -> bytes:
    """Raises ValueError for what does not fit."""
    parts = [__version__, str(len(words)), *words, *(f"{name}={value}" for name, value in environment.items())]
    body = "\0".join(parts).encode("utf-8", "surrogateescape")
    if len(body) > MAX_REQUEST or any("\0" in part for part in parts):
        raise ValueError("the request does not fit")
    return len(body).to_bytes(4, "big") + body


def decode_request(body: bytes) -> tuple[str, list[str], dict[str, str]]:
    """Version, words and environment. Raises ValueError."""
    version, count, *rest = body.decode("utf-8", "surrogateescape").split("\0")
    size = int(count)
    if not 0 <= size <= len(rest):
        raise ValueError("fewer words than announced")
    pairs = (pair.partition("=") for pair in rest[size:])
    return version, rest[:size], {name: value for name, _, value in pairs}


def environment_to_pass() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("TELEPORT_") or name in PASSED}


def stop(home: str) -> bool:
    """Ask a running daemon to end, and wait until it has. False when none runs."""
    link = open_link(home)
    if link is None:
        return False
    link.settimeout(5.0)
    try:
        ask(link, [STOP], {})
        while link.recv(1):
            pass
    except OSError:
        return False
    finally:
        link.close()
    return True
