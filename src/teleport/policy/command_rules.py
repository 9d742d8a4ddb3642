"""Which commands may be run, of the rules of all roles: deny before ask before allow. Where any role allows commands
by rules, a command must fit one of all these rules, or one that asks.

Rules look at words, so where there are any, only plain commands are run, as the very words that were looked at and by
no shell; and a shell is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from teleport.model.resources.command_rules import CommandRule as RoleCommandRule
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import SessionRequirePolicy
from teleport.policy import command_patterns, command_words
from teleport.policy.reasons import Code, Reason
from teleport.policy.templates import Traits

Side: TypeAlias = Literal["deny", "ask", "allow"]
_ANYBODY = "equals(user.name, user.name)"
_SHOWN = 200


class CommandRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of one role, for one person."""

    role: str
    field: str
    commands: tuple[str, ...]
    unmoderated: bool = False
    filter: str = ""
    """Whom an ask waits for."""

    def __str__(self) -> str:
        return f"{self.field} of {self.role} ({' | '.join(self.commands)})"

    @property
    def moderator(self) -> SessionRequirePolicy:
        """Who an ask waits for, as roles say whom sessions wait for."""
        return SessionRequirePolicy(
            name=self.field, filter=self.filter or _ANYBODY, kinds=["ssh"], modes=["moderator"], count=1,
            on_leave="terminate",
        )  # fmt: skip


class Forced(msgspec.Struct, frozen=True, kw_only=True):
    """The command of a role that is run whatever is asked for."""

    role: str
    command: str

    def __str__(self) -> str:
        return f"options.command_rules.forced of {self.role} ({self.command})"


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`words` are what is to be run; empty where no rule says anything, and it is run as it stands.

    `waits`: rules by which somebody must be present. `free_of`: the roles whose requirements of others do not count.
    """

    allowed: bool
    reason: Reason
    words: tuple[str, ...] = ()
    waits: tuple[CommandRule, ...] = ()
    free_of: tuple[str, ...] = ()


class CommandRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of all roles of a person."""

    deny: tuple[CommandRule, ...] = ()
    ask: tuple[CommandRule, ...] = ()
    allow: tuple[CommandRule, ...] = ()
    forced: tuple[Forced, ...] = ()

    @property
    def are_set(self) -> bool:
        return bool(self.deny or self.ask or self.allow or self.forced)

    @property
    def roles(self) -> tuple[str, ...]:
        ruled = (rule.role for rule in (*self.deny, *self.ask, *self.allow))
        return tuple(dict.fromkeys((*ruled, *(one.role for one in self.forced))))

    def __str__(self) -> str:
        return "; ".join(str(rule) for rule in (*self.deny, *self.ask, *self.allow, *self.forced)) or "none"


def merge(roles: Sequence[Role], traits: Traits) -> CommandRules:
    """A pattern whose trait the person lacks is left out."""
    found: dict[Side, list[CommandRule]] = {"deny": [], "ask": [], "allow": []}
    forced: list[Forced] = []
    for role in roles:
        rules = role.spec.options.command_rules
        if rules is None:
            continue
        sides: tuple[tuple[Side, Sequence[RoleCommandRule]], ...] = (
            ("deny", rules.deny), ("ask", rules.ask), ("allow", rules.allow),
        )  # fmt: skip
        for side, written in sides:
            for number, rule in enumerate(written):
                field = f"options.command_rules.{side}[{number}]"
                found[side].append(_rule(role.name, field, rule, traits))
        if rules.forced:
            forced.append(Forced(role=role.name, command=rules.forced))
    return CommandRules(
        deny=tuple(found["deny"]), ask=tuple(found["ask"]), allow=tuple(found["allow"]), forced=tuple(forced)
    )


def decide(rules: CommandRules, command: str | None) -> CommandAnswer:
    """May this be run? None asks for a shell."""
    if rules.forced:
        return _forced(rules)
    if not rules.are_set:
        return CommandAnswer(allowed=True, reason=Reason(code=Code.COMMAND_NOT_DENIED, value=_shown(command)))
    if command is None:
        return _refusal(Code.SHELL_NOT_ALLOWED, None, wanted=_wanted(rules) or ("**",))
    words = command_words.plain(command)
    if words is None:
        return _refusal(Code.COMMAND_NOT_PLAIN, command, wanted=rules.roles)
    denying = [rule for rule in rules.deny if fits(rule, words, is_deny=True)]
    if denying:
        return _refusal(Code.COMMAND_DENIED, command, rule=denying[0])
    asking = [rule for rule in rules.ask if fits(rule, words)]
    if asking:
        reason = _reason(Code.COMMAND_ASKS, command, asking[0])
        return CommandAnswer(allowed=True, reason=reason, words=words, waits=tuple(asking))
    allowing = [rule for rule in rules.allow if fits(rule, words)]
    if not allowing and rules.allow:
        return _refusal(Code.COMMAND_NOT_ALLOWED, command, wanted=_wanted(rules))
    if not allowing:
        return CommandAnswer(allowed=True, reason=_reason(Code.COMMAND_NOT_DENIED, command), words=words)
    free_of = tuple(dict.fromkeys(rule.role for rule in allowing if rule.unmoderated))
    reason = _reason(Code.COMMAND_ALLOWED, command, allowing[0])
    return CommandAnswer(allowed=True, reason=reason, words=words, free_of=free_of)


def fits(rule: CommandRule, words: Sequence[str], *, is_deny: bool = False) -> bool:
    return any(command_patterns.matches(pattern, words, by_base_name=is_deny) for pattern in rule.commands)


def check_forced(command: str) -> None:
    """Raises BadParameter unless it is a plain command."""
    if command_words.plain(command) is None:
        raise command_words.not_plain(command)


def _rule(role: str, field: str, written: RoleCommandRule, traits: Traits) -> CommandRule:
    commands = tuple(pattern for text in written.commands for pattern in command_patterns.expand(text, traits))
    return CommandRule(
        role=role,
        field=field,
        commands=commands,
        unmoderated=bool(getattr(written, "unmoderated", False)),
        filter=str(getattr(written, "filter", "")),
    )


def _forced(rules: CommandRules) -> CommandAnswer:
    commands = dict.fromkeys(one.command for one in rules.forced)
    first = rules.forced[0]
    words = command_words.plain(first.command)
    if len(commands) > 1 or words is None:
        return _refusal(Code.FORCED_DIFFER, None, wanted=tuple(one.role for one in rules.forced))
    reason = Reason(
        code=Code.COMMAND_FORCED, role=first.role, field="options.command_rules.forced", value=first.command
    )
    return CommandAnswer(allowed=True, reason=reason, words=words)


def _wanted(rules: CommandRules) -> tuple[str, ...]:
    every = (*rules.allow, *rules.ask)
    return tuple(dict.fromkeys(pattern for rule in every for pattern in rule.commands))


def _refusal(
    code: Code, command: str | None, *, rule: CommandRule | None = None, wanted: tuple[str, ...] = ()
) -> CommandAnswer:
    return CommandAnswer(allowed=False, reason=_reason(code, command, rule, wanted))


def _reason(code: Code, command: str | None, rule: CommandRule | None = None, wanted: tuple[str, ...] = ()) -> Reason:
    role, field = (rule.role, rule.field) if rule is not None else ("", "")
    return Reason(code=code, value=_shown(command), role=role, field=field, wanted=wanted)


def _shown(command: str | None) -> str:
    text = command or ""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
