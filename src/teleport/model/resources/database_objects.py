"""Objects inside databases (tables and the like), and the rules by which they get labels."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.labels import check_labels
from teleport.model.resource import Model, Resource, require
from teleport.model.resources.static_host_user import NodeLabel
from teleport.model.values import LabelSelector, StringList


class ObjectMatch(Model):
    table_names: StringList = []
    view_names: StringList = []
    procedure_names: StringList = []


class ObjectScope(Model):
    database_names: StringList = []
    schema_names: StringList = []


class ObjectMapping(Model):
    match: ObjectMatch | None = None
    scope: ObjectScope | None = None
    add_labels: dict[str, str] = {}


class DatabaseObjectImportRuleSpec(Model):
    priority: int = 0
    database_labels: list[NodeLabel] | LabelSelector = []
    mappings: list[ObjectMapping] = []


class DatabaseObjectImportRule(Resource):
    KIND: ClassVar[str] = "db_object_import_rule"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: DatabaseObjectImportRuleSpec = msgspec.field(default_factory=DatabaseObjectImportRuleSpec)

    def check_spec(self) -> None:
        require(self.spec.database_labels, "spec.database_labels is empty")
        require(self.spec.mappings, "spec.mappings is empty")
        for number, mapping in enumerate(self.spec.mappings):
            require(mapping.match, f"spec.mappings[{number}].match is missing")
            require(mapping.add_labels, f"spec.mappings[{number}].add_labels is empty")
            check_labels(mapping.add_labels, f"spec.mappings[{number}].add_labels")


class DatabaseObjectSpec(Model):
    protocol: str = ""
    database_service_name: str = ""
    object_kind: str = ""
    database: str = ""
    schema: str = ""
    name: str = ""


class DatabaseObject(Resource):
    KIND: ClassVar[str] = "db_object"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: DatabaseObjectSpec = msgspec.field(default_factory=DatabaseObjectSpec)
