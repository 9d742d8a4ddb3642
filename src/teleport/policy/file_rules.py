"""Which files may be copied, of the rules of all roles: a deny that fits wins; where any role allows files by rules,
one of all these rules must fit; what no rule speaks of is free.

Paths are those that the host resolved. A deny also fits the path as it was asked for, and the place where its own
folder really is; an allow fits only where a file really is, as links may be those of the person who copies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from teleport.model.resources.file_rules import FileRule as RoleFileRule
from teleport.model.resources.role import Role
from teleport.policy import path_patterns
from teleport.policy.reasons import Code, Reason
from teleport.policy.templates import Traits

Direction: TypeAlias = Literal["download", "upload"]
ANY_SIZE = -1


class FileRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of one role, for one person. `size`: of a deny, the largest that escapes it; of an allow, that it
    takes.
    """

    role: str
    field: str
    paths: tuple[str, ...] | None = None
    directions: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    size: int = ANY_SIZE

    @property
    def is_deny(self) -> bool:
        return ".deny[" in self.field

    @property
    def conditions(self) -> tuple[str, ...]:
        """In words, for people."""
        found = [", ".join(self.directions) or "download, upload"]
        found += [f"paths {', '.join(self.paths)}"] if self.paths is not None else []
        found += [f"extensions {', '.join(self.extensions)}"] if self.extensions else []
        found += [f"{'larger than' if self.is_deny else 'up to'} {self.size} bytes"] if self.size >= 0 else []
        return tuple(found)

    def __str__(self) -> str:
        return f"{self.field} of {self.role} ({'; '.join(self.conditions)})"


class AskedFile(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is where the file really is, `others` where else it was looked for; folders have no size."""

    path: str
    direction: Direction
    others: tuple[str, ...] = ()
    size: int = 0
    is_folder: bool = False


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule has to know of the host: the login's home, and where folders really are."""

    home: str = ""
    real: Mapping[str, str] = {}


class FileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """It holds for sizes up to `limit`; -1 for all."""

    allowed: bool
    reason: Reason
    limit: int = ANY_SIZE


class FileRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of all roles of a person."""

    deny: tuple[FileRule, ...] = ()
    allow: tuple[FileRule, ...] = ()

    @property
    def are_set(self) -> bool:
        return bool(self.deny or self.allow)

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.role for rule in (*self.deny, *self.allow)))

    def __str__(self) -> str:
        return "; ".join(str(rule) for rule in (*self.deny, *self.allow)) or "none"

    def bases(self, home: str) -> tuple[str, ...]:
        """The folders of denied paths, of which `Host.real` should say where they are."""
        found = (path_patterns.base(path, home) for rule in self.deny for path in rule.paths or ())
        return tuple(dict.fromkeys(base for base in found if base))


NO_HOST = Host()


def merge(roles: Sequence[Role], traits: Traits) -> FileRules:
    """A path whose trait the person lacks is left out; a rule that has no path left fits nothing."""
    deny: list[FileRule] = []
    allow: list[FileRule] = []
    for role in roles:
        rules = role.spec.options.file_rules
        if rules is None:
            continue
        for number, denied in enumerate(rules.deny):
            field = f"options.file_rules.deny[{number}]"
            deny.append(_rule(role.name, field, denied, denied.larger_than, traits))
        for number, allowed in enumerate(rules.allow):
            field = f"options.file_rules.allow[{number}]"
            allow.append(_rule(role.name, field, allowed, allowed.max_size, traits))
    return FileRules(deny=tuple(deny), allow=tuple(allow))


def decide(rules: FileRules, asked: AskedFile, host: Host = NO_HOST) -> FileAnswer:
    """May this file be copied this way?"""
    limit = ANY_SIZE
    for rule in rules.deny:
        if not fits(rule, asked, host):
            continue
        if rule.size == ANY_SIZE or asked.size > rule.size:
            return _refusal(Code.FILE_DENIED, asked, rule)
        limit = _lower(limit, rule.size)
    if not rules.allow:
        return FileAnswer(allowed=True, reason=_reason(Code.FILE_NOT_DENIED, asked), limit=limit)
    fitting = [rule for rule in rules.allow if fits(rule, asked, host)]
    if not fitting:
        wanted = tuple(dict.fromkeys(path for rule in rules.allow for path in rule.paths or ("/**",)))
        return FileAnswer(allowed=False, reason=_reason(Code.FILE_NOT_ALLOWED, asked, wanted=wanted))
    widest = max(fitting, key=lambda rule: (rule.size == ANY_SIZE, rule.size))
    if widest.size != ANY_SIZE and asked.size > widest.size:
        return _refusal(Code.FILE_TOO_LARGE, asked, widest)
    reason = _reason(Code.FILE_ALLOWED, asked, role=widest.role, field=widest.field)
    return FileAnswer(allowed=True, reason=reason, limit=_lower(limit, widest.size))


def decide_move(rules: FileRules, source: AskedFile, target: AskedFile, host: Host = NO_HOST) -> FileAnswer:
    """May a file get another name, or one more? Both must be the person's to change, and nothing may become a
    download by it that is none. Folders take along what nobody looks at, so they stay.
    """
    if source.is_folder and rules.are_set:
        reason = Reason(code=Code.FOLDER_MOVE, value=source.path, wanted=rules.roles)
        return FileAnswer(allowed=False, reason=reason)
    for one in (source, target):
        answer = decide(rules, msgspec.structs.replace(one, direction="upload"), host)
        if not answer.allowed:
            return answer
    there = decide(rules, msgspec.structs.replace(target, direction="download"), host)
    here = decide(rules, msgspec.structs.replace(source, direction="download"), host)
    if there.allowed and not here.allowed:
        return here
    return FileAnswer(allowed=True, reason=answer.reason)


def _rule(role: str, field: str, written: RoleFileRule, size: int | None, traits: Traits) -> FileRule:
    paths = tuple(path for text in written.paths for path in path_patterns.expand(text, traits))
    return FileRule(
        role=role,
        field=field,
        paths=paths if written.paths else None,
        directions=tuple(written.directions),
        extensions=tuple(one.strip(".").lower() for one in written.extensions),
        size=ANY_SIZE if size is None else size,
    )


def fits(rule: FileRule, asked: AskedFile, host: Host = NO_HOST) -> bool:
    """Whether the file is what a rule speaks of, whatever its size."""
    if rule.directions and asked.direction not in rule.directions:
        return False
    is_deny = rule.is_deny
    paths = (asked.path, *asked.others) if is_deny else (asked.path,)
    if rule.extensions and not asked.is_folder and not any(_has_extension(path, rule.extensions) for path in paths):
        return False
    if rule.extensions and asked.is_folder and is_deny:
        return False
    if rule.paths is None:
        return True
    if any(path_patterns.matches(pattern, path, host.home) for pattern in rule.paths for path in paths):
        return True
    rebased = (path_patterns.rebased(pattern, host.real, host.home) for pattern in rule.paths) if is_deny else ()
    return any(path_patterns.matches(pattern, asked.path) for pattern in rebased if pattern)


def _has_extension(path: str, extensions: Sequence[str]) -> bool:
    name = path.rsplit("/", 1)[-1].lower()
    return any(name.endswith(f".{extension}") for extension in extensions)


def _lower(one: int, other: int) -> int:
    return max(one, other) if ANY_SIZE in (one, other) else min(one, other)


def _refusal(code: Code, asked: AskedFile, rule: FileRule) -> FileAnswer:
    reason = _reason(
        code, asked, role=rule.role, field=rule.field, wanted=(str(rule.size),) if rule.size >= 0 else ()
    )
    return FileAnswer(allowed=False, reason=reason)


def _reason(code: Code, asked: AskedFile, *, role: str = "", field: str = "", wanted: tuple[str, ...] = ()) -> Reason:
    return Reason(
        code=code, verb=asked.direction, value=asked.path, role=role, field=field, wanted=wanted,
        detail=str(asked.size) if asked.size else "",
    )  # fmt: skip
