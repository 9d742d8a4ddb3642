"""GitHub connector: teams of GitHub organizations become roles."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.resources.connector_settings import ClientRedirectSettings, check_roles
from teleport.model.sensitive import Secret
from teleport.model.values import StringList


class TeamRolesMapping(Model):
    """`team` is the slug."""

    organization: str
    team: str
    roles: StringList = []


class TeamLoginsMapping(Model):
    """Of the past; `logins` are roles."""

    organization: str
    team: str
    logins: StringList = []
    kubernetes_groups: StringList = []
    kubernetes_users: StringList = []


class GitHubConnectorSpec(Model):
    client_id: str = ""
    client_secret: Secret[str] | None = None
    redirect_url: str = ""
    display: str = ""
    teams_to_roles: list[TeamRolesMapping] = []
    teams_to_logins: list[TeamLoginsMapping] = []
    endpoint_url: str = ""
    api_endpoint_url: str = ""
    client_redirect_settings: ClientRedirectSettings | None = None


class GitHubConnector(Resource):
    KIND: ClassVar[str] = "github"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"

    spec: GitHubConnectorSpec = msgspec.field(default_factory=GitHubConnectorSpec)

    def check_spec(self) -> None:
        spec = self.spec
        require(spec.client_id, "spec.client_id is missing")
        require(spec.client_secret is not None, "spec.client_secret is missing")
        require(spec.teams_to_roles or spec.teams_to_logins, "spec.teams_to_roles is empty, nobody could log in")
        for number, row in enumerate(spec.teams_to_roles):
            where = f"spec.teams_to_roles[{number}]"
            require(row.organization and row.team, f"{where}: organization and team are needed")
            check_roles(row.roles, where)
        for number, old in enumerate(spec.teams_to_logins):
            where = f"spec.teams_to_logins[{number}]"
            require(old.organization and old.team, f"{where}: organization and team are needed")
            check_roles(old.logins, where)
