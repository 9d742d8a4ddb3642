"""The roles that every cluster has from its first start, and the implicit role of every user.

Existing presets are not overwritten; `default_rules` says what an upgrade may add to them.
"""

from __future__ import annotations

from collections.abc import Iterable

from teleport.model.labels import ORIGIN, PRESET, RESOURCE_TYPE, SYSTEM
from teleport.model.resource import Metadata
from teleport.model.resources.role import IMPLICIT_ROLE, Role, RoleSpec
from teleport.model.resources.role_conditions import (
    AccessRequestConditions,
    AccessReviewConditions,
    KubernetesResource,
    RoleConditions,
    Rule,
)
from teleport.model.resources.role_options import IdPOptions, IdPSAMLOptions, RecordSession, RoleOptions
from teleport.model.values import Duration, LabelSelector

READ = ["list", "read"]
WRITE = ["list", "create", "read", "update", "delete"]
NO_LOGIN = "no-login"
_SESSION_TTL = Duration(hours=30)

_EDITED = (
    "user", "role", "bot", "crown_jewel", "db_object_import_rule", "oidc", "saml", "github", "oidc_request",
    "saml_request", "github_request", "cluster_audit_config", "cluster_auth_preference", "auth_connector",
    "cluster_name", "cluster_networking_config", "session_recording_config", "external_audit_storage", "ui_config",
    "trusted_cluster", "remote_cluster", "token", "connection_diagnostic", "db", "database_certificate", "installer",
    "login_rule", "saml_idp_service_provider", "user_group", "plugin", "okta_import_rule", "okta_assignment", "lock",
    "billing", "cluster_alert", "access_list", "node", "discovery_config", "access_graph", "server_info",
    "access_monitoring_rule", "app_server", "vnet_config", "bot_instance", "access_graph_settings",
    "spiffe_federation", "notification", "static_host_user", "user_task",
)  # fmt: skip
_IMPLICIT = (
    "node", "proxy", "auth_server", "tunnel", "cluster_auth_preference", "cluster_name", "ssh_session", "app_server",
    "remote_cluster", "kube_server", "db_server", "db", "app", "windows_desktop_service", "windows_desktop",
    "kube_cluster", "saml_idp_service_provider", "user_group", "vnet_config", "spiffe_federation",
)  # fmt: skip
_PROVISIONED = (
    "app", "cluster_auth_preference", "cluster_networking_config", "cluster_maintenance_config", "db", "device",
    "github", "login_rule", "oidc", "okta_import_rule", "role", "saml", "session_recording_config", "token",
    "trusted_cluster", "user", "bot", "installer", "access_list", "node", "access_monitoring_rule",
    "static_host_user", "kube_cluster", "dynamic_windows_desktop", "integration", "discovery_config",
    "workload_identity",
)  # fmt: skip


def _every() -> LabelSelector:
    return {"*": ["*"]}


def _rules(resources: Iterable[str], verbs: list[str]) -> list[Rule]:
    return [Rule(resources=[resource], verbs=list(verbs)) for resource in resources]


def _preset(
    name: str,
    description: str,
    *,
    options: RoleOptions | None = None,
    allow: RoleConditions | None = None,
    resource_type: str = PRESET,
) -> Role:
    metadata = Metadata(
        name=name, namespace="default", description=description, labels={RESOURCE_TYPE: resource_type}
    )
    spec = RoleSpec(options=options or RoleOptions(), allow=allow or RoleConditions())
    role = Role(metadata=metadata, spec=spec)
    role.check()
    return role


def editor() -> Role:
    """Everything about the cluster's settings, nothing about reaching its resources."""
    allow = RoleConditions(
        namespaces=["default"],
        rules=[
            *_rules(_EDITED, WRITE),
            Rule(resources=["device"], verbs=[*WRITE, "create_enroll_token", "enroll"]),
            *_rules(("integration", "security_report", "audit_query"), [*WRITE, "use"]),
            *_rules(("db_service", "instance"), READ),
        ],
    )
    options = RoleOptions(
        max_session_ttl=_SESSION_TTL,
        forward_agent=True,
        port_forwarding=True,
        enhanced_recording=["command", "network"],
        record_session=RecordSession(desktop=False),
    )
    return _preset("editor", "Edit cluster configuration", options=options, allow=allow)


def access() -> Role:
    """Every resource, as far as the user's own traits go."""
    allow = RoleConditions(
        namespaces=["default"],
        logins=["{{internal.logins}}"],
        node_labels=_every(),
        app_labels=_every(),
        kubernetes_labels=_every(),
        kubernetes_groups=["{{internal.kubernetes_groups}}"],
        kubernetes_users=["{{internal.kubernetes_users}}"],
        kubernetes_resources=[KubernetesResource(kind="*", name="*", namespace="*", verbs=["*"])],
        windows_desktop_labels=_every(),
        windows_desktop_logins=["{{internal.windows_logins}}"],
        db_labels=_every(),
        db_service_labels=_every(),
        db_users=["{{internal.db_users}}"],
        db_names=["{{internal.db_names}}"],
        db_roles=["{{internal.db_roles}}"],
        aws_role_arns=["{{internal.aws_role_arns}}"],
        azure_identities=["{{internal.azure_identities}}"],
        gcp_service_accounts=["{{internal.gcp_service_accounts}}"],
        rules=[
            *_rules(("event",), READ),
            Rule(
                resources=["session"],
                verbs=["read", "list"],
                where="contains(session.participants, user.metadata.name)",
            ),
            *_rules(("instance", "cluster_maintenance_config"), READ),
        ],
    )
    options = RoleOptions(
        max_session_ttl=_SESSION_TTL,
        forward_agent=True,
        port_forwarding=True,
        enhanced_recording=["command", "network"],
        record_session=RecordSession(desktop=True),
    )
    return _preset("access", "Access cluster resources", options=options, allow=allow)


def auditor(no_login: str) -> Role:
    """What happened. `no_login` makes the placeholder login `no-login-<uuid>`; the caller draws it."""
    allow = RoleConditions(
        namespaces=["default"],
        logins=[f"{NO_LOGIN}-{no_login}"],
        rules=[
            *_rules(
                (
                    "session", "event", "session_tracker", "cluster_alert", "instance", "bot_instance",
                    "notification",
                ),
                READ,
            ),
            *_rules(("security_report", "audit_query"), [*READ, "use"]),
        ],
    )  # fmt: skip
    options = RoleOptions(max_session_ttl=_SESSION_TTL)
    return _preset("auditor", "Review cluster events and replay sessions", options=options, allow=allow)


def _for_requests() -> list[Role]:
    asked = ["access", "group-access"]
    review = AccessReviewConditions(roles=list(asked), preview_as_roles=list(asked))
    return [
        _preset("reviewer", "Review access requests", allow=RoleConditions(review_requests=review)),
        _preset(
            "requester",
            "Request access to resources",
            allow=RoleConditions(request=AccessRequestConditions(search_as_roles=list(asked))),
        ),
        _preset(
            "group-access",
            "Have access to all user groups",
            allow=RoleConditions(group_labels=_every(), rules=_rules(("user_group",), READ)),
        ),
        _preset(
            "list-access-request-resources",
            "List resources of access requests",
            allow=RoleConditions(
                node_labels=_every(),
                app_labels=_every(),
                db_labels=_every(),
                kubernetes_labels=_every(),
                windows_desktop_labels=_every(),
                group_labels=_every(),
            ),
        ),
        _preset(
            "access-plugin",
            "Default access plugin role",
            allow=RoleConditions(
                rules=[
                    Rule(resources=["access_request"], verbs=["list", "read"]),
                    Rule(resources=["access_plugin_data"], verbs=["update"]),
                ],
                review_requests=AccessReviewConditions(preview_as_roles=["list-access-request-resources"]),
            ),
        ),
        _preset(
            "@teleport-access-approver",
            "Approves access requests automatically",
            allow=RoleConditions(review_requests=AccessReviewConditions(roles=["*"])),
            resource_type=SYSTEM,
        ),
    ]


def _for_devices() -> list[Role]:
    required = RoleConditions(
        logins=["{{internal.logins}}"],
        node_labels=_every(),
        app_labels=_every(),
        kubernetes_labels=_every(),
        kubernetes_groups=["{{internal.kubernetes_groups}}", "system:masters", "developers", "viewers"],
        kubernetes_resources=[KubernetesResource(kind="*", name="*", namespace="*", verbs=["*"])],
        db_labels=_every(),
        db_users=["*"],
        db_names=["*"],
    )
    managed = [*WRITE, "create_enroll_token", "enroll"]
    return [
        _preset(
            "device-admin",
            "Administer trusted devices",
            allow=RoleConditions(rules=[Rule(resources=["device"], verbs=managed)]),
        ),
        _preset(
            "device-enroll",
            "Enroll trusted devices",
            allow=RoleConditions(rules=[Rule(resources=["device"], verbs=["enroll"])]),
        ),
        _preset(
            "require-trusted-device",
            "Require trusted device to access resources",
            options=RoleOptions(device_trust_mode="required"),
            allow=required,
        ),
    ]


def terraform_provider() -> Role:
    """What infrastructure-as-code manages."""
    allow = RoleConditions(
        app_labels=_every(), db_labels=_every(), node_labels=_every(), rules=_rules(_PROVISIONED, WRITE)
    )
    return _preset("terraform-provider", "Manage resources as code", allow=allow)


def _for_okta() -> list[Role]:
    okta: LabelSelector = {ORIGIN: ["okta"]}
    return [
        _preset(
            "okta-access",
            "Access resources imported from Okta",
            allow=RoleConditions(app_labels=dict(okta), group_labels=dict(okta)),
            resource_type=SYSTEM,
        ),
        _preset(
            "okta-requester",
            "Request access to resources imported from Okta",
            allow=RoleConditions(
                request=AccessRequestConditions(search_as_roles=["okta-access"], max_duration=Duration(days=14))
            ),
        ),
    ]


def presets(no_login: str) -> list[Role]:
    """All of them, fresh copies. `no_login` is a UUID for the auditor's placeholder login."""
    return [
        editor(),
        access(),
        auditor(no_login),
        *_for_requests(),
        *_for_devices(),
        terraform_provider(),
        *_for_okta(),
    ]


def implicit() -> Role:
    """Belongs to every user and is stored nowhere. What it sets to false, another role may allow."""
    options = RoleOptions(
        port_forwarding=False,
        record_session=RecordSession(desktop=False),
        idp=IdPOptions(saml=IdPSAMLOptions(enabled=True)),
    )
    allow = RoleConditions(
        namespaces=["default"],
        rules=[
            *_rules(_IMPLICIT, READ),
            Rule(resources=["cert_authority"], verbs=["list", "readnosecrets"]),
            Rule(resources=["usage_event"], verbs=["create"]),
        ],
    )
    return _preset(IMPLICIT_ROLE, "", options=options, allow=allow, resource_type=SYSTEM)


def missing_rules(existing: Role, preset: Role) -> list[Rule]:
    """The preset's rules for resources that the existing role mentions nowhere: what an upgrade adds."""
    sides = (existing.spec.allow, existing.spec.deny)
    mentioned = {resource for side in sides for rule in side.rules for resource in rule.resources}
    if "*" in mentioned:
        return []
    return [rule for rule in preset.spec.allow.rules if not mentioned.intersection(rule.resources)]
