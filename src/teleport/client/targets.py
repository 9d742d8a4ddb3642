"""What people write for a server: `[user@]host`, labels instead of a host, `host:path` for copies."""

from __future__ import annotations

import os
from typing import NamedTuple

from teleport.client.dialer import Wanted
from teleport.foundation.errors import BadParameter

_FORBIDDEN = frozenset("\0\n\r\t /\\'\"`$;&|<>(){}!*?#")


class Location(NamedTuple):
    """One side of a copy: local when `host` is empty."""

    path: str
    host: str = ""
    user: str = ""


def parse_target(text: str) -> Wanted:
    """`[user@]host`, or `[user@]k=v,k2=v2`: the labels of one server. Raises BadParameter."""
    login, _, host = text.rpartition("@")
    if "=" in host and not host.startswith("-"):
        pairs = tuple((name.strip(), value.strip()) for name, _, value in (p.partition("=") for p in host.split(",")))
        if any(not name for name, _ in pairs):
            raise BadParameter(f"{text!r}: expected labels as k=v,k2=v2")
        return Wanted("", login, labels=pairs)
    return Wanted(check_host(host), check_login(login) if login else "")


def split_port(text: str) -> tuple[str, int]:
    """Target and port. OpenSSH puts IPv6 addresses without brackets in front of the port."""
    host, mark, port = text.rpartition(":")
    if mark and port.isascii() and port.isdigit() and host and not host.endswith(":"):
        return host, int(port)
    return text, 0


def check_host(name: str) -> str:
    """A host name as somebody may have typed or a script composed it. Raises BadParameter for what is none."""
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    if not bare or bare.startswith("-") or not bare.isprintable() or _FORBIDDEN.intersection(bare):
        raise BadParameter(f"{name!r} is not the name of a server")
    return bare


def check_login(name: str) -> str:
    """Raises BadParameter for what no server has as a user name."""
    if not name or name.startswith("-") or not name.isprintable() or _FORBIDDEN.intersection(name):
        raise BadParameter(f"{name!r} is not a login")
    return name


def parse_location(text: str) -> Location:
    """`[user@]host:path`, `[v6]:path`, else a local path; a path with `/` before its `:` is local."""
    if os.name == "nt" and len(text) > 1 and text[1] == ":" and text[0].isalpha():
        return Location(text)
    user, rest = "", text
    head, mark, tail = text.partition("@")
    if mark and ":" not in head and "/" not in head:
        user, rest = head, tail
    if rest.startswith("["):
        host, closed, path = rest[1:].partition("]")
        if closed and path.startswith(":"):
            return Location(path[1:], check_host(host), check_login(user) if user else "")
    host, mark, path = rest.partition(":")
    if not mark or "/" in host:
        return Location(text)
    return Location(path, check_host(host), check_login(user) if user else "")
