"""What a role allows and denies: two sections of one shape. Rules: resources.md sections 3.3 to 3.6."""

from __future__ import annotations

from typing import Literal

import msgspec

from teleport.model.resource import Model
from teleport.model.resources.schedule import Schedule
from teleport.model.values import Duration, LabelSelector, StringList


class KubernetesResource(Model):
    """`name` and `namespace` are globs or `^regex$`; `api_group` is of version v8."""

    kind: str
    name: str = ""
    namespace: str = ""
    verbs: StringList = []
    api_group: str = ""


class DatabasePermission(Model):
    """Permissions on the database objects whose labels match."""

    permissions: StringList = []
    match: LabelSelector = {}


class ImpersonateConditions(Model):
    users: StringList = []
    roles: StringList = []
    where: str = ""


class ClaimMapping(Model):
    """Maps a claim's value (literal, glob or `^regex$`) to roles; `$1` refers to a capture."""

    claim: str
    value: str
    roles: StringList = []


class AccessReviewThreshold(Model):
    """How many approvals decide; `approve` and `deny` of 0 mean 1."""

    name: str = ""
    filter: str = ""
    approve: int = 0
    deny: int = 0


class AccessRequestReason(Model):
    mode: Literal["", "optional", "required"] = ""
    prompt: str = ""


class RequestKubernetesResource(Model):
    kind: str
    api_group: str = ""


class AccessRequestConditions(Model):
    roles: StringList = []
    claims_to_roles: list[ClaimMapping] = []
    search_as_roles: StringList = []
    suggested_reviewers: StringList = []
    thresholds: list[AccessReviewThreshold] = []
    annotations: LabelSelector = {}
    max_duration: Duration | None = None
    reason: AccessRequestReason | None = None
    kubernetes_resources: list[RequestKubernetesResource] = []


class AccessReviewConditions(Model):
    roles: StringList = []
    claims_to_roles: list[ClaimMapping] = []
    preview_as_roles: StringList = []
    where: str = ""


class SessionJoinPolicy(Model):
    """Who may join sessions started by holders of `roles`."""

    name: str = ""
    roles: StringList = []
    kinds: StringList = []
    modes: StringList = []


class SessionRequirePolicy(Model):
    """Who must be present in this user's sessions; `on_leave` empty means terminate."""

    name: str = ""
    filter: str = ""
    kinds: StringList = []
    modes: StringList = []
    count: int = 0
    on_leave: str = ""


class Rule(Model):
    """Verbs on kinds of resources."""

    resources: StringList = []
    verbs: StringList = []
    where: str = ""
    actions: StringList = []


class SPIFFECondition(Model):
    path: str
    dns_sans: StringList = []
    ip_sans: StringList = []


class AccountAssignment(Model):
    permission_set: str = ""
    account: str = ""


class GitHubPermission(Model):
    orgs: StringList = []


class MCPPermissions(Model):
    tools: StringList = []


class RoleConditions(Model):
    """One side of a role. Empty means nothing, except for `namespaces` (default `[default]`) and `schedule` (always).

    Outside its schedule a side says nothing. A deny that has a schedule and nothing else denies every resource then.
    """

    namespaces: StringList = []
    schedule: Schedule = []
    logins: StringList = []
    node_labels: LabelSelector = {}
    node_labels_expression: str = ""
    cluster_labels: LabelSelector = {}
    cluster_labels_expression: str = ""
    kubernetes_groups: StringList = []
    kubernetes_users: StringList = []
    kubernetes_labels: LabelSelector = {}
    kubernetes_labels_expression: str = ""
    kubernetes_resources: list[KubernetesResource] = []
    db_labels: LabelSelector = {}
    db_labels_expression: str = ""
    db_users: StringList = []
    db_names: StringList = []
    db_roles: StringList = []
    db_permissions: list[DatabasePermission] = []
    db_service_labels: LabelSelector = {}
    db_service_labels_expression: str = ""
    app_labels: LabelSelector = {}
    app_labels_expression: str = ""
    aws_role_arns: StringList = []
    azure_identities: StringList = []
    gcp_service_accounts: StringList = []
    windows_desktop_labels: LabelSelector = {}
    windows_desktop_labels_expression: str = ""
    windows_desktop_logins: StringList = []
    desktop_groups: StringList = []
    host_groups: StringList = []
    host_sudoers: StringList = []
    group_labels: LabelSelector = {}
    group_labels_expression: str = ""
    impersonate: ImpersonateConditions | None = None
    request: AccessRequestConditions | None = None
    review_requests: AccessReviewConditions | None = None
    join_sessions: list[SessionJoinPolicy] = []
    require_session_join: list[SessionRequirePolicy] = []
    rules: list[Rule] = []
    spiffe: list[SPIFFECondition] = []
    workload_identity_labels: LabelSelector = {}
    workload_identity_labels_expression: str = ""
    account_assignments: list[AccountAssignment] = []
    github_permissions: list[GitHubPermission] = []
    mcp: MCPPermissions | None = None

    @property
    def is_schedule_alone(self) -> bool:
        """Whether nothing is said but when."""
        plain = msgspec.structs.replace(self, schedule=[], namespaces=[])
        return bool(self.schedule) and plain == RoleConditions()

    def selector(self, name: str) -> LabelSelector:
        """The selector of one of LABEL_SELECTORS, as written."""
        found: LabelSelector = getattr(self, f"{name}_labels")
        return found

    def expression(self, name: str) -> str:
        """The label expression of one of LABEL_SELECTORS, as written."""
        found: str = getattr(self, f"{name}_labels_expression")
        return found


LABEL_SELECTORS = (
    "node",
    "cluster",
    "kubernetes",
    "db",
    "db_service",
    "app",
    "windows_desktop",
    "group",
    "workload_identity",
)
