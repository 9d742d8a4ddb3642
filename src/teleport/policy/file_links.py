"""Symbolic links at servers that run no agent of ours, where nobody holds open what rules were asked about: between
question and answer a link could take the place of what was looked at.

So one is made or moved only where that changes nothing: whatever may be copied by the name of the link, and below it,
may be copied where the link leads. What cannot be told from the rules is refused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import msgspec

from teleport.policy import path_patterns
from teleport.policy.file_rules import (
    ANY_SIZE,
    AskedFile,
    Direction,
    FileAnswer,
    FileRule,
    FileRules,
    Host,
    decide,
)
from teleport.policy.reasons import Code, Reason

_DIRECTIONS: tuple[Direction, ...] = ("download", "upload")


def decide_link(rules: FileRules, link: AskedFile, target: str, host: Host) -> FileAnswer:
    """`target`: where the link really leads, empty where that is not known; `link.size` is that of what is there."""
    wanted = msgspec.structs.replace(link, direction="upload", size=0, is_folder=False)
    answer = decide(rules, wanted, host)
    if not answer.allowed or not rules.are_set:
        return answer
    for direction in _DIRECTIONS:
        refusal = _leads_on(rules, link, target, direction, host)
        if refusal is not None:
            return FileAnswer(allowed=False, reason=refusal)
    return answer


def _leads_on(rules: FileRules, link: AskedFile, target: str, direction: Direction, host: Host) -> Reason | None:
    """Why more could be copied by the link than by its name."""
    beyond = Reason(code=Code.LINK_BEYOND, value=link.path, detail=target, wanted=rules.roles)
    if not target:
        return beyond
    here = decide(rules, AskedFile(path=link.path, direction=direction), host)
    there = decide(rules, AskedFile(path=target, direction=direction, size=link.size), host)
    if here.allowed and not (there.allowed and _is_as_wide(there.limit, here.limit)):
        return (
            beyond
            if there.allowed
            else msgspec.structs.replace(beyond, role=there.reason.role, field=there.reason.field)
        )
    for rule in _of(rules.deny, direction):
        if not all(_is_even(pattern, link.path, target, host) for pattern in _patterns(rule, host)):
            return msgspec.structs.replace(beyond, role=rule.role, field=rule.field)
    for rule in _of(rules.allow, direction):
        paths = rule.paths or ()
        if any(_may_touch(one, link.path, host) for one in paths) and not any(
            path_patterns.covers(one, target, host.home) for one in paths
        ):
            return msgspec.structs.replace(beyond, role=rule.role, field=rule.field)
    return None


def _of(rules: tuple[FileRule, ...], direction: Direction) -> Iterator[FileRule]:
    """Those that look at paths: what others say is the same everywhere."""
    return (rule for rule in rules if rule.paths is not None and direction in (rule.directions or _DIRECTIONS))


def _patterns(rule: FileRule, host: Host) -> Iterator[str]:
    for pattern in rule.paths or ():
        yield pattern
        if rebased := path_patterns.rebased(pattern, host.real, host.home):
            yield rebased


def _is_even(pattern: str, link: str, target: str, host: Host) -> bool:
    """Whether a denied pattern fits nothing at the target and below, or the same as at the link and below."""
    if not _may_touch(pattern, target, host):
        return True
    if path_patterns.covers(pattern, link, host.home):
        return True
    return path_patterns.is_one_name(pattern) and not path_patterns.matches(pattern, target, host.home)


def _may_touch(pattern: str, path: str, host: Host) -> bool:
    """Whether it could fit the path or anything below."""
    start = path_patterns.base(pattern, host.home) or "/"
    return posixpath.commonpath((start, path)) in (start, path)


def _is_as_wide(limit: int, other: int) -> bool:
    return limit == ANY_SIZE or (other != ANY_SIZE and limit >= other)
