"""What is asked for besides a resource: a login, a database user, an object in a cluster. One role must allow all."""

from __future__ import annotations

from typing import Protocol

from teleport.policy.matching import FieldIndex
from teleport.policy.role_set import RoleSet


class Asked(Protocol):
    """`allow` and `deny` are the roles (role number i is bit i) that allow or deny it, whatever the labels say;
    `broken` those that deny it because they cannot be read.
    """

    @property
    def name(self) -> str:
        """The field of roles that decides."""

    @property
    def value(self) -> str: ...

    @property
    def allow(self) -> int: ...

    @property
    def deny(self) -> int: ...

    @property
    def broken(self) -> int: ...

    def wanted(self, number: int) -> tuple[str, ...]:
        """What role `number` allows instead."""

    def of(self, role_set: RoleSet) -> Asked:
        """The same asked of another role set."""


class AskedValue:
    """A value of a list field."""

    __slots__ = ("_field", "allow", "broken", "deny", "name", "value")

    def __init__(self, name: str, value: str, field: FieldIndex) -> None:
        self.name = name
        self.value = value
        self.allow = field.allow_mask(value)
        self.deny = field.deny_mask(value)
        self.broken = field.broken
        self._field = field

    def wanted(self, number: int) -> tuple[str, ...]:
        return tuple(self._field.allowed[number])

    def of(self, role_set: RoleSet) -> AskedValue:
        return AskedValue(self.name, self.value, role_set.field(self.name))
