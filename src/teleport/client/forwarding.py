"""Port forwarding as `ssh` writes it: `-L [bind:]port:host:port`, `-R` the other way, `-D [bind:]port` as SOCKS."""

from __future__ import annotations

from typing import NamedTuple

from teleport.foundation.errors import BadParameter

_LOCALHOST = "127.0.0.1"


class Forward(NamedTuple):
    """Connections to `bind:port` go on to `host:target_port`."""

    bind: str
    port: int
    host: str = ""
    target_port: int = 0


def parse_forward(text: str) -> Forward:
    """`[bind:]port:host:port`, IPv6 in brackets. Raises BadParameter."""
    parts = _split(text)
    if len(parts) == 3:
        parts = [_LOCALHOST, *parts]
    if len(parts) != 4:
        raise BadParameter(f"forward {text!r}: expected [bind:]port:host:port")
    return Forward(parts[0] or "*", _port(parts[1], text), parts[2], _port(parts[3], text))


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
