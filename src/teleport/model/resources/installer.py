"""Installer: the script that new servers run. Server info: labels given to servers from outside."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.labels import check_labels
from teleport.model.resource import Model, Resource, require


class InstallerSpec(Model):
    """`script` is a shell template."""

    script: str = ""


class Installer(Resource):
    KIND: ClassVar[str] = "installer"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: InstallerSpec = msgspec.field(default_factory=InstallerSpec)

    def check_spec(self) -> None:
        require(self.spec.script.strip(), "spec.script is empty")


class ServerInfoSpec(Model):
    new_labels: dict[str, str] = {}


class ServerInfo(Resource):
    KIND: ClassVar[str] = "server_info"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    SUB_KINDS: ClassVar[tuple[str, ...]] = ("", "cloud_info")

    spec: ServerInfoSpec = msgspec.field(default_factory=ServerInfoSpec)

    def check_spec(self) -> None:
        check_labels(self.spec.new_labels, "spec.new_labels")
