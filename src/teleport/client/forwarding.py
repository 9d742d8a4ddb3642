"""Forwards as `ssh` writes them: `-L [bind:]port:host:port`, `-R` the other way, `-D [bind:]port` as SOCKS.

A path stands for a Unix socket on either side: `-L /run/here.sock:/run/there.sock`, `-R 8080:/run/web.sock`.
"""

from __future__ import annotations

from typing import NamedTuple

from teleport.foundation.errors import BadParameter

_LOCALHOST = "127.0.0.1"


class Forward(NamedTuple):
    """Connections to `bind:port` or the socket `path` go on to `host:target_port` or the socket `target_path`."""

    bind: str
    port: int
    host: str = ""
    target_port: int = 0
    path: str = ""
    target_path: str = ""

    @property
    def listens_at(self) -> str:
        return self.path or f"{self.bind}:{self.port}"


def parse_forward(text: str) -> Forward:
    """`[bind:]port:host:port` with paths on either side, IPv6 in brackets. Raises BadParameter."""
    parts = _split(text)
    match parts:
        case [here, there] if here.startswith("/") and there.startswith("/"):
            return Forward("", 0, path=here, target_path=there)
        case [here, host, port] if here.startswith("/"):
            return Forward("", 0, host, _port(port, text), path=here)
        case [port, there] if there.startswith("/"):
            return Forward(_LOCALHOST, _port(port, text), target_path=there)
        case [bind, port, there] if there.startswith("/"):
            return Forward(bind or "*", _port(port, text), target_path=there)
        case [port, host, target]:
            return Forward(_LOCALHOST, _port(port, text), host, _port(target, text))
        case [bind, port, host, target]:
            return Forward(bind or "*", _port(port, text), host, _port(target, text))
    raise BadParameter(f"forward {text!r}: expected [bind:]port:host:port, or the path of a socket on either side")


def parse_dynamic(text: str) -> Forward:
    """`[bind:]port`. Raises BadParameter."""
    parts = _split(text)
    if len(parts) == 1:
        parts = [_LOCALHOST, *parts]
    if len(parts) != 2:
        raise BadParameter(f"dynamic forward {text!r}: expected [bind:]port")
    return Forward(parts[0] or "*", _port(parts[1], text))


def _split(text: str) -> list[str]:
    parts, current, depth = [], "", 0
    for letter in text:
        if letter == "[" and not depth:
            depth = 1
        elif letter == "]" and depth:
            depth = 0
        elif letter == ":" and not depth:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [*parts, current]


def _port(word: str, text: str) -> int:
    if not (word.isascii() and word.isdigit() and int(word) < 65536):
        raise BadParameter(f"forward {text!r}: {word!r} is not a port")
    return int(word)
