"""A file for `tsh ssh -F`: the options that ssh_config(5) blocks give for one host, in the order of the file."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator

from teleport.client.ssh_options import Pair
from teleport.foundation.errors import BadParameter, NotFound

_MAX = 1 << 20
_MAX_DEPTH = 16


def options_for(path: str, host: str) -> list[Pair]:
    """Raises NotFound, BadParameter. `none` is a file with nothing in it."""
    if path == "none":
        return []
    return list(_read(os.path.abspath(os.path.expanduser(path)), host, 0))


def _read(path: str, host: str, depth: int) -> Iterator[Pair]:
    if depth > _MAX_DEPTH:
        raise BadParameter(f"{path}: files that include each other without end")
    applies = True
    for number, line in enumerate(_lines(path), 1):
        words = line.split("#", 1)[0].strip() if line.lstrip().startswith("#") else line.strip()
        if not words:
            continue
        name, value = _option(words, f"{path}:{number}")
        if name == "host":
            applies = _fits(host, value.split())
        elif name == "match":
            applies = value.strip().lower() == "all"
            if not applies:
                yield name, value
        elif applies and name == "include":
            for pattern in value.split():
                yield from _included(pattern, path, host, depth)
        elif applies:
            yield name, value


def _included(pattern: str, path: str, host: str, depth: int) -> Iterator[Pair]:
    for found in sorted(glob.glob(os.path.join(os.path.dirname(path), os.path.expanduser(pattern)))):
        yield from _read(found, host, depth + 1)


def _option(line: str, where: str) -> Pair:
    head = line.split(None, 1)[0]
    name, mark, value = line.partition("=") if "=" in head else (head, " ", line[len(head) :])
    value = value.strip().removeprefix("=").strip()
    if not mark or not value:
        raise BadParameter(f"{where}: {name!r} has no value")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return name.strip().lower(), value


def _fits(host: str, patterns: list[str]) -> bool:
    """A pattern with `!` in front excludes, whatever else fits."""
    bare = [pattern for pattern in patterns if not pattern.startswith("!")]
    excluded = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    is_like = fnmatch.fnmatchcase
    return any(is_like(host, one) for one in bare) and not any(is_like(host, one) for one in excluded)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX + 1)
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    except UnicodeDecodeError:
        raise BadParameter(f"{path}: not a text file") from None
    if len(text) > _MAX:
        raise BadParameter(f"{path} is too large to be an ssh configuration")
    return text.splitlines()
