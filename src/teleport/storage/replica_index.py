"""Secondary indexes of a replica: which further values a resource is found by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource
from teleport.model.resources.node import Node


def _hostname(resource: Resource) -> str:
    return resource.spec.hostname.lower() if isinstance(resource, Node) else ""


def _name(resource: Resource) -> str:
    return resource.name.lower()


INDEXES: Mapping[str, Mapping[str, Callable[[Resource], str]]] = {Node.KIND: {"hostname": _hostname, "uuid": _name}}


class Indexes:
    """The names of a kind's resources by each of its indexes; values are compared without regard to case."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._readers = INDEXES.get(kind, {})
        self._names: dict[str, dict[str, set[str]]] = {index: {} for index in self._readers}

    def add(self, resource: Resource) -> None:
        for index, read in self._readers.items():
            if value := read(resource):
                self._names[index].setdefault(value, set()).add(resource.key)

    def remove(self, resource: Resource) -> None:
        for index, read in self._readers.items():
            value = read(resource)
            names = self._names[index].get(value, set())
            names.discard(resource.key)
            if not names:
                self._names[index].pop(value, None)

    def find(self, index: str, value: str) -> list[str]:
        """The names in order. Raises BadParameter for an index this kind does not have."""
        if index not in self._names:
            raise BadParameter(f"{self._kind} has no index {index!r}")
        return sorted(self._names[index].get(value.lower(), ()))
