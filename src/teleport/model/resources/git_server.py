"""Git server: a GitHub organization reached through this cluster."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import StringList


class GitHubOrganization(Model):
    organization: str = ""
    integration: str = ""


class GitServerSpec(Model):
    github: GitHubOrganization | None = None
    addr: str = ""
    hostname: str = ""
    proxy_ids: StringList = []


class GitServer(Resource):
    KIND: ClassVar[str] = "git_server"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    SUB_KINDS: ClassVar[tuple[str, ...]] = ("github", "")
    NAME_GENERATED: ClassVar[bool] = True

    spec: GitServerSpec = msgspec.field(default_factory=GitServerSpec)

    def check_spec(self) -> None:
        github = self.spec.github
        require(github and github.organization, "spec.github.organization is missing")
        require(github and github.integration, "spec.github.integration is missing")
        self.sub_kind = "github"
