"""What hosts may do on the API: fixed duties by system role, as narrow as their work. Nothing here comes from roles.

OWN means: only with what belongs to that host (its own heartbeat, the recording of a session it ran, an event it
emits). No agent reads recordings, events or other agents; none writes for another.
"""

from __future__ import annotations

from collections.abc import Iterable

from teleport.model.identity import Identity
from teleport.policy.actions import NOTHING, ActionContext
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.patterns import WILDCARD

_READ = ("list", "read", "readnosecrets")
_PUBLIC_READ = ("list", "readnosecrets")
_KEEP = ("create", "read", "update", "delete")
OWN = "own:"

Duties = dict[str, frozenset[str]]


def _own(*verbs: str) -> tuple[str, ...]:
    return tuple(OWN + verb for verb in verbs)


def _duties(*tables: dict[str, tuple[str, ...]]) -> Duties:
    merged: dict[str, set[str]] = {}
    for table in tables:
        for kind, verbs in table.items():
            merged.setdefault(kind, set()).update(verbs)
    return {kind: frozenset(verbs) for kind, verbs in merged.items()}


# what every service needs to decide by itself and to tell what happened
_EVERY_SERVICE = {
    "cert_authority": _PUBLIC_READ,
    "cluster_name": _READ,
    "cluster_auth_preference": _READ,
    "cluster_networking_config": _READ,
    "session_recording_config": _READ,
    "cluster_audit_config": _READ,
    "network_restrictions": _READ,
    "role": _READ,
    "user": _READ,  # its secrets are another kind
    "lock": _READ,
    "user_login_state": _READ,  # what access lists took back
    "proxy": _READ,
    "auth_server": _READ,
    "instance": _own(*_KEEP),
    "event": _own("create"),
    "session": _own("create", "update"),
    "session_tracker": _own(*_KEEP),
    "semaphore": (*_READ, "create", "update", "delete"),
    "host_cert": _own("create"),
}
_NODE = {"node": _own("list", *_KEEP), "static_host_user": _READ}
_APPLICATIONS = {"app": _READ, "app_server": _own(*_KEEP)}
_DATABASES = {"db": _READ, "db_server": _own(*_KEEP), "db_service": _own(*_KEEP), "database_certificate": ("create",)}
_KUBERNETES = {"kube_cluster": _READ, "kube_server": _own(*_KEEP)}
_DESKTOPS = {"windows_desktop": (*_READ, *_own(*_KEEP)), "windows_desktop_service": _own(*_KEEP)}
_PROXY = {
    "proxy": _own(*_KEEP),
    "node": _READ,
    "app": _READ,
    "app_server": _READ,
    "db": _READ,
    "db_server": _READ,
    "db_service": _READ,
    "kube_cluster": _READ,
    "kube_server": _READ,
    "windows_desktop": _READ,
    "windows_desktop_service": _READ,
    "user_group": _READ,
    "remote_cluster": _READ,
    "tunnel": _READ,
    "tunnel_connection": (*_READ, *_own("create", "update", "delete")),
    "web_session": ("create", "read", "update", "delete"),
    "ui_config": _READ,
    "vnet_config": _READ,
    "cluster_alert": _READ,
    "github": _PUBLIC_READ,
    "oidc": _PUBLIC_READ,
    "saml": _PUBLIC_READ,
    "saml_idp_service_provider": _READ,
    "session_tracker": _READ,
}

DUTIES: dict[str, Duties] = {
    "Node": _duties(_EVERY_SERVICE, _NODE),
    "App": _duties(_EVERY_SERVICE, _APPLICATIONS),
    "Db": _duties(_EVERY_SERVICE, _DATABASES),
    "Kube": _duties(_EVERY_SERVICE, _KUBERNETES),
    "WindowsDesktop": _duties(_EVERY_SERVICE, _DESKTOPS),
    "Proxy": _duties(_EVERY_SERVICE, _PROXY),
    "Instance": _duties(
        {
            "instance": _own(*_KEEP),
            "cert_authority": _PUBLIC_READ,
            "cluster_name": _READ,
            "cluster_maintenance_config": _READ,
            "autoupdate_agent_rollout": _READ,
            "lock": _READ,
            "event": _own("create"),
        }
    ),
    # a bot acts as its user, by roles; its host identity only renews itself
    "Bot": {},
    "Auth": {WILDCARD: frozenset({WILDCARD})},
    "Admin": {WILDCARD: frozenset({WILDCARD})},
}


def may(identity: Identity, verb: str, kind: str, context: ActionContext = NOTHING) -> Decision:
    """By the system roles of the certificate. OWN is judged by `context.host_id`, or by the resource's owner."""
    roles = _roles(identity)
    is_own_missing = False
    for role in roles:
        duties = DUTIES.get(role, {})
        if WILDCARD in duties:
            return _answer(True, Code.ALLOWED_BY_SYSTEM_ROLE, role, verb, kind)
        verbs = duties.get(kind, frozenset())
        if verb in verbs:
            return _answer(True, Code.ALLOWED_BY_SYSTEM_ROLE, role, verb, kind)
        if OWN + verb in verbs:
            if _is_own(identity, kind, context):
                return _answer(True, Code.ALLOWED_BY_SYSTEM_ROLE, role, verb, kind)
            is_own_missing = True
    code = Code.NOT_OWN if is_own_missing else Code.SYSTEM_ROLE_FORBIDS
    return _answer(False, code, ", ".join(roles) or "none", verb, kind)


def _roles(identity: Identity) -> tuple[str, ...]:
    """An instance certificate may stand for several services of one process."""
    if identity.system_role == "Instance":
        # never the powers of auth or of the administrator by way of a list
        more: Iterable[str] = (role for role in identity.system_roles if role not in ("Auth", "Admin"))
        return ("Instance", *more)
    return (identity.system_role,) if identity.system_role else ()


def _is_own(identity: Identity, kind: str, context: ActionContext) -> bool:
    if not identity.host_id:
        return False
    owner = context.host_id or (_owner(kind, context) if context.resource is not None else "")
    return owner.removesuffix(f".{identity.cluster}") == identity.host_id


def _owner(kind: str, context: ActionContext) -> str:
    """A heartbeat belongs to the host it names, or carries the host's id as its name."""
    resource = context.resource
    if resource is None or resource.kind != kind:
        return ""
    host_id = getattr(getattr(resource, "spec", None), "host_id", "")
    return host_id or resource.name


def _answer(allowed: bool, code: Code, role: str, verb: str, kind: str) -> Decision:
    reason = Reason(code=code, kind=kind, verb=verb, role=role)
    return Decision(allowed=allowed, reason=reason, roles=(role,) if allowed else ())
