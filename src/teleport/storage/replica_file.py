"""What a replica keeps on disk: one JSON line that says when and what, then one line a resource."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from teleport.foundation.errors import BadParameter, Unavailable
from teleport.model.codec import decode_json, encode_json
from teleport.model.kinds import KINDS
from teleport.model.resource import Resource
from teleport.storage.files import make_private_directory, replace_file

_VERSION = 1


class Header(Struct, frozen=True):
    """`heard` is when the source was last heard."""

    version: int
    revision: int
    heard: datetime
    kinds: tuple[str, ...]
    count: int


class _KindOnly(Struct, frozen=True):
    kind: str


def save(path: Path, revision: int, heard: datetime, kinds: Iterable[str], resources: tuple[Resource, ...]) -> None:
    """Replace what was kept. Raises OSError."""
    header = Header(_VERSION, revision, heard, tuple(sorted(kinds)), len(resources))
    make_private_directory(path.parent)
    replace_file(path, _lines(header, resources))


def load(path: Path, kinds: Iterable[str]) -> tuple[Header, tuple[Resource, ...]] | None:
    """What was kept for exactly these kinds, None if there is nothing. Raises Unavailable if it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    first, _, rest = content.partition(b"\n")
    try:
        header = msgspec.json.decode(first, type=Header)
        if header.version != _VERSION or set(header.kinds) != set(kinds):
            return None
        resources = tuple(_resource(line) for line in rest.splitlines())
    except (msgspec.DecodeError, BadParameter, KeyError, UnicodeError) as error:
        raise Unavailable(f"{path} is damaged: {error}") from error
    if len(resources) != header.count:
        raise Unavailable(f"{path} is damaged: it has {len(resources)} resources, {header.count} were written")
    return header, resources


def _lines(header: Header, resources: tuple[Resource, ...]) -> Iterator[bytes]:
    yield msgspec.json.encode(header) + b"\n"
    for resource in resources:
        yield encode_json(resource) + b"\n"


def _resource(line: bytes) -> Resource:
    return decode_json(line, KINDS[msgspec.json.decode(line, type=_KindOnly).kind].type)
