"""Why a decision fell as it did: a code with named parts, told in any language (policy.sentences)."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Code(StrEnum):
    """Why a decision fell as it did. The text belongs to the code, the parts to the reason."""

    ALLOWED_BY_ROLE = "allowed_by_role"
    ALLOWED_BY_RULE = "allowed_by_rule"
    ALLOWED_BY_SYSTEM_ROLE = "allowed_by_system_role"
    ALLOWED_UNLABELED_CLUSTER = "allowed_unlabeled_cluster"
    DENIED_BY_LABELS = "denied_by_labels"
    DENIED_BY_SCHEDULE = "denied_by_schedule"
    DENIED_BY_MATCHER = "denied_by_matcher"
    DENIED_BY_RULE = "denied_by_rule"
    DENIED_BY_BROKEN_ROLE = "denied_by_broken_role"
    NOTHING_ALLOWS = "nothing_allows"
    NO_RULE_ALLOWS = "no_rule_allows"
    LABELS_DIFFER = "labels_differ"
    MATCHER_DIFFERS = "matcher_differs"
    NAMESPACE_DIFFERS = "namespace_differs"
    NOT_IN_SCHEDULE = "not_in_schedule"
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
    NO_KUBERNETES_PRINCIPALS = "no_kubernetes_principals"
    KUBERNETES_USER_OPEN = "kubernetes_user_open"
    KUBERNETES_PRINCIPAL_NOT_ALLOWED = "kubernetes_principal_not_allowed"
    DATABASE_USER_IS_MADE = "database_user_is_made"
    DATABASE_ROLES_AND_PERMISSIONS = "database_roles_and_permissions"
    DATABASE_ROLE_NOT_ALLOWED = "database_role_not_allowed"
    ROLES_NOT_MAPPED = "roles_not_mapped"
    LIST_MEMBER = "list_member"
    LIST_OWNER = "list_owner"
    NOT_IN_LIST = "not_in_list"
    MEMBERSHIP_EXPIRED = "membership_expired"
    REQUIREMENT_UNMET = "requirement_unmet"
    FILE_ALLOWED = "file_allowed"
    FILE_NOT_DENIED = "file_not_denied"
    FILE_DENIED = "file_denied"
    FILE_NOT_ALLOWED = "file_not_allowed"
    FILE_TOO_LARGE = "file_too_large"
    FOLDER_MOVE = "folder_move"
    LINK_BEYOND = "link_beyond"
    PATTERN_BEYOND = "pattern_beyond"
    COPY_UNSEEN = "copy_unseen"
    COPIES_FORBIDDEN = "copies_forbidden"
    COMMAND_ALLOWED = "command_allowed"
    COMMAND_NOT_DENIED = "command_not_denied"
    COMMAND_FORCED = "command_forced"
    COMMAND_ASKS = "command_asks"
    COMMAND_DENIED = "command_denied"
    COMMAND_NOT_ALLOWED = "command_not_allowed"
    COMMAND_NOT_PLAIN = "command_not_plain"
    SHELL_NOT_ALLOWED = "shell_not_allowed"
    FORCED_DIFFER = "forced_differ"


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
