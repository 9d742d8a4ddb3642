"""What is enforced of all that a role can say. A restriction that is set and that nothing enforces refuses access.

ENFORCED: this floor decides it. ELSEWHERE: whoever runs the session enforces it from RoleSet.options. GRANT: gives
more when it is built, so until then it is simply not given. NOT_YET: a restriction that nothing enforces for the
kinds that its `restricts` speaks of.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from teleport.model.resources.role import Role
from teleport.policy.role_set import RoleSet


class State(StrEnum):
    ENFORCED = "enforced"
    ELSEWHERE = "decided elsewhere"
    GRANT = "grant"
    NOT_YET = "not yet"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """`restricts` tells, for NOT_YET, the restriction a role sets on a kind of resource, or the empty text."""

    state: State
    restricts: Callable[[Role, str], str] = lambda _role, _kind: ""


def _kubernetes_connections(role: Role, kind: str) -> str:
    limit = role.spec.options.max_kubernetes_connections
    return str(limit) if kind in ("kube_cluster", "kube_server") and limit > 0 else ""


_SESSION_KINDS = {"kube_cluster": "k8s", "kube_server": "k8s"}  # the SSH engine enforces it on nodes


def _moderators(role: Role, kind: str) -> str:
    asked = _SESSION_KINDS.get(kind, "")
    if not asked or not role.moderates_sessions:
        return ""
    return ", ".join(
        policy.name or "unnamed"
        for policy in role.spec.allow.require_session_join
        if not policy.kinds or asked in policy.kinds or "*" in policy.kinds
    )


_ENFORCED = Entry(state=State.ENFORCED)
_ELSEWHERE = Entry(state=State.ELSEWHERE)
_GRANT = Entry(state=State.GRANT)

TABLE: dict[str, Entry] = {
    "options.max_session_ttl": _ENFORCED,
    "options.forward_agent": _GRANT,
    "options.port_forwarding": _ELSEWHERE,
    "options.ssh_port_forwarding": _ELSEWHERE,
    "options.ssh_file_copy": _ELSEWHERE,
    "options.file_rules": _ELSEWHERE,
    "options.command_rules": _ELSEWHERE,
    "options.client_idle_timeout": _ELSEWHERE,
    "options.disconnect_expired_cert": _ELSEWHERE,
    "options.max_sessions": _ELSEWHERE,
    "options.max_connections": _ELSEWHERE,
    "options.max_kubernetes_connections": Entry(state=State.NOT_YET, restricts=_kubernetes_connections),
    "options.enhanced_recording": _ELSEWHERE,  # takes effect only where an agent offers it
    "options.permit_x11_forwarding": _GRANT,
    "options.cert_format": _ENFORCED,
    "options.cert_extensions": _GRANT,
    "options.lock": _ENFORCED,
    "options.request_access": _GRANT,  # says when the client asks for more
    "options.request_prompt": _GRANT,
    "options.require_session_mfa": _ENFORCED,
    "options.mfa_verification_interval": _ELSEWHERE,
    "options.device_trust_mode": _ENFORCED,
    "options.record_session": _ELSEWHERE,
    "options.desktop_clipboard": _ELSEWHERE,
    "options.desktop_directory_sharing": _ELSEWHERE,
    "options.create_desktop_user": _GRANT,
    "options.create_host_user_mode": _GRANT,
    "options.create_host_user": _GRANT,
    "options.create_host_user_default_shell": _GRANT,
    "options.create_db_user": _GRANT,
    "options.create_db_user_mode": _GRANT,
    "options.pin_source_ip": _ENFORCED,
    "options.idp": _ELSEWHERE,
    "namespaces": _ENFORCED,
    "schedule": _ENFORCED,
    "logins": _ENFORCED,
    "node_labels": _ENFORCED,
    "node_labels_expression": _ENFORCED,
    "cluster_labels": _ENFORCED,
    "cluster_labels_expression": _ENFORCED,
    "kubernetes_groups": _ENFORCED,
    "kubernetes_users": _ENFORCED,
    "kubernetes_labels": _ENFORCED,
    "kubernetes_labels_expression": _ENFORCED,
    "kubernetes_resources": _ENFORCED,
    "db_labels": _ENFORCED,
    "db_labels_expression": _ENFORCED,
    "db_users": _ENFORCED,
    "db_names": _ENFORCED,
    "db_roles": _ENFORCED,
    "db_permissions": _GRANT,
    "db_service_labels": _ENFORCED,
    "db_service_labels_expression": _ENFORCED,
    "app_labels": _ENFORCED,
    "app_labels_expression": _ENFORCED,
    "aws_role_arns": _ENFORCED,
    "azure_identities": _ENFORCED,
    "gcp_service_accounts": _ENFORCED,
    "windows_desktop_labels": _ENFORCED,
    "windows_desktop_labels_expression": _ENFORCED,
    "windows_desktop_logins": _ENFORCED,
    "desktop_groups": _GRANT,
    "host_groups": _GRANT,
    "host_sudoers": _GRANT,
    "group_labels": _ENFORCED,
    "group_labels_expression": _ENFORCED,
    "impersonate": _GRANT,
    "request": _GRANT,
    "review_requests": _GRANT,
    "join_sessions": _GRANT,
    "require_session_join": Entry(state=State.NOT_YET, restricts=_moderators),
    "rules": _ENFORCED,
    "spiffe": _GRANT,
    "workload_identity_labels": _ENFORCED,
    "workload_identity_labels_expression": _ENFORCED,
    "account_assignments": _GRANT,
    "github_permissions": _GRANT,
    "mcp": _GRANT,
}
_RESTRICTIONS = tuple((path, entry) for path, entry in TABLE.items() if entry.state is State.NOT_YET)


def unenforced(role_set: RoleSet, kind: str = "node") -> list[str]:
    """The restrictions that roles set on this kind and that nobody enforces: `options.max_kubernetes_connections 3
    (role "dev")`.
    """
    found: list[str] = role_set.kept(("restrictions", kind), lambda: _restrictions(role_set, kind))
    return found


def _restrictions(role_set: RoleSet, kind: str) -> list[str]:
    found: list[str] = []
    for path, entry in _RESTRICTIONS:
        for role in role_set.given:
            value = entry.restricts(role, kind)
            if value:
                found.append(f'{path} {value} (role "{role.name}")')
    return found
