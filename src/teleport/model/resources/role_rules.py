"""The validation of a role, section by section. Sources: resources.md sections 3.1, 3.3 to 3.6."""

from __future__ import annotations

import ipaddress
import re

from teleport.foundation.errors import BadParameter
from teleport.model.labels import check_selector
from teleport.model.resource import one_of, require
from teleport.model.resources import role_conditions as conditions
from teleport.model.resources.schedule import check_schedule
from teleport.model.values import Duration

RESERVED_NAMES = frozenset(
    {
        "Admin", "App", "Auth", "Bot", "Db", "Discovery", "Instance", "Kube", "MDM", "Node", "Nop", "Okta",
        "Provisioning", "Proxy", "RemoteProxy", "Signup", "Trusted_cluster", "WindowsDesktop",
    }
)  # fmt: skip
"""The system roles: no role may be called like one."""

KUBERNETES_KINDS = (
    "*", "pod", "secret", "configmap", "namespace", "service", "serviceaccount", "kube_node", "persistentvolume",
    "persistentvolumeclaim", "deployment", "replicaset", "statefulset", "daemonset", "clusterrole", "kube_role",
    "clusterrolebinding", "rolebinding", "cronjob", "job", "certificatesigningrequest", "ingress",
)  # fmt: skip
CLUSTER_WIDE_KINDS = frozenset(
    {"namespace", "kube_node", "persistentvolume", "clusterrole", "clusterrolebinding", "certificatesigningrequest"}
)
KUBERNETES_VERBS = (
    "*", "get", "create", "update", "patch", "delete", "list", "watch", "deletecollection", "exec", "portforward",
)  # fmt: skip
SESSION_KINDS = ("*", "ssh", "k8s", "db", "app", "desktop")
SESSION_MODES = ("observer", "moderator", "peer")
MAX_EXPRESSION = 8192

_AZURE_IDENTITY = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.managedidentity/userassignedidentities/[^/]+\Z",
    re.IGNORECASE,
)


def check_conditions(section: conditions.RoleConditions, version: str, *, allow: bool) -> None:
    """Raises BadParameter."""
    side = "spec.allow" if allow else "spec.deny"
    for name in conditions.LABEL_SELECTORS:
        check_selector(section.selector(name), f"{side}.{name}_labels")
        _expression(section.expression(name), f"{side}.{name}_labels_expression")
    _check_databases(section, side, allow=allow)
    _check_identities(section, side, allow=allow)
    for number, resource in enumerate(section.kubernetes_resources):
        check_kubernetes_resource(resource, version, f"{side}.kubernetes_resources[{number}]")
    _check_impersonate(section.impersonate, side, allow=allow)
    _check_request(section.request, side, allow=allow)
    if section.review_requests is not None:
        check_claims(section.review_requests.claims_to_roles, f"{side}.review_requests")
        _expression(section.review_requests.where, f"{side}.review_requests.where")
    _check_moderation(section, side, allow=allow)
    for number, rule in enumerate(section.rules):
        require(rule.resources and all(rule.resources), f"{side}.rules[{number}].resources is empty")
        require(rule.verbs and all(rule.verbs), f"{side}.rules[{number}].verbs is empty")
        _expression(rule.where, f"{side}.rules[{number}].where")
    _check_spiffe(section.spiffe, side)
    check_schedule(section.schedule, f"{side}.schedule")
    if allow:
        require("*" not in section.logins, "spec.allow.logins: the wildcard '*' is not allowed, name the logins")


def _expression(text: str, field: str) -> None:
    require(len(text) <= MAX_EXPRESSION, f"{field} is longer than {MAX_EXPRESSION} characters")


def _check_databases(section: conditions.RoleConditions, side: str, *, allow: bool) -> None:
    require(not allow or "*" not in section.db_roles, "spec.allow.db_roles: the wildcard '*' is not allowed")
    for number, permission in enumerate(section.db_permissions):
        where = f"{side}.db_permissions[{number}]"
        require(permission.permissions and all(permission.permissions), f"{where}.permissions is empty")
        require(not allow or "*" not in permission.permissions, f"{where}.permissions: '*' is not allowed")
        check_selector(permission.match, f"{where}.match")


def _check_identities(section: conditions.RoleConditions, side: str, *, allow: bool) -> None:
    for field in ("aws_role_arns", "azure_identities", "gcp_service_accounts"):
        require(
            not allow or "*" not in getattr(section, field), f"spec.allow.{field}: the wildcard '*' is not allowed"
        )
    for identity in section.azure_identities:
        is_fine = identity == "*" or "{{" in identity or _AZURE_IDENTITY.match(identity)
        require(is_fine, f"{side}.azure_identities: {identity[:200]!r} is not the id of a managed identity")


def check_kubernetes_resource(resource: conditions.KubernetesResource, version: str, where: str) -> None:
    """Raises BadParameter; before v7 it sets the only legal verb."""
    require(resource.name, f"{where}.name is missing")
    if version == "v8":
        _check_kubernetes_plural(resource, where)
        return
    require(not resource.api_group, f"{where}.api_group is only known in version v8, not {version}")
    one_of(resource.kind, KUBERNETES_KINDS if version == "v7" else ("pod",), f"{where}.kind")
    may_lack = version == "v7" and resource.kind in CLUSTER_WIDE_KINDS
    require(resource.namespace or may_lack, f"{where}.namespace is missing, kind {resource.kind} needs it")
    if version == "v7":
        _check_kubernetes_verbs(resource, where)
        return
    require(resource.verbs in ([], ["*"]), f"{where}.verbs: only '*' is possible in version {version}")
    resource.verbs = ["*"]


def _check_kubernetes_plural(resource: conditions.KubernetesResource, where: str) -> None:
    require(resource.kind, f"{where}.kind is missing")
    singular = resource.kind in KUBERNETES_KINDS and resource.kind != "*"
    require(not singular, f"{where}.kind is {resource.kind!r}, version v8 needs the plural name, for example pods")
    _check_kubernetes_verbs(resource, where)


def _check_kubernetes_verbs(resource: conditions.KubernetesResource, where: str) -> None:
    require(resource.verbs, f"{where}.verbs is missing")
    for verb in resource.verbs:
        one_of(verb, KUBERNETES_VERBS, f"{where}.verbs")
    require("*" not in resource.verbs or len(resource.verbs) == 1, f"{where}.verbs: '*' must stand alone")


def _check_impersonate(found: conditions.ImpersonateConditions | None, side: str, *, allow: bool) -> None:
    if found is None:
        return
    require(found.roles or not found.users, f"{side}.impersonate: users are given without roles")
    require(allow or not found.where, "spec.deny.impersonate.where is not possible")
    _expression(found.where, f"{side}.impersonate.where")


def _check_request(found: conditions.AccessRequestConditions | None, side: str, *, allow: bool) -> None:
    if found is None:
        return
    check_claims(found.claims_to_roles, f"{side}.request")
    if not allow:
        for field in ("thresholds", "max_duration", "reason"):
            require(not getattr(found, field), f"spec.deny.request.{field} is not possible")
    if found.max_duration is not None and found.max_duration < Duration():
        raise BadParameter(f"{side}.request.max_duration is negative")
    for number, threshold in enumerate(found.thresholds):
        where = f"{side}.request.thresholds[{number}]"
        require(threshold.approve >= 0 and threshold.deny >= 0, f"{where}: approve and deny must be at least 1")
        threshold.approve = threshold.approve or 1  # a count of nothing would approve by itself
        threshold.deny = threshold.deny or 1
        _expression(threshold.filter, f"{where}.filter")
    for number, kind in enumerate(found.kubernetes_resources):
        require(kind.kind, f"{side}.request.kubernetes_resources[{number}].kind is missing")


def check_claims(mappings: list[conditions.ClaimMapping], where: str) -> None:
    """Raises BadParameter for a mapping that lacks something."""
    for number, mapping in enumerate(mappings):
        is_whole = mapping.claim and mapping.value and mapping.roles
        require(is_whole, f"{where}.claims_to_roles[{number}]: claim, value and roles are needed")


def _check_moderation(section: conditions.RoleConditions, side: str, *, allow: bool) -> None:
    if not allow:
        require(not section.join_sessions, "spec.deny.join_sessions is not possible")
        require(not section.require_session_join, "spec.deny.require_session_join is not possible")
    policies: list[tuple[str, conditions.SessionJoinPolicy | conditions.SessionRequirePolicy]] = [
        *((f"{side}.join_sessions[{n}]", policy) for n, policy in enumerate(section.join_sessions)),
        *((f"{side}.require_session_join[{n}]", policy) for n, policy in enumerate(section.require_session_join)),
    ]
    for where, policy in policies:
        for kind in policy.kinds:
            one_of(kind, SESSION_KINDS, f"{where}.kinds")
        for mode in policy.modes:
            one_of(mode, ("*", *SESSION_MODES), f"{where}.modes")
        if isinstance(policy, conditions.SessionRequirePolicy):
            require(policy.count >= 1, f"{where}.count is {policy.count}, expected at least 1")
            _expression(policy.filter, f"{where}.filter")


def _check_spiffe(rules: list[conditions.SPIFFECondition], side: str) -> None:
    for number, rule in enumerate(rules):
        where = f"{side}.spiffe[{number}]"
        is_path = rule.path.startswith("/") or (rule.path.startswith("^") and rule.path.endswith("$"))
        require(is_path, f"{where}.path is {rule.path[:200]!r}, expected /... or ^...$")
        for network in rule.ip_sans:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError as problem:
                raise BadParameter(f"{where}.ip_sans: {network[:80]!r} is no CIDR") from problem
