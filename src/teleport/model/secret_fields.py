"""Which kinds of resources can hold something secret."""

from __future__ import annotations

from functools import cache

import msgspec

from teleport.model.resource import Resource
from teleport.model.sensitive import Secret


@cache
def may_hold_secrets(kind: type[Resource]) -> bool:
    """Whether anything in a resource of this kind is a Secret, or its name is."""
    return kind.NAME_IS_SECRET or _holds_secrets(msgspec.inspect.type_info(kind), set())


def _holds_secrets(info: object, seen: set[type]) -> bool:
    match info:
        case msgspec.inspect.CustomType(cls=cls):
            return _is_secret(cls)
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            if cls in seen:
                return False
            seen.add(cls)
            return any(_holds_secrets(field.type, seen) for field in fields)
        case msgspec.inspect.UnionType(types=types):
            return any(_holds_secrets(one, seen) for one in types)
        case msgspec.inspect.DictType(value_type=value):
            return _holds_secrets(value, seen)
        case msgspec.inspect.ListType(item_type=item) | msgspec.inspect.VarTupleType(item_type=item):
            return _holds_secrets(item, seen)
        case msgspec.inspect.Metadata(type=inner):
            return _holds_secrets(inner, seen)
        case _:
            return False


def _is_secret(kind: object) -> bool:
    origin = getattr(kind, "__origin__", kind)
    return isinstance(origin, type) and issubclass(origin, Secret)
