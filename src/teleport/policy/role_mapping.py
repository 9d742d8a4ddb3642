"""What people of another cluster are here: their roles mapped to ours, their traits as they were granted there.

Every row that matches counts, in order. A remote role is matched as literal, glob or `^regex$`; `$1` in a local role
is a capture, of a glob the text behind each `*`. Who is mapped to nothing has no access.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.identity import Identity
from teleport.model.resources.cert_authority import RoleMapping
from teleport.model.resources.trusted_cluster import TrustedCluster
from teleport.policy import patterns
from teleport.policy.decision import Code, Decision, Reason
from teleport.policy.patterns import WILDCARD, Regex


def map_roles(rows: Iterable[RoleMapping], remote_roles: Sequence[str]) -> tuple[str, ...]:
    """Local roles, each once, in the order of the rows. A row that cannot be read maps nothing."""
    found: dict[str, None] = {}
    for row in rows:
        try:
            expression = _expression(row.remote)
        except BadParameter:
            continue
        for remote in remote_roles:
            found.update(dict.fromkeys(_mapped(row, expression, remote)))
    return tuple(role for role in found if role)


def check(rows: Sequence[RoleMapping], where: str = "spec.role_map") -> None:
    """Raises BadParameter, naming the row, for a pattern that cannot be read."""
    for number, row in enumerate(rows):
        try:
            _expression(row.remote)
        except BadParameter as problem:
            raise BadParameter(f"{where}[{number}].remote: {problem.message}") from None


def rows_of(trusted: TrustedCluster) -> list[RoleMapping]:
    """Its role map; the older `roles` are for everybody."""
    spec = trusted.spec
    return spec.role_map or [RoleMapping(remote=WILDCARD, local=list(spec.roles))]


def local_identity(identity: Identity, rows: Iterable[RoleMapping], cluster: str) -> tuple[Identity, Decision]:
    """The person with the roles of this cluster, and whether there are any. The identity keeps its own cluster."""
    mapped = map_roles(rows, identity.roles)
    local = msgspec.structs.replace(identity, roles=mapped, traits=granted_traits(identity))
    if not mapped:
        reason = Reason(code=Code.ROLES_NOT_MAPPED, kind="remote_cluster", name=cluster, wanted=identity.roles)
        return local, Decision(allowed=False, reason=reason)
    return local, Decision(
        allowed=True, reason=Reason(code=Code.ALLOWED_BY_ROLE, kind="remote_cluster", name=cluster, role=mapped[0])
    )


def granted_traits(identity: Identity) -> dict[str, tuple[str, ...]]:
    """Traits travel; logins and Kubernetes principals are all that the other cluster granted."""
    granted = {
        "logins": tuple(one for one in identity.logins if not one.startswith("-")),
        "kubernetes_users": identity.kubernetes_users,
        "kubernetes_groups": identity.kubernetes_groups,
    }
    return dict(identity.traits) | {name: values for name, values in granted.items() if values}


def _expression(remote: str) -> Regex | None:
    """None for a literal."""
    if patterns.is_regex(remote):
        return patterns.regex(remote)
    if WILDCARD not in remote:
        return None
    return patterns.regex("^" + "(.*)".join(re.escape(part) for part in remote.split(WILDCARD)) + "$")


def _mapped(row: RoleMapping, expression: Regex | None, remote: str) -> list[str]:
    if expression is None:
        return list(row.local) if remote == row.remote else []
    if not expression.matches(remote):
        return []
    try:
        return [patterns.replace(expression, remote, role) or "" if "$" in role else role for role in row.local]
    except BadParameter:
        return []
