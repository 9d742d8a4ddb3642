"""A decision as a value that explains itself.

Reasons are codes with named parts, so that they can be told in any language, to two audiences: the person who asked
(only about what they may know exists) and the administrator (all of it).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec


class Code(StrEnum):
    """Why a decision fell as it did. The text belongs to the code, the parts to the reason."""

    ALLOWED_BY_ROLE = "allowed_by_role"
    ALLOWED_BY_RULE = "allowed_by_rule"
    ALLOWED_BY_SYSTEM_ROLE = "allowed_by_system_role"
    ALLOWED_UNLABELED_CLUSTER = "allowed_unlabeled_cluster"
    DENIED_BY_LABELS = "denied_by_labels"
    DENIED_BY_MATCHER = "denied_by_matcher"
    DENIED_BY_RULE = "denied_by_rule"
    DENIED_BY_BROKEN_ROLE = "denied_by_broken_role"
    NOTHING_ALLOWS = "nothing_allows"
    NO_RULE_ALLOWS = "no_rule_allows"
    LABELS_DIFFER = "labels_differ"
    MATCHER_DIFFERS = "matcher_differs"
    NAMESPACE_DIFFERS = "namespace_differs"
    CONDITION_FALSE = "condition_false"
    MFA_REQUIRED = "mfa_required"
    KEY_POLICY_NOT_MET = "key_policy_not_met"
    DEVICE_REQUIRED = "device_required"
    IP_NOT_PINNED = "ip_not_pinned"
    IP_DIFFERS = "ip_differs"
    NOT_IN_ALLOWED_RESOURCES = "not_in_allowed_resources"
    LOCKED = "locked"
    LOCKS_STALE = "locks_stale"
    NOT_ENFORCED = "not_enforced"
    IMPERSONATION_ALLOWED = "impersonation_allowed"
    IMPERSONATION_DENIED = "impersonation_denied"
    IMPERSONATION_NOT_ALLOWED = "impersonation_not_allowed"
    JOIN_ALLOWED = "join_allowed"
    JOIN_NOT_ALLOWED = "join_not_allowed"
    MODERATOR_MISSING = "moderator_missing"
    REQUEST_ALLOWED = "request_allowed"
    REQUEST_NOT_ALLOWED = "request_not_allowed"
    REQUEST_DENIED = "request_denied"
    REASON_MISSING = "reason_missing"
    REVIEW_ALLOWED = "review_allowed"
    REVIEW_NOT_ALLOWED = "review_not_allowed"
    REVIEW_OF_OWN = "review_of_own"
    REVIEWED_ALREADY = "reviewed_already"
    REQUEST_NOT_PENDING = "request_not_pending"
    SYSTEM_ROLE_FORBIDS = "system_role_forbids"
    NOT_OWN = "not_own"


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One cause of a decision. Parts a code does not speak of stay empty.

    `role` is the role that decided, `field` the YAML field in it (`logins`, `node_labels`, `rules[2]`), `value`
    what was asked for or found, `wanted` what that field accepts, `detail` free text (a selector, a lock's
    message).
    """

    code: Code
    kind: str = ""
    name: str = ""
    verb: str = ""
    role: str = ""
    field: str = ""
    value: str = ""
    wanted: tuple[str, ...] = ()
    detail: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Allowed or not, and why. `reason` decided; `notes` are near misses: what each role would have needed.

    `roles` are the roles that granted. `is_visible`: whether the person may know that the resource exists, hence
    may be told about it.
    """

    allowed: bool
    reason: Reason
    roles: tuple[str, ...] = ()
    notes: tuple[Reason, ...] = ()
    is_visible: bool = False

    def __bool__(self) -> bool:
        # `denied() or granted()` would grant what is denied, `if decision:` is too easily meant otherwise
        raise TypeError("a Decision is neither true nor false: ask for .allowed")

    def message_for_user(self) -> str:
        """What the person who asked may read: never names what they could not see anyway."""
        reason = self.reason
        if self.allowed or self.is_visible or reason.code in _ALWAYS_TOLD:
            lines = [sentence(reason)]
            if reason.code is Code.NOTHING_ALLOWS:
                told = [note for note in self.notes if note.code is Code.MATCHER_DIFFERS]
                lines += [sentence(note) for note in told[:_NOTES_FOR_USER]]
            return " ".join(lines)
        return generic_refusal(reason.kind, reason.verb)

    def message_for_administrator(self) -> str:
        """Everything: the deciding reason on the first line, one line for each near miss."""
        return "\n".join([sentence(self.reason), *(f"  {sentence(note)}" for note in self.notes)])


_NOTES_FOR_USER = 3
# These speak of the person, the session or the person's own roles, not of the resource.
_ALWAYS_TOLD = frozenset(
    {
        Code.MFA_REQUIRED,
        Code.KEY_POLICY_NOT_MET,
        Code.DEVICE_REQUIRED,
        Code.IP_NOT_PINNED,
        Code.IP_DIFFERS,
        Code.LOCKS_STALE,
        Code.NOT_ENFORCED,
        Code.DENIED_BY_RULE,
        Code.NO_RULE_ALLOWS,
        Code.SYSTEM_ROLE_FORBIDS,
        Code.NOT_OWN,
        Code.DENIED_BY_BROKEN_ROLE,
        Code.IMPERSONATION_DENIED,
        Code.IMPERSONATION_NOT_ALLOWED,
        Code.JOIN_NOT_ALLOWED,
        Code.MODERATOR_MISSING,
        Code.REQUEST_NOT_ALLOWED,
        Code.REQUEST_DENIED,
        Code.REASON_MISSING,
        Code.REVIEW_NOT_ALLOWED,
        Code.REVIEW_OF_OWN,
        Code.REVIEWED_ALREADY,
        Code.REQUEST_NOT_PENDING,
    }
)

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


def sentence(reason: Reason) -> str:
    """The reason in English."""
    return _SENTENCES[reason.code](reason)


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


_SENTENCES: dict[Code, Callable[[Reason], str]] = {
    Code.ALLOWED_BY_ROLE: lambda r: f'access to {_target(r)} allowed by role "{r.role}".',
    Code.ALLOWED_BY_RULE: lambda r: f'action "{r.verb}" on "{r.kind}" allowed by role "{r.role}", {r.field}.',
    Code.ALLOWED_BY_SYSTEM_ROLE: lambda r: f'action "{r.verb}" on "{r.kind}" belongs to system role {r.role}.',
    Code.ALLOWED_UNLABELED_CLUSTER: lambda r: (
        f"access to {_target(r)} allowed: it has no labels, no role selects any."
    ),
    Code.DENIED_BY_LABELS: _labels_denied,
    Code.DENIED_BY_MATCHER: _matcher_denied,
    Code.DENIED_BY_RULE: _rule_denied,
    Code.DENIED_BY_BROKEN_ROLE: _broken,
    Code.NOTHING_ALLOWS: lambda r: generic_refusal(r.kind, r.verb),
    Code.NO_RULE_ALLOWS: _rule_missing,
    Code.LABELS_DIFFER: _labels_differ,
    Code.MATCHER_DIFFERS: _matcher_differs,
    Code.NAMESPACE_DIFFERS: lambda r: f'role "{r.role}" allows only namespaces {_list(r.wanted)}.',
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
}


def _alternatives(reason: Reason) -> str:
    return " or ".join(reason.wanted)


def _asker(reason: Reason) -> str:
    return f'role "{reason.role}"' if reason.role else "the cluster"
