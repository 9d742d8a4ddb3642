"""The role that everybody has: what anyone with a certificate may list and read, before labels narrow it."""

from __future__ import annotations

from functools import lru_cache

from teleport.model.resource import Metadata
from teleport.model.resources.role import Role, RoleSpec
from teleport.model.resources.role_conditions import RoleConditions, Rule
from teleport.model.resources.role_options import RecordSession, RoleOptions

NAME = "default-implicit-role"

_READ = (
    "node",
    "proxy",
    "auth_server",
    "tunnel",
    "cluster_auth_preference",
    "cluster_name",
    "ssh_session",
    "app_server",
    "remote_cluster",
    "kube_server",
    "db_server",
    "db",
    "app",
    "windows_desktop_service",
    "windows_desktop",
    "kube_cluster",
    "saml_idp_service_provider",
    "user_group",
    "vnet_config",
    "spiffe_federation",
)


@lru_cache(maxsize=1)
def implicit_role() -> Role:
    """Shared: do not change it."""
    rules = [Rule(resources=[kind], verbs=["list", "read"]) for kind in _READ]
    rules.append(Rule(resources=["cert_authority"], verbs=["list", "readnosecrets"]))
    rules.append(Rule(resources=["usage_event"], verbs=["create"]))
    return Role(
        metadata=Metadata(name=NAME),
        spec=RoleSpec(
            options=RoleOptions(port_forwarding=False, record_session=RecordSession(desktop=False)),
            allow=RoleConditions(rules=rules),
        ),
    )
