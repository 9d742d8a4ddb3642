"""User group: a group of an outside system to which people may ask to belong."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource
from teleport.model.values import StringList


class UserGroupSpec(Model):
    applications: StringList = []


class UserGroup(Resource):
    KIND: ClassVar[str] = "user_group"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: UserGroupSpec = msgspec.field(default_factory=UserGroupSpec)
