"""The envelope of every object: kind, sub_kind, version, metadata; kinds add spec and status.

A resource is a strict struct: unknown fields are refused, unset fields are not printed.
`check()` makes it canonical and raises BadParameter; the codec calls it on everything people wrote.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import ClassVar

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model import labels as label_rules
from teleport.model.values import Instant, utc

DEFAULT_NAMESPACE = "default"
_MAX_NAME = 255
_MAX_DESCRIPTION = 64 * 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Model(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of a resource."""


class Metadata(Model):
    """`revision` is the compare-and-swap token; `expires` ends the object; `id` is read and forgotten."""

    name: str = ""
    namespace: str = ""
    description: str = ""
    labels: dict[str, str] = {}
    expires: Instant | None = None
    revision: str = ""
    id: int = 0

    def check(self) -> None:
        """Raises BadParameter; makes times UTC."""
        if self.namespace not in ("", DEFAULT_NAMESPACE):
            raise BadParameter(f"metadata.namespace is {self.namespace!r}, expected {DEFAULT_NAMESPACE!r} or nothing")
        if len(self.name) > _MAX_NAME:
            raise BadParameter(f"metadata.name has {len(self.name)} characters, at most {_MAX_NAME} are allowed")
        if _CONTROL.search(self.name):
            raise BadParameter(f"metadata.name {self.name!r} has control characters")
        if len(self.description) > _MAX_DESCRIPTION:
            raise BadParameter(f"metadata.description is longer than {_MAX_DESCRIPTION} characters")
        label_rules.check_labels(self.labels)
        self.expires = utc(self.expires, "metadata.expires")
        self.id = 0


class Resource(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of all kinds. `SINGLETON` is the fixed name of a kind that exists once, else empty."""

    KIND: ClassVar[str] = ""
    VERSIONS: ClassVar[tuple[str, ...]] = ()
    DEFAULT_VERSION: ClassVar[str] = ""
    SUB_KINDS: ClassVar[tuple[str, ...]] = ("",)
    SINGLETON: ClassVar[str] = ""
    KEY_HAS_PREFIX: ClassVar[bool] = False
    NAME_IS_SECRET: ClassVar[bool] = False
    NAME_GENERATED: ClassVar[bool] = False
    PRINTS_DEFAULTS: ClassVar[bool] = False

    kind: str = ""
    sub_kind: str = ""
    version: str = ""
    metadata: Metadata = msgspec.field(default_factory=Metadata)

    def __post_init__(self) -> None:
        if not self.kind:
            self.kind = self.KIND
        if not self.version:
            self.version = self.DEFAULT_VERSION
        if self.SINGLETON and not self.metadata.name:
            self.metadata.name = self.SINGLETON

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.display_name!r})" if self.NAME_IS_SECRET else super().__repr__()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def key(self) -> str:
        """What identifies the object inside its kind; the name, unless the kind says otherwise."""
        return self.metadata.name

    @property
    def revision(self) -> str:
        return self.metadata.revision

    @property
    def expires(self) -> datetime | None:
        return self.metadata.expires

    @property
    def labels(self) -> dict[str, str]:
        """The labels that selectors match."""
        return self.metadata.labels

    @property
    def origin(self) -> str:
        return self.metadata.labels.get(label_rules.ORIGIN, "")

    def check(self) -> None:
        """Make canonical. Raises BadParameter naming kind, object and field."""
        try:
            self._check_envelope()
            self.check_spec()
        except BadParameter as problem:
            prefix = f"{self.KIND} {self.display_name!r}: "
            if problem.message.startswith(prefix):
                raise
            raise BadParameter(prefix + problem.message) from problem

    def check_spec(self) -> None:
        """Override: the rules of this kind alone."""

    @property
    def display_name(self) -> str:
        """The name, masked where it is a secret."""
        if self.NAME_IS_SECRET:
            from teleport.model.sensitive import mask_name

            return mask_name(self.metadata.name)
        return self.metadata.name

    def _check_envelope(self) -> None:
        if self.kind != self.KIND:
            raise BadParameter(f"kind is {self.kind!r}, expected {self.KIND!r}")
        if self.version not in self.VERSIONS:
            raise BadParameter(f"version {self.version!r} is not supported, expected {_one_of(self.VERSIONS)}")
        if self.sub_kind not in self.SUB_KINDS:
            raise BadParameter(f"sub_kind {self.sub_kind!r} is not supported, expected {_one_of(self.SUB_KINDS)}")
        self.metadata.check()
        if self.SINGLETON and self.metadata.name != self.SINGLETON:
            raise BadParameter(
                f"metadata.name is {self.metadata.name!r}, this kind exists once, as {self.SINGLETON!r}"
            )
        if not self.metadata.name and not self.NAME_GENERATED:
            raise BadParameter("metadata.name is missing")


def _one_of(words: tuple[str, ...]) -> str:
    shown = [word or "nothing" for word in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def require(condition: object, message: str) -> None:
    """Raises BadParameter with the message unless the condition holds."""
    if not condition:
        raise BadParameter(message)


def one_of(value: str, allowed: tuple[str, ...], field: str) -> None:
    """Raises BadParameter unless the value is one of those allowed."""
    if value not in allowed:
        raise BadParameter(f"{field} is {value!r}, expected {_one_of(allowed)}")
