"""Static host user: a Linux account that matching servers always have."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.labels import check_selector
from teleport.model.resource import Model, Resource, require
from teleport.model.values import Flag, LabelSelector, StringList


class NodeLabel(Model):
    """The form of a label in which infrastructure-as-code writes it."""

    name: str
    values: StringList = []


class HostUserMatcher(Model):
    node_labels: list[NodeLabel] | LabelSelector = []
    node_labels_expression: str = ""
    groups: StringList = []
    sudoers: StringList = []
    uid: int = 0
    gid: int = 0
    take_ownership_if_user_exists: Flag = False
    default_shell: str = ""

    def selector(self) -> LabelSelector:
        """`node_labels` in the form that roles have."""
        if isinstance(self.node_labels, dict):
            return self.node_labels
        return {label.name: label.values for label in self.node_labels}


class StaticHostUserSpec(Model):
    matchers: list[HostUserMatcher] = []


class StaticHostUser(Resource):
    """Named like the account."""

    KIND: ClassVar[str] = "static_host_user"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"

    spec: StaticHostUserSpec = msgspec.field(default_factory=StaticHostUserSpec)

    def check_spec(self) -> None:
        require(self.spec.matchers, "spec.matchers is empty")
        for number, matcher in enumerate(self.spec.matchers):
            where = f"spec.matchers[{number}]"
            check_selector(matcher.selector(), f"{where}.node_labels")
            require(
                matcher.node_labels or matcher.node_labels_expression,
                f"{where} needs node_labels or node_labels_expression",
            )
            require(matcher.uid >= 0 and matcher.gid >= 0, f"{where}: uid and gid are not negative")
