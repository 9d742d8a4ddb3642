"""Reasons in words, in the language that is asked for. Each language has a table by code, and lacks none."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from teleport.policy import sentences_en, sentences_ko
from teleport.policy.reasons import Reason

Language: TypeAlias = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


def sentence(reason: Reason, language: Language = "en") -> str:
    """One reason."""
    table = sentences_ko.SENTENCES if language == "ko" else sentences_en.SENTENCES
    return table[reason.code](reason)


def generic_refusal(kind: str, verb: str = "", language: Language = "en") -> str:
    """The same text for what is forbidden and for what is not there."""
    if language == "ko":
        return sentences_ko.generic_refusal(kind, verb)
    return sentences_en.generic_refusal(kind, verb)
