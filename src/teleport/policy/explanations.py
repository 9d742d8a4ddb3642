"""Explanations as text, in English and Korean, and as plain data for JSON."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from teleport.policy.explain import Check, Explanation, RoleStory
from teleport.policy.sentences import Language, sentence

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "allowed": "ALLOWED",
        "denied": "DENIED",
        "labels": "labels",
        "none": "none",
        "hidden": "this user cannot see it in lists",
        "role": "role",
        "allows": "allows it",
        "denies": "DENIES it",
        "nothing": "does not allow it",
        "silent": "says nothing about it",
        "met": "yes",
        "unmet": "no",
        "strikes": "denies",
        "idle": "does not apply",
        "found": "found",
        "asked": "asked",
        "absent": "the label is not there",
        "written": "written",
        "needed": "would have been needed",
        "any": "nothing",
    },
    "ko": {
        "allowed": "허용",
        "denied": "거부",
        "labels": "레이블",
        "none": "없음",
        "hidden": "이 사용자의 목록에는 보이지 않습니다",
        "role": "역할",
        "allows": "허용합니다",
        "denies": "거부합니다",
        "nothing": "허용하지 않습니다",
        "silent": "이에 대한 규칙이 없습니다",
        "met": "충족",
        "unmet": "미충족",
        "strikes": "거부",
        "idle": "해당 없음",
        "found": "실제",
        "asked": "요청",
        "absent": "레이블이 없습니다",
        "written": "원문",
        "needed": "필요했던 조건",
        "any": "없음",
    },
}


def as_text(explanation: Explanation, language: Language = "en") -> str:
    """Question and answer on the first lines, then each role, those that decided first."""
    words = _WORDS[language]
    decision = explanation.decision
    verdict = words["allowed"] if decision.allowed else words["denied"]
    lines = [f"{_question(explanation)}: {verdict}", f"  {sentence(decision.reason, language)}"]
    if not explanation.verb:
        shown = ", ".join(f"{key}={value}" for key, value in sorted(explanation.labels.items()))
        lines.append(f"  {words['labels']}: {shown or words['none']}")
        if not explanation.is_visible:
            lines.append(f"  {words['hidden']}")
    for story in sorted(explanation.roles, key=_rank):
        lines += _role(story, words)
    return "\n".join(lines)


def as_plain(explanation: Explanation, language: Language = "en") -> dict[str, object]:
    """For JSON: all of it, and the words of the reasons."""
    plain: dict[str, object] = msgspec.to_builtins(explanation)
    decision = explanation.decision
    plain["allowed"] = decision.allowed
    plain["message"] = sentence(decision.reason, language)
    plain["message_for_user"] = decision.message_for_user(language)
    plain["notes"] = [sentence(note, language) for note in decision.notes]
    return plain


def _question(explanation: Explanation) -> str:
    target = f"{explanation.kind}/{explanation.name}" if explanation.name else explanation.kind
    if explanation.verb:
        return f"{explanation.user}: {explanation.verb} {target}"
    asked = "".join(f", {name} {value}" for name, value in explanation.asked.items())
    return f"{explanation.user}: {target}{asked}"


def _rank(story: RoleStory) -> tuple[int, str]:
    is_silent = not story.allow and not story.deny
    return (0 if story.denies else 1 if story.allows else 3 if is_silent else 2, story.role)


def _role(story: RoleStory, words: dict[str, str]) -> Iterator[str]:
    is_silent = not story.allow and not story.deny
    key = "denies" if story.denies else "silent" if is_silent else "allows" if story.allows else "nothing"
    version = f" ({story.version})" if story.version else ""
    yield f"{words['role']} {story.role}{version}: {words[key]}"
    for check in (*story.allow, *story.demands):
        yield f"  [{words['met'] if check.is_met else words['unmet']}] {_check(check, words)}"
    for check in story.deny:
        yield f"  [{words['strikes'] if check.is_met else words['idle']}] {_check(check, words)}"
    if story.missing and story.allow and not story.denies:
        yield f"  {words['needed']}: {'; '.join(_wanted(check) for check in story.missing)}"


def _wanted(check: Check) -> str:
    if check.found and "label" not in check.field:
        return f"{check.field}: {check.found}"
    return f"{check.field}: {' | '.join(check.wanted) or check.problem}"


def _check(check: Check, words: dict[str, str]) -> str:
    is_rule = ".rules[" in check.field and not check.wanted
    parts = [check.field if is_rule else f"{check.field}: {' | '.join(check.wanted) or words['any']}"]
    is_label = check.field.endswith("_labels") and not check.field.startswith("deny.")
    if check.found:
        parts.append(f"{words['found' if is_label else 'asked']}: {check.found}")
    elif is_label and not check.is_met and not check.problem:
        parts.append(words["absent"])
    if check.written:
        parts.append(f"{words['written']}: {' | '.join(check.written)}")
    if check.problem:
        parts.append(check.problem)
    return "; ".join(parts)
