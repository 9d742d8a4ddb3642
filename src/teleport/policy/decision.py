"""A decision as a value that explains itself.

Reasons are codes with named parts, so that they can be told in any language, to two audiences: the person who asked
(only about what they may know exists) and the administrator (all of it).
"""

from __future__ import annotations

import msgspec

from teleport.policy.reasons import Code, Reason
from teleport.policy.sentences import Language, generic_refusal, sentence

__all__ = ("Code", "Decision", "Reason", "generic_refusal", "sentence")


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

    def message_for_user(self, language: Language = "en") -> str:
        """What the person who asked may read: never names what they could not see anyway."""
        reason = self.reason
        if self.allowed or self.is_visible or reason.code in _ALWAYS_TOLD:
            told = [reason]
            if reason.code is Code.NOTHING_ALLOWS:
                told += [note for note in self.notes if note.code in _NOTES_TOLD][:_NOTES_FOR_USER]
            return " ".join(sentence(one, language) for one in told)
        hours = [note for note in self.notes if note.code is Code.NOT_IN_SCHEDULE][:_NOTES_FOR_USER]
        refusal = generic_refusal(reason.kind, reason.verb, language)
        return " ".join([refusal, *(sentence(one, language) for one in hours)])

    def message_for_administrator(self, language: Language = "en") -> str:
        """Everything: the deciding reason on the first line, one line for each near miss."""
        notes = (f"  {sentence(note, language)}" for note in self.notes)
        return "\n".join([sentence(self.reason, language), *notes])


_NOTES_FOR_USER = 3
_NOTES_TOLD = frozenset({Code.MATCHER_DIFFERS, Code.NOT_IN_SCHEDULE})
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
        Code.DENIED_BY_SCHEDULE,
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
        Code.NO_KUBERNETES_PRINCIPALS,
        Code.KUBERNETES_USER_OPEN,
        Code.KUBERNETES_PRINCIPAL_NOT_ALLOWED,
        Code.DATABASE_USER_IS_MADE,
        Code.DATABASE_ROLES_AND_PERMISSIONS,
        Code.DATABASE_ROLE_NOT_ALLOWED,
        Code.ROLES_NOT_MAPPED,
        Code.NOT_IN_LIST,
        Code.MEMBERSHIP_EXPIRED,
        Code.REQUIREMENT_UNMET,
        Code.FILE_DENIED,
        Code.FILE_NOT_ALLOWED,
        Code.FILE_TOO_LARGE,
        Code.FOLDER_MOVE,
        Code.LINK_BEYOND,
        Code.PATTERN_BEYOND,
        Code.COPY_UNSEEN,
        Code.COPIES_FORBIDDEN,
        Code.COMMAND_DENIED,
        Code.COMMAND_NOT_ALLOWED,
        Code.COMMAND_NOT_PLAIN,
        Code.SHELL_NOT_ALLOWED,
        Code.FORCED_DIFFER,
    }
)
