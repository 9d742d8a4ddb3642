"""Reasons in English."""

from __future__ import annotations

from collections.abc import Callable

from teleport.policy.reasons import Code, Reason

# What to check first, by kind; part of the refusal a stranger gets too.
HINTS = {
    "node": "Confirm SSH login.",
    "db": "Confirm database user and name.",
    "kube_cluster": "Confirm Kubernetes user or group.",
    "windows_desktop": "Confirm Windows user.",
}


def generic_refusal(kind: str, verb: str = "") -> str:
    """The same text for what is forbidden and for what is not there."""
    if verb:
        return f'access denied to perform action "{verb}" on "{kind}"'
    hint = HINTS.get(kind, "")
    return f"access to {kind} denied. User does not have permissions. {hint}".rstrip()


def _list(values: tuple[str, ...]) -> str:
    return ", ".join(f'"{value}"' for value in values) if values else "none"


def _target(reason: Reason) -> str:
    return f'{reason.kind} "{reason.name}"' if reason.name else reason.kind


def _broken(reason: Reason) -> str:
    return (
        f'role "{reason.role}": {reason.field} cannot be understood ({reason.detail}); a deny that cannot be read '
        f"refuses everything: correct the role"
    )


def _matcher_denied(reason: Reason) -> str:
    return f'{generic_refusal(reason.kind)} Role "{reason.role}" denies {reason.field} "{reason.value}".'


def _labels_denied(reason: Reason) -> str:
    by = f"{reason.field}: {reason.detail}"
    return f'{generic_refusal(reason.kind)} Role "{reason.role}" denies {_target(reason)} by {by}.'


def _labels_differ(reason: Reason) -> str:
    return f'role "{reason.role}" allows {reason.kind}s by {reason.field}: {reason.detail}.'


def _matcher_differs(reason: Reason) -> str:
    return (
        f'Role "{reason.role}" matches {_target(reason)} but its {reason.field} do not include "{reason.value}" '
        f"(it has: {_list(reason.wanted)})."
    )


def _rule_missing(reason: Reason) -> str:
    needed = f'a role with a rule for resources ["{reason.kind}"] and verbs ["{reason.verb}"] is needed'
    return f"{generic_refusal(reason.kind, reason.verb)}: {needed}"


def _rule_denied(reason: Reason) -> str:
    condition = f" where {reason.detail}" if reason.detail else ""
    refusal = generic_refusal(reason.kind, reason.verb)
    return f'{refusal}: role "{reason.role}" denies it by {reason.field}{condition}'


def _not_enforced(reason: Reason) -> str:
    return (
        f"access to {reason.kind} denied: {', '.join(reason.wanted)} cannot be enforced by this version, so access "
        "is refused rather than granted without it"
    )


SENTENCES: dict[Code, Callable[[Reason], str]] = {
    Code.ALLOWED_BY_ROLE: lambda r: f'access to {_target(r)} allowed by role "{r.role}".',
    Code.ALLOWED_BY_RULE: lambda r: f'action "{r.verb}" on "{r.kind}" allowed by role "{r.role}", {r.field}.',
    Code.ALLOWED_BY_SYSTEM_ROLE: lambda r: f'action "{r.verb}" on "{r.kind}" belongs to system role {r.role}.',
    Code.ALLOWED_UNLABELED_CLUSTER: lambda r: (
        f"access to {_target(r)} allowed: it has no labels, no role selects any."
    ),
    Code.DENIED_BY_LABELS: _labels_denied,
    Code.DENIED_BY_SCHEDULE: lambda r: (
        f'access to {r.kind} denied: role "{r.role}" denies all access at this time ({r.detail}).'
    ),
    Code.DENIED_BY_MATCHER: _matcher_denied,
    Code.DENIED_BY_RULE: _rule_denied,
    Code.DENIED_BY_BROKEN_ROLE: _broken,
    Code.NOTHING_ALLOWS: lambda r: generic_refusal(r.kind, r.verb),
    Code.NO_RULE_ALLOWS: _rule_missing,
    Code.LABELS_DIFFER: _labels_differ,
    Code.MATCHER_DIFFERS: _matcher_differs,
    Code.NAMESPACE_DIFFERS: lambda r: f'role "{r.role}" allows only namespaces {_list(r.wanted)}.',
    Code.NOT_IN_SCHEDULE: lambda r: f'Role "{r.role}" is in force only at certain times: {r.detail}.',
    Code.CONDITION_FALSE: lambda r: (
        f'role "{r.role}", {r.field} would allow it, but its condition is not met: {r.detail}.'
    ),
    Code.MFA_REQUIRED: lambda r: f"access to {r.kind} denied: MFA required by {_asker(r)}.",
    Code.KEY_POLICY_NOT_MET: lambda r: f"private key policy not met: {r.value}",
    Code.DEVICE_REQUIRED: lambda r: f"access to {r.kind} denied: a trusted device is required by {_asker(r)}.",
    Code.IP_NOT_PINNED: lambda r: "access denied: the certificate carries no pinned IP address, log in again.",
    Code.IP_DIFFERS: lambda r: "access denied: the certificate is pinned to another IP address, log in again.",
    Code.NOT_IN_ALLOWED_RESOURCES: lambda r: (
        f"access to {_target(r)} denied: the certificate is limited to the resources of an access request."
    ),
    Code.LOCKED: lambda r: r.detail,
    Code.IMPERSONATION_ALLOWED: lambda r: f'impersonating {r.value} allowed by role "{r.role}".',
    Code.IMPERSONATION_DENIED: lambda r: f'impersonating {r.value} denied by role "{r.role}".',
    Code.IMPERSONATION_NOT_ALLOWED: lambda r: f"impersonating {r.value} denied: no role of yours allows it.",
    Code.JOIN_ALLOWED: lambda r: f'joining a {r.kind} session as {r.value} allowed by role "{r.role}".',
    Code.JOIN_NOT_ALLOWED: lambda r: (
        f"joining this {r.kind} session as {r.value} denied: your roles allow the modes: {_list(r.wanted)}."
    ),
    Code.MODERATOR_MISSING: lambda r: (
        f'role "{r.role}" requires that others are present: {_alternatives(r)}; the session waits for them.'
    ),
    Code.REQUEST_ALLOWED: lambda r: f"access to {_list(r.wanted)} may be requested.",
    Code.REQUEST_NOT_ALLOWED: lambda r: f'no role of yours allows to request role "{r.value}".',
    Code.REQUEST_DENIED: lambda r: f'role "{r.role}" denies to request role "{r.value}".',
    Code.REASON_MISSING: lambda r: f'role "{r.role}" wants a reason with each request.',
    Code.REVIEW_ALLOWED: lambda r: f'reviewing request "{r.name}" allowed.',
    Code.REVIEW_NOT_ALLOWED: lambda r: (
        f'reviewing request "{r.name}" denied: role "{r.value}" is not yours to review.'
    ),
    Code.REVIEW_OF_OWN: lambda r: "a request cannot be reviewed by who made it.",
    Code.REVIEWED_ALREADY: lambda r: f'request "{r.name}" has your review already.',
    Code.REQUEST_NOT_PENDING: lambda r: f'request "{r.name}" is {r.value}, only pending requests are reviewed.',
    Code.LOCKS_STALE: lambda r: (
        "access denied: locks are not up to date and locking mode is strict; try again later."
    ),
    Code.NOT_ENFORCED: _not_enforced,
    Code.SYSTEM_ROLE_FORBIDS: lambda r: (
        f'{generic_refusal(r.kind, r.verb)}: not among the duties of system role "{r.role}"'
    ),
    Code.NOT_OWN: lambda r: (
        f'{generic_refusal(r.kind, r.verb)}: system role "{r.role}" may do this only for its own host'
    ),
    Code.NO_KUBERNETES_PRINCIPALS: lambda r: (
        f"access to {_target(r)} denied: no role of yours gives a Kubernetes user or group there."
    ),
    Code.KUBERNETES_USER_OPEN: lambda r: (
        f"your roles allow several Kubernetes users there, choose one with --as: {_list(r.wanted)}."
    ),
    Code.KUBERNETES_PRINCIPAL_NOT_ALLOWED: lambda r: (
        f'acting as Kubernetes {r.field} "{r.value}" denied: your roles allow {_list(r.wanted)}.'
    ),
    Code.DATABASE_USER_IS_MADE: lambda r: (
        f'access to {_target(r)} as "{r.value}" denied: your roles make a user for you there, connect as '
        f"{_list(r.wanted)}."
    ),
    Code.DATABASE_ROLES_AND_PERMISSIONS: lambda r: (
        f"access to {_target(r)} denied: your roles give both db_roles ({_list(r.wanted)}) and db_permissions "
        f'(role "{r.role}") there, only one of them is possible.'
    ),
    Code.DATABASE_ROLE_NOT_ALLOWED: lambda r: (
        f'database role "{r.value}" denied: your roles allow {_list(r.wanted)} there.'
    ),
    Code.ROLES_NOT_MAPPED: lambda r: (
        f'access to cluster "{r.name}" denied: none of your roles ({_list(r.wanted)}) is mapped to a role there.'
    ),
    Code.LIST_MEMBER: lambda r: f'member of access list "{r.name}"{_through(r)}.',
    Code.LIST_OWNER: lambda r: f'owner of access list "{r.name}"{_through(r)}.',
    Code.NOT_IN_LIST: lambda r: f'neither member nor owner of access list "{r.name}".',
    Code.MEMBERSHIP_EXPIRED: lambda r: f'the membership of access list "{r.name}" ended at {r.value}.',
    Code.REQUIREMENT_UNMET: lambda r: (
        f'access list "{r.name}" gives nothing{_through(r)}: {r.field} asks for {_list(r.wanted)}.'
    ),
    Code.FILE_ALLOWED: lambda r: f'{r.verb} of "{r.value}" allowed by role "{r.role}", {r.field}.',
    Code.FILE_NOT_DENIED: lambda r: f'{r.verb} of "{r.value}" allowed: no file rule speaks against it.',
    Code.FILE_DENIED: lambda r: (
        f'{r.verb} of "{r.value}" denied by role "{r.role}", {r.field}'
        f"{f' (larger than {_list(r.wanted)} bytes)' if r.wanted else ''}."
    ),
    Code.FILE_NOT_ALLOWED: lambda r: (
        f'{r.verb} of "{r.value}" denied: no file rule of your roles allows it. They speak of {_list(r.wanted)}.'
    ),
    Code.FILE_TOO_LARGE: lambda r: (
        f'{r.verb} of "{r.value}" denied: role "{r.role}", {r.field} allows at most {_list(r.wanted)} bytes.'
    ),
    Code.FOLDER_MOVE: lambda r: (
        f'moving the folder "{r.value}" denied: the file rules of {_list(r.wanted)} cannot follow what is in it; '
        "copy its files."
    ),
    Code.LINK_BEYOND: lambda r: (
        f'making or moving the link "{r.value}" denied: '
        + (f'it leads to "{r.detail}", where rules ' if r.detail else "where it leads cannot be told, and rules ")
        + (f"({r.field} of {r.role}) " if r.field else f"(of {_list(r.wanted)}) ")
        + "could be led around by it, as this server runs no agent. Give the real path of a file or folder that is "
        "there, in a place that the same rules allow."
    ),
    Code.PATTERN_BEYOND: lambda r: (
        f'"{r.value}" denied: the file rules of {_list(r.wanted)} cannot follow what the server makes of a pattern; '
        "name the files, or use sftp."
    ),
    Code.COPY_UNSEEN: lambda r: (
        f'"{r.value}" denied: file copies are restricted ({_list(r.wanted)}), and what this program copies cannot be '
        "seen; use sftp or scp."
    ),
    Code.COPIES_FORBIDDEN: lambda r: f"file copies denied: {_list(r.wanted)} set ssh_file_copy: false.",
    Code.COMMAND_ALLOWED: lambda r: f'command "{r.value}" allowed by role "{r.role}", {r.field}.',
    Code.COMMAND_NOT_DENIED: lambda r: f'command "{r.value}" allowed: no command rule speaks against it.',
    Code.COMMAND_FORCED: lambda r: f'whatever is asked for, role "{r.role}" runs "{r.value}" ({r.field}).',
    Code.COMMAND_ASKS: lambda r: (
        f'command "{r.value}" needs a moderator by role "{r.role}", {r.field}: run it on a terminal (ssh -t), where '
        "it waits until one has joined."
    ),
    Code.COMMAND_DENIED: lambda r: f'command "{r.value}" denied by role "{r.role}", {r.field}.',
    Code.COMMAND_NOT_ALLOWED: lambda r: (
        f'command "{r.value}" denied: no command rule of your roles allows it. They allow {_list(r.wanted)}.'
    ),
    Code.COMMAND_NOT_PLAIN: lambda r: (
        f'command "{r.value}" denied: with the command rules of {_list(r.wanted)} only plain commands are run, '
        "without variables, pipes, lists, redirections, patterns of files and the like."
    ),
    Code.SHELL_NOT_ALLOWED: lambda r: f"a shell is denied: your roles allow only commands: {_list(r.wanted)}.",
    Code.FORCED_DIFFER: lambda r: (
        f"nothing can be run: roles {_list(r.wanted)} force commands that differ or cannot be read."
    ),
}


def _alternatives(reason: Reason) -> str:
    return " or ".join(reason.wanted)


def _asker(reason: Reason) -> str:
    return f'role "{reason.role}"' if reason.role else "the cluster"


def _through(reason: Reason) -> str:
    return f" through {reason.detail}" if reason.detail else ""
