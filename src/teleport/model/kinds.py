"""Every kind on one page. A class is loaded when first asked for, so a short command loads only what it needs."""

from __future__ import annotations

import importlib
from typing import Literal

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Resource

Scope = Literal["cluster", "host", "internal"]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done with a kind by name, as `tctl get|create|rm` sees it.

    `scope`: cluster (administrators write it), host (heartbeats of agents), internal (the system's own).
    `creatable`: create, update and delete by administrators. `secret`: never leaves auth through the resource API.
    `instead`: what to do where they would create one.
    """

    name: str
    module: str
    struct: str
    aliases: tuple[str, ...] = ()
    scope: Scope = "cluster"
    listable: bool = True
    creatable: bool = True
    instead: str = ""
    secret: bool = False

    @property
    def type(self) -> type[Resource]:
        """The struct class."""
        loaded: type[Resource] = getattr(
            importlib.import_module(f"teleport.model.resources.{self.module}"), self.struct
        )
        return loaded

    @property
    def singleton(self) -> str:
        """The fixed name of a kind that exists once, else empty."""
        return self.type.SINGLETON


class ResourceRef(msgspec.Struct, frozen=True):
    """`kind`, `kind/name` or `kind/sub_kind/name`; an empty name means all of the kind."""

    kind: Kind
    name: str = ""
    sub_kind: str = ""

    @property
    def key(self) -> str:
        """The key inside the kind: `name`, or `sub_kind/name` where the kind's keys have two parts."""
        return f"{self.sub_kind}/{self.name}" if self.sub_kind and self.kind.type.KEY_HAS_PREFIX else self.name


def _kind(path: str, *aliases: str, name: str = "", creatable: bool = True, instead: str = "") -> Kind:
    module, struct = path.split(":")
    return Kind(
        name=name or module,
        module=module,
        struct=struct,
        aliases=aliases,
        creatable=creatable and not instead,
        instead=instead,
    )


def _singleton(path: str, name: str, *aliases: str, creatable: bool = True) -> Kind:
    return _kind(path, *aliases, name=name, creatable=creatable)


def _hidden(path: str, name: str, *, secret: bool = False, listable: bool = False) -> Kind:
    module, struct = path.split(":")
    return Kind(
        name=name, module=module, struct=struct, scope="internal", listable=listable, creatable=False, secret=secret
    )


def _host(path: str, name: str, *aliases: str, creatable: bool = False) -> Kind:
    module, struct = path.split(":")
    return Kind(name=name, module=module, struct=struct, aliases=aliases, scope="host", creatable=creatable)


_ALL = (
    # people and what they may do
    _kind("user:User", "users"),
    _kind("role:Role", "roles"),
    _kind("bot:Bot", "bots"),
    _kind("bot:BotInstance", "bot_instances", name="bot_instance", creatable=False),
    _kind("token:Token", "tokens"),
    _singleton("token:StaticTokens", "static_tokens", creatable=False),
    _kind("lock:Lock", "locks"),
    _kind(
        "access_request:AccessRequest",
        "accessrequest",
        "accessrequests",
        "access_requests",
        instead="ask with `tsh request create` or `tctl requests create`",
    ),
    _kind("access_list:AccessList", "accesslist", "accesslists", "access_lists"),
    _kind("access_list:AccessListMember", "access_list_members", name="access_list_member"),
    _kind(
        "access_list:AccessListReview",
        "access_list_reviews",
        name="access_list_review",
        instead="give it with `tctl acl reviews create`",
    ),
    _kind("access_monitoring_rule:AccessMonitoringRule", "access_monitoring_rules"),
    _kind("login_rule:LoginRule", "login_rules"),
    _kind("device:Device", "devices"),
    # the cluster
    _singleton(
        "cluster_auth_preference:ClusterAuthPreference",
        "cluster_auth_preference",
        "cap",
        "cluster_auth_preferences",
        "cluster_authentication_preferences",
    ),
    _singleton(
        "cluster_networking_config:ClusterNetworkingConfig",
        "cluster_networking_config",
        "networking",
        "networking_config",
        "net_config",
        "netconfig",
    ),
    _singleton(
        "session_recording_config:SessionRecordingConfig",
        "session_recording_config",
        "recording_config",
        "session_recording",
        "rec_config",
        "recconfig",
    ),
    _singleton("cluster_settings:ClusterAuditConfig", "cluster_audit_config", creatable=False),
    _singleton("cluster_settings:ClusterName", "cluster_name", creatable=False),
    _singleton("cluster_settings:UIConfig", "ui_config", "ui"),
    _singleton("cluster_settings:ClusterMaintenanceConfig", "cluster_maintenance_config", "cmc"),
    _singleton("cluster_settings:AutoUpdateConfig", "autoupdate_config"),
    _singleton("cluster_settings:AutoUpdateVersion", "autoupdate_version"),
    _singleton("cluster_settings:AutoUpdateAgentRollout", "autoupdate_agent_rollout", creatable=False),
    _singleton("cluster_settings:VnetConfig", "vnet_config"),
    _singleton("cluster_settings:NetworkRestrictions", "network_restrictions"),
    _singleton("cluster_settings:AccessGraphSettings", "access_graph_settings", "ags"),
    _kind("cert_authority:CertAuthority", "cas", "cert_authorities", creatable=False),
    _kind("trusted_cluster:TrustedCluster", "tc", "cluster", "clusters", "trusted_clusters"),
    _kind("trusted_cluster:RemoteCluster", "rc", "rcs", "remote_clusters", name="remote_cluster"),
    _kind("cluster_alert:ClusterAlert", "cluster_alerts", instead="make it with `tctl alerts create`"),
    _kind("installer:Installer", "installers"),
    _kind("installer:ServerInfo", "server_infos", name="server_info"),
    # single sign-on
    _kind("github_connector:GitHubConnector", name="github"),
    _kind("oidc_connector:OIDCConnector", name="oidc"),
    _kind("saml_connector:SAMLConnector", name="saml"),
    _kind("saml_idp_service_provider:SAMLIdPServiceProvider", "saml_sp", "saml_sps"),
    # what is reached
    _host("node:Node", "node", "nodes", creatable=True),
    _kind("kube_cluster:KubeCluster", "kube_clusters"),
    _host("kube_cluster:KubeServer", "kube_server", "kube_servers"),
    _kind("database:Database", name="db"),
    _host("database:DatabaseServer", "db_server", "db_servers"),
    _host("database:DatabaseService", "db_service", "db_services"),
    _kind("application:Application", "apps", name="app"),
    _host("application:ApplicationServer", "app_server", "app_servers"),
    _kind("windows_desktop:WindowsDesktop", "win_desktop", "windows_desktops"),
    _kind("windows_desktop:DynamicWindowsDesktop", "dynamic_windows_desktops", name="dynamic_windows_desktop"),
    _kind("windows_desktop:LinuxDesktop", "linux_desktops", name="linux_desktop"),
    _host(
        "windows_desktop:WindowsDesktopService",
        "windows_desktop_service",
        "windows_service",
        "win_service",
        "win_desktop_service",
        "windows_desktop_services",
    ),
    _kind("user_group:UserGroup", "user_groups", "usergroup", "usergroups", creatable=False),
    _kind("git_server:GitServer", "git_servers"),
    _host("service_heartbeats:AuthServer", "auth_server", "auth", "auth_servers"),
    _host("service_heartbeats:ProxyServer", "proxy", "proxies"),
    _kind("service_heartbeats:ReverseTunnel", "rts", "reverse_tunnels", name="tunnel"),
    _hidden("service_heartbeats:TunnelConnection", "tunnel_connection"),
    _hidden("service_heartbeats:Instance", "instance", listable=True),
    # found and made elsewhere
    _kind("discovery_config:DiscoveryConfig", "discovery_configs", "discoveryconfig", "discoveryconfigs"),
    _kind("integration:Integration", "integrations"),
    _kind("integration:Plugin", "plugins", name="plugin"),
    _kind("okta:OktaImportRule", "okta_import_rules", "oktaimportrule", "oktaimportrules", name="okta_import_rule"),
    _kind("okta:OktaAssignment", "oktaassignment", "oktaassignments", name="okta_assignment", creatable=False),
    _kind("static_host_user:StaticHostUser", "host_user", "host_users", "static_host_users"),
    _kind(
        "database_objects:DatabaseObjectImportRule",
        "db_object_import_rules",
        "database_object_import_rule",
        name="db_object_import_rule",
    ),
    _kind("database_objects:DatabaseObject", "db_objects", name="db_object", creatable=False),
    _kind("workload_identity:WorkloadIdentity", "workload_identities", "workloadidentity"),
    _kind("workload_identity:X509Revocation", name="workload_identity_x509_revocation"),
    _kind("workload_identity:SPIFFEFederation", "spiffe_federations", name="spiffe_federation"),
    _kind("reports:AuditQuery", name="audit_query"),
    _kind("reports:SecurityReport", name="security_report"),
    _kind("reports:CrownJewel", "crown_jewels", name="crown_jewel"),
    _kind("reports:HealthCheckConfig", "health_check_configs", name="health_check_config"),
    _kind("reports:UserTask", "user_tasks", name="user_task"),
    _kind("semaphore:Semaphore", "sem", "sems", "semaphores", creatable=False),
    # the system's own
    _hidden("session_tracker:SessionTracker", "session_tracker", listable=True),
    _hidden("headless_authentication:HeadlessAuthentication", "headless_authentication"),
    _hidden("user_secrets:UserSecrets", "user_secrets", secret=True),
    _hidden("user_secrets:LoginAttempts", "login_attempts"),
    _hidden("user_login_state:UserLoginState", "user_login_state", listable=True),
    _hidden("cluster_alert:AlertAcknowledgement", "cluster_alert_ack"),
    _hidden("webhook:WebhookDelivery", "webhook_delivery", secret=True),
    _hidden("webhook:WebhookReceipt", "webhook_receipt", secret=True),
    _hidden("user_token:UserToken", "user_token", secret=True),
    _hidden("web_session:WebSession", "web_session", secret=True),
    _hidden("cert_authority:CASecrets", "ca_secrets", secret=True),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}

CONNECTORS = ("oidc", "saml", "github")
"""What the names `connector` and `connectors` stand for together."""

RBAC_ONLY = frozenset(
    {
        "session", "ssh_session", "event", "usage_event", "jwt", "host_cert", "database_certificate",
        "connection_diagnostic", "billing", "download", "access_plugin_data", "oidc_request", "saml_request",
        "github_request", "access_graph",
        "auth_connector", "cluster_config", "notification", "external_audit_storage",
    }
)  # fmt: skip
"""Words that only `rules` of roles use besides the kinds."""

RULE_VERBS = (
    "list", "read", "readnosecrets", "create", "update", "delete", "rotate", "use", "enroll", "create_enroll_token",
)  # fmt: skip
"""What `rules` of roles let somebody do."""

_NAMES: dict[str, Kind] = {word: kind for kind in _ALL for word in (kind.name, *kind.aliases)}


def kind_named(text: str) -> Kind:
    """By name or alias, whatever the case. Raises BadParameter naming it."""
    found = _NAMES.get(text.strip().lower())
    if found is None:
        raise BadParameter(
            f"kind {text[:80]!r} is not known; a resource is named as type/name, for example role/access"
        )
    return found


def action_on(verb: str, text: str) -> str:
    """The word for the kind in `rules` of roles. Raises BadParameter for a verb or a kind that no rule could name."""
    if verb not in RULE_VERBS:
        raise BadParameter(f"verb {verb[:80]!r} is not known, expected one of {', '.join(RULE_VERBS)}")
    word = text.strip().lower()
    return word if word in RBAC_ONLY else kind_named(word).name


def parse_ref(text: str) -> ResourceRef:
    """`kind`, `kind/name`, `kind/sub_kind/name`; slash, space and tab separate. Raises BadParameter."""
    parts = [part for part in text.replace("\t", "/").replace(" ", "/").split("/", 2) if part]
    if not parts:
        raise BadParameter("a resource is named as type/name, for example role/access; nothing was given")
    kind = kind_named(parts[0])
    if len(parts) == 1:
        return ResourceRef(kind)
    if len(parts) == 2:
        return ResourceRef(kind, name=parts[1])
    return ResourceRef(kind, name=parts[2], sub_kind=parts[1])


def parse_refs(text: str) -> list[ResourceRef]:
    """A comma list of references; a comma inside a name is written `\\,`. `connectors` names three kinds.

    Raises BadParameter.
    """
    refs: list[ResourceRef] = []
    for part in _split_commas(text):
        head, slash, name = part.strip().partition("/")
        if head.strip().lower() in ("connector", "connectors"):
            refs.extend(ResourceRef(KINDS[kind], name=name if slash else "") for kind in CONNECTORS)
        else:
            refs.append(parse_ref(part.strip()))
    return refs


def _split_commas(text: str) -> list[str]:
    parts, current, escaped = [], "", False
    for character in text:
        if escaped:
            current += character if character == "," else "\\" + character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            parts.append(current)
            current = ""
        else:
            current += character
    parts.append(current + ("\\" if escaped else ""))
    return parts
