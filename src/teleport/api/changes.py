"""The stream of changes as a Replica reads it from afar: a snapshot, then each change, resumed where it broke off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from teleport.api.client import Client
from teleport.api.routes.changes import WATCH, ChangeLine, Watch
from teleport.foundation.errors import Unavailable
from teleport.foundation.logs import get_logger
from teleport.model.codec import decode_json
from teleport.model.kinds import kind_named
from teleport.model.resource import Resource
from teleport.storage.backend import Gap
from teleport.storage.feed import Change, Current, Message, Snapshot

log = get_logger("changes")


def remote_source(client: Client, kinds: Iterable[str]) -> Callable[[], AsyncIterator[Message]]:
    """What a Replica of another process feeds on.

    Each call begins with a Snapshot. A stream that breaks after it had begun is resumed where it stopped, so that a
    restarted proxy does not make every agent list again; what cannot be resumed is told as a Gap, the end.
    """
    wanted = tuple(kinds)

    def source() -> AsyncIterator[Message]:
        return _follow(client, wanted)

    return source


async def _follow(client: Client, kinds: tuple[str, ...]) -> AsyncIterator[Message]:
    position = 0
    while True:
        resumed_at = position
        try:
            async for message in _read(client, kinds, position):
                position = message.revision
                yield message
                if isinstance(message, Gap):
                    return
        except Unavailable as error:
            if position == resumed_at:
                raise
            log.info("stream of changes broke off; resuming", position=position, error=error)
        else:
            raise Unavailable("the stream of changes ended")


async def _read(client: Client, kinds: tuple[str, ...], after: int) -> AsyncIterator[Message]:
    snapshot: list[Resource] = []
    async for line in client.lines(WATCH, Watch(kinds=kinds, after=after)):
        match line.type:
            case "item":
                snapshot.append(_resource(line))
            case "ready":
                yield Snapshot(line.position, tuple(snapshot))
                snapshot = []
            case "put":
                yield Change(line.position, line.kind, line.name, "put", _resource(line))
            case "delete":
                yield Change(line.position, line.kind, line.name, "delete")
            case "current":
                yield Current(line.position)
            case "gap":
                yield Gap(line.position)
            case other:
                log.warning("unknown line in the stream of changes", type=other)


def _resource(line: ChangeLine) -> Resource:
    if line.resource is None:
        raise Unavailable(f"stream of changes: a line of type {line.type} without a resource")
    return decode_json(line.resource, kind_named(line.kind).type)
