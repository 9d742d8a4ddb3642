"""Secrets that do not show themselves: printing, formatting and logging a Secret gives asterisks."""

from __future__ import annotations

import hmac
from typing import Any, Generic, TypeVar, get_args

import msgspec

MASK = "******"
T = TypeVar("T", str, bytes)


class Secret(Generic[T]):
    """Holds a str or bytes; `reveal()` is the one way to it. Compared in constant time; the empty secret is false."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value: T = value

    def reveal(self) -> T:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_octets(self._value), _octets(other.reveal()))

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return MASK if self._value else "(none)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    @staticmethod
    def decode(kind: Any, value: Any) -> Secret[Any]:
        """For msgspec: the secret from its plain form."""
        inner = (get_args(kind) or (str,))[0]
        return Secret(msgspec.convert(value, inner))


def _octets(value: str | bytes) -> bytes:
    return value.encode(errors="surrogatepass") if isinstance(value, str) else value


def mask_name(name: str) -> str:
    """A token's name for lists and events: only its last quarter (at most 8 characters) may be read."""
    if len(name) <= 4:
        return "*" * len(name)
    seen = min(8, len(name) // 4)
    return "*" * (len(name) - seen) + name[-seen:]
