"""Resource ids as certificates carry them: a JSON list of `/cluster/kind/name[/sub]`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.identity import ResourceId


def encode(ids: Iterable[ResourceId]) -> str:
    """Raises BadParameter for parts that would read back as something else."""
    texts = []
    for resource in ids:
        texts.append(str(resource))
        if _parse(texts[-1]) != resource:
            raise BadParameter(f"resource id {texts[-1]!r}: cluster, kind and name hold no slash and are not empty")
    return msgspec.json.encode(texts).decode()


def decode(text: str) -> tuple[ResourceId, ...]:
    """Raises BadParameter. The empty text is no ids at all."""
    if not text:
        return ()
    try:
        return tuple(_parse(item) for item in msgspec.json.decode(text, type=list[str]))
    except msgspec.DecodeError as problem:
        raise BadParameter(f"certificate: allowed resources: {problem}") from problem


def _parse(text: str) -> ResourceId:
    root, *parts = text.split("/", 4)
    if root or len(parts) < 3 or not all(parts):
        raise BadParameter(f"resource id {text!r}: expected /cluster/kind/name")
    return ResourceId(*parts)
