"""Narrowing lists: `--query` expressions, `--search` words and labels, all of which a resource must meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource
from teleport.policy.expressions import Expression
from teleport.policy.languages import FILTER
from teleport.policy.shapes import as_list, as_text, member

_MAX_WORDS = 32
_SEARCHED = ("hostname", "addr", "public_addrs", "uri", "protocol", "public_addr", "description", "domain", "roles")


class ResourceFilter:
    """`query` is an expression, `search` words of which each must occur, `labels` equal values."""

    __slots__ = ("_expression", "_labels", "_words")

    def __init__(self, query: str = "", search: str = "", labels: Mapping[str, str] | None = None) -> None:
        """`search` is split at commas and spaces. Raises BadParameter."""
        self._expression = Expression(query, FILTER) if query.strip() else None
        self._words = tuple(word.casefold() for word in search.replace(",", " ").split())
        if len(self._words) > _MAX_WORDS:
            raise BadParameter(f"search has {len(self._words)} words, at most {_MAX_WORDS} are read")
        self._labels = dict(labels or {})

    @property
    def is_empty(self) -> bool:
        return self._expression is None and not self._words and not self._labels

    def matches(self, resource: Resource) -> bool:
        """Raises BadParameter when the expression cannot read a value."""
        labels = resource.labels
        if any(labels.get(key) != value for key, value in self._labels.items()):
            return False
        if self._words and not _has_all(self._words, searchable(resource)):
            return False
        return self._expression is None or self._expression.holds(_scope(resource, labels))


def searchable(resource: Resource) -> tuple[str, ...]:
    """All texts of a resource that searches look at, case folded."""
    return tuple(text.casefold() for text in _texts(resource) if text)


def _texts(resource: Resource) -> Iterator[str]:
    yield resource.display_name
    yield resource.metadata.description
    for key, value in resource.labels.items():
        yield key
        yield value
        yield f"{key}={value}"
    spec = getattr(resource, "spec", None)
    for name in _SEARCHED:
        yield from as_list(member(spec, name, ()))


def _has_all(words: tuple[str, ...], texts: tuple[str, ...]) -> bool:
    return all(any(word in text for text in texts) for word in words)


def _scope(resource: Resource, labels: Mapping[str, str]) -> dict[str, object]:
    spec = getattr(resource, "spec", None)
    hostname = as_text(member(spec, "hostname")) if resource.kind == "node" else ""
    search: Callable[[], tuple[str, ...]] = lambda: searchable(resource)  # noqa: E731
    return {
        "labels": labels,
        "name": hostname or resource.display_name,
        "resource": resource,
        "health": member(getattr(resource, "status", None), "health"),
        "searchable": search,
    }
