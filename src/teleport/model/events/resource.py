"""Events of resources that administrators create, change and delete."""

from __future__ import annotations

from typing import ClassVar

from teleport.model.events.base import ResourceEvent, variant


class RoleWritten(ResourceEvent):
    """`beyond_author`: what the role gives that its author does not hold. The reference knows no such field."""

    beyond_author: list[str] = []


class RoleCreated(RoleWritten):
    type: ClassVar[str] = "role.created"
    code: ClassVar[str] = "T9000I"


class RoleUpdated(RoleWritten):
    type: ClassVar[str] = "role.updated"
    code: ClassVar[str] = "T9002I"


class RoleDeleted(ResourceEvent):
    type: ClassVar[str] = "role.deleted"
    code: ClassVar[str] = "T9001I"


class TrustedClusterCreated(ResourceEvent):
    """Created or changed."""

    type: ClassVar[str] = "trusted_cluster.create"
    code: ClassVar[str] = "T7000I"


class TrustedClusterDeleted(ResourceEvent):
    type: ClassVar[str] = "trusted_cluster.delete"
    code: ClassVar[str] = "T7001I"


class AuthPreferenceUpdated(ResourceEvent):
    type: ClassVar[str] = "auth_preference.update"
    code: ClassVar[str] = "TCAUTH001I"


class NetworkingConfigUpdated(ResourceEvent):
    type: ClassVar[str] = "cluster_networking_config.update"
    code: ClassVar[str] = "TCNET002I"


class RecordingConfigUpdated(ResourceEvent):
    type: ClassVar[str] = "session_recording_config.update"
    code: ClassVar[str] = "TCREC003I"


def _resource(name: str, event: str, code: str) -> type[ResourceEvent]:
    return variant(ResourceEvent, name, event, code)


AccessGraphSettingsUpdated = _resource("AccessGraphSettingsUpdated", "access_graph.settings.update", "TCAGC003I")
GitHubConnectorCreated = _resource("GitHubConnectorCreated", "github.created", "T8000I")
GitHubConnectorDeleted = _resource("GitHubConnectorDeleted", "github.deleted", "T8001I")
GitHubConnectorUpdated = _resource("GitHubConnectorUpdated", "github.updated", "T80002I")
OIDCConnectorCreated = _resource("OIDCConnectorCreated", "oidc.created", "T8100I")
OIDCConnectorDeleted = _resource("OIDCConnectorDeleted", "oidc.deleted", "T8101I")
OIDCConnectorUpdated = _resource("OIDCConnectorUpdated", "oidc.updated", "T8102I")
SAMLConnectorCreated = _resource("SAMLConnectorCreated", "saml.created", "T8200I")
SAMLConnectorDeleted = _resource("SAMLConnectorDeleted", "saml.deleted", "T8201I")
SAMLConnectorUpdated = _resource("SAMLConnectorUpdated", "saml.updated", "T8202I")
LoginRuleCreated = _resource("LoginRuleCreated", "login_rule.create", "TLR00I")
LoginRuleDeleted = _resource("LoginRuleDeleted", "login_rule.delete", "TLR01I")
KubeClusterCreated = _resource("KubeClusterCreated", "kube.create", "T3010I")
KubeClusterUpdated = _resource("KubeClusterUpdated", "kube.update", "T3011I")
KubeClusterDeleted = _resource("KubeClusterDeleted", "kube.delete", "T3012I")
DatabaseCreated = _resource("DatabaseCreated", "db.create", "TDB03I")
DatabaseUpdated = _resource("DatabaseUpdated", "db.update", "TDB04I")
DatabaseDeleted = _resource("DatabaseDeleted", "db.delete", "TDB05I")
ApplicationCreated = _resource("ApplicationCreated", "app.create", "TAP03I")
ApplicationUpdated = _resource("ApplicationUpdated", "app.update", "TAP04I")
ApplicationDeleted = _resource("ApplicationDeleted", "app.delete", "TAP05I")

_SERIES = (
    ("discovery_config", "DiscoveryConfig", ("create", "update", "delete", "delete_all"), "DC{:03d}I", 1),
    ("integration", "Integration", ("create", "update", "delete"), "IG{:03d}I", 1),
    ("plugin", "Plugin", ("create", "update", "delete"), "PG{:03d}I", 1),
    ("static_host_user", "StaticHostUser", ("create", "update", "delete"), "SHU{:03d}I", 1),
    ("access_graph.crown_jewel", "CrownJewel", ("create", "update", "delete"), "CJ{:03d}I", 1),
    ("user_task", "UserTask", ("create", "update", "delete"), "UT{:03d}I", 1),
    ("auto_update_config", "AutoUpdateConfig", ("create", "update", "delete"), "AUC{:03d}I", 1),
    ("auto_update_version", "AutoUpdateVersion", ("create", "update", "delete"), "AUV{:03d}I", 1),
    ("auto_update_agent_rollout", "AutoUpdateRollout", ("trigger", "force_done", "rollback"), "AUAR{:03d}I", 1),
    ("workload_identity", "WorkloadIdentity", ("create", "update", "delete"), "WID{:03d}I", 1),
    ("workload_identity.x509_revocation", "X509Revocation", ("create", "update", "delete"), "WID{:03d}I", 4),
    ("workload_identity.x509_issuer_override", "IssuerOverride", ("create", "delete"), "WID{:03d}I", 7),
    ("contact", "Contact", ("create", "delete"), "TCTC{:03d}I", 1),
    ("health_check_config", "HealthCheckConfig", ("create", "update", "delete"), "THCC{:03d}I", 1),
    ("sigstore_policy", "SigstorePolicy", ("create", "update", "delete"), "TSSP{:03d}I", 1),
    ("vnet.config", "VnetConfig", ("create", "update", "delete"), "TVNET{:03d}I", 1),
    ("client_ip_restrictions", "ClientIPRestrictions", ("update",), "CIR{:03d}I", 1),
    ("spiffe.federation", "SPIFFEFederation", ("create", "delete"), "TSPIFFE{:03d}I", 1),
    ("external_audit_storage", "ExternalAuditStorage", ("enable", "disable"), "TEA{:03d}I", 1),
    ("upgradewindowstart", "UpgradeWindowStart", ("update",), "TUW{:02d}I", 1),
)
"""Families of one shape: prefix, class name, verbs in the order of their codes, code, first number."""

SERIES: tuple[type[ResourceEvent], ...] = tuple(
    _resource(f"{name}{verb.title().replace('_', '')}", f"{prefix}.{verb}", code.format(first + number))
    for prefix, name, verbs, code, first in _SERIES
    for number, verb in enumerate(verbs)
)
