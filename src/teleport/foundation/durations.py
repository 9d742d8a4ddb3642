"""Durations as people write them in YAML and on command lines: `1h30m`, `90s`, `7d`, `never`."""

from __future__ import annotations

import re
from datetime import timedelta

from teleport.foundation.errors import BadParameter

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d)")
_MAX_LENGTH = 64


def parse(text: str) -> timedelta:
    """Raises BadParameter. `never`, the empty text and `0` are zero."""
    word = text.strip()
    if word in ("", "0", "never"):
        return timedelta()
    sign = -1 if word.startswith("-") else 1
    body = word.lstrip("+-")
    seconds, position = 0.0, 0
    if len(word) > _MAX_LENGTH:
        raise BadParameter(f"duration of {len(word)} characters is too long")
    for part in _PART.finditer(body):
        if part.start() != position:
            break
        seconds += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not body or position != len(body):
        raise BadParameter(f"duration {text!r}: expected a form like 1h30m, 90s or never")
    try:
        return timedelta(seconds=sign * seconds)
    except OverflowError as overflow:
        raise BadParameter(f"duration {text!r} is too long") from overflow


def text(duration: timedelta) -> str:
    """The form that Go programs print: `30h0m0s`, `1m30s`, `1.5s`, `0s`."""
    seconds = duration.total_seconds()
    if seconds == 0:
        return "0s"
    sign = "-" if seconds < 0 else ""
    seconds = abs(seconds)
    if seconds < 1:
        return f"{sign}{seconds * 1000:g}ms"
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    out = f"{int(hours)}h" if hours else ""
    out += f"{int(minutes)}m" if hours or minutes else ""
    return f"{sign}{out}{rest:g}s"
