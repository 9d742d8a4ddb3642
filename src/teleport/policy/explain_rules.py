"""The whole story of a file that is copied, or a command that is run, on a node that may be reached.

The answers are those of policy.file_rules and policy.command_rules; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from teleport.policy import command_rules, command_words, file_rules
from teleport.policy.command_rules import CommandRule
from teleport.policy.decision import Decision
from teleport.policy.explain import Check, Explanation, RoleStory
from teleport.policy.file_rules import AskedFile, FileRule, Host
from teleport.policy.reasons import Code, Reason
from teleport.policy.role_set import RoleSet


def explain_file(access: Explanation, role_set: RoleSet, asked: AskedFile, home: str) -> Explanation:
    """`access` is the story of the node itself; where that is refused it is all there is to tell."""
    if not access.decision.allowed:
        return access
    rules, host = role_set.options.file_rules, Host(home=home)
    forbidding = tuple(role.name for role in role_set.given if role.spec.options.ssh_file_copy is False)
    if forbidding:
        reason = Reason(code=Code.COPIES_FORBIDDEN, wanted=forbidding)
        return _with(access, asked.direction, asked.path, Decision(allowed=False, reason=reason), ())
    answer = file_rules.decide(rules, asked, host)

    def check(rule: FileRule) -> Check:
        is_met = file_rules.fits(rule, asked, host) and _size_fits(rule, asked)
        return Check(field=rule.field, is_met=is_met, wanted=rule.conditions, found=asked.path)

    return _with(
        access,
        asked.direction,
        asked.path,
        Decision(allowed=answer.allowed, reason=answer.reason),
        _stories(
            role_set,
            [(rule.role, check(rule)) for rule in rules.allow],
            [(rule.role, check(rule)) for rule in rules.deny],
        ),
    )


def explain_command(access: Explanation, role_set: RoleSet, command: str | None) -> Explanation:
    """None asks for a shell. What waits for a moderator is allowed, and the reason says so."""
    if not access.decision.allowed:
        return access
    rules = role_set.options.command_rules
    answer = command_rules.decide(rules, command)
    words = command_words.plain(command) if command is not None else None

    def check(rule: CommandRule) -> Check:
        is_deny = rule in rules.deny
        is_met = words is not None and command_rules.fits(rule, words, is_deny=is_deny)
        return Check(field=rule.field, is_met=is_met, wanted=rule.commands, found=command or "")

    return _with(
        access,
        "command" if command is not None else "shell",
        command or "",
        Decision(allowed=answer.allowed, reason=answer.reason),
        _stories(
            role_set,
            [(rule.role, check(rule)) for rule in (*rules.ask, *rules.allow)],
            [(rule.role, check(rule)) for rule in rules.deny],
        ),
    )


def _size_fits(rule: FileRule, asked: AskedFile) -> bool:
    if rule.size < 0:
        return True
    return asked.size > rule.size if rule.is_deny else asked.size <= rule.size


def _stories(
    role_set: RoleSet, allow: Sequence[tuple[str, Check]], deny: Sequence[tuple[str, Check]]
) -> tuple[RoleStory, ...]:
    found = []
    for role in role_set.given:
        allowing = tuple(check for name, check in allow if name == role.name)
        denying = tuple(check for name, check in deny if name == role.name)
        found.append(
            RoleStory(
                role=role.name,
                version=role.version,
                allows=any(check.is_met for check in allowing),
                denies=any(check.is_met for check in denying),
                allow=allowing,
                deny=denying,
            )
        )
    return tuple(found)


def _with(
    access: Explanation, what: str, value: str, decision: Decision, roles: tuple[RoleStory, ...]
) -> Explanation:
    return msgspec.structs.replace(access, asked={**access.asked, what: value}, decision=decision, roles=roles)
