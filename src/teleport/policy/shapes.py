"""The kinds of values in expressions, what they look like at run time, and how to reach into them.

At run time a text is `str`, a list `tuple[str, ...]`, a truth `bool`, a number `int`; anything with fields is a
mapping or a struct. What is not there is the empty text, or the empty list where a list is known to stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from types import NoneType
from typing import TypeAlias, get_args, get_type_hints

import msgspec

from teleport.policy.functions import Texts


class Shape(msgspec.Struct, frozen=True):
    """A plain kind of value; `open` values may be anything, known only at run time."""

    name: str


class MapOf(msgspec.Struct, frozen=True):
    """Any key, all values of one shape."""

    values: Shape


class Fields(msgspec.Struct, frozen=True):
    """Only these names."""

    names: Mapping[str, AnyShape]


class Document(msgspec.Struct, frozen=True):
    """The fields of any of these structs, whose values are known only at run time."""

    structs: Callable[[], tuple[type[msgspec.Struct], ...]]


AnyShape: TypeAlias = Shape | MapOf | Fields | Document

TEXT = Shape("text")
LIST = Shape("list")
TRUTH = Shape("true or false")
NUMBER = Shape("number")
OPEN = Shape("open")


def describe(shape: AnyShape) -> str:
    return shape.name if isinstance(shape, Shape) else "map"


def below(shape: AnyShape, name: str) -> AnyShape | None:
    """The shape of a member, None when there is no such member."""
    if isinstance(shape, Fields):
        return shape.names.get(name)
    if isinstance(shape, MapOf):
        return shape.values
    if isinstance(shape, Document):
        return _field(shape.structs(), name)
    return OPEN if shape is OPEN else None


@lru_cache(maxsize=512)
def _field(structs: tuple[type[msgspec.Struct], ...], name: str) -> AnyShape | None:
    hints = [hint for hint in (_hints(struct).get(name) for struct in structs) if hint is not None]
    if not hints:
        return None
    nested: dict[type[msgspec.Struct], None] = {}
    for hint in hints:
        choices = [choice for choice in (get_args(hint) or (hint,)) if choice is not NoneType]
        if not all(isinstance(choice, type) and issubclass(choice, msgspec.Struct) for choice in choices):
            return OPEN
        nested.update(dict.fromkeys(choices))
    found = tuple(nested)
    return Document(lambda: found)


@lru_cache(maxsize=512)
def _hints(struct: type[msgspec.Struct]) -> dict[str, object]:
    """The types of the fields, by the names under which documents have them."""
    hints = get_type_hints(struct)
    return {name: hints[attribute] for name, attribute in _attributes(struct).items()}


def member(value: object, name: str, missing: object = "") -> object:
    """The member of a mapping or struct in its run-time form; `missing` when it is not there."""
    if isinstance(value, Mapping):
        found = value.get(name)
    elif isinstance(value, msgspec.Struct):
        attribute = _attributes(type(value)).get(name)
        found = getattr(value, attribute) if attribute else None
    else:
        return missing
    return missing if found is None else plain(found)


def has_member(value: object, name: str) -> bool:
    if isinstance(value, Mapping):
        return name in value
    return isinstance(value, msgspec.Struct) and bool(member(value, name))


@lru_cache(maxsize=512)
def _attributes(kind: type[msgspec.Struct]) -> dict[str, str]:
    return dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))


def plain(value: object) -> object:
    """The run-time form. What has none (a secret, for one) reads as the empty text."""
    if isinstance(value, str | bool | int | Mapping | msgspec.Struct):
        return value
    if isinstance(value, tuple | list | set | frozenset):
        return tuple(item for item in value if isinstance(item, str))
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return str(value)
    return ""


def as_list(value: object) -> Texts:
    """A text is a list of one."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, Mapping) else ()


def as_text(value: object) -> str:
    """A list of one is its item."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return value[0] if len(value) == 1 else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else ""


def equal(left: object, right: object) -> bool:
    """Same kind and same content; the order of a list does not matter."""
    if isinstance(left, tuple) and isinstance(right, tuple):
        return sorted(left) == sorted(right)
    return type(left) is type(right) and left == right
