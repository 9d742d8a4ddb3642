"""Every reason is told in every language, with its parts in it."""

from __future__ import annotations

import re

import pytest
from roles import node, role, role_set

from teleport.policy import sentences_en, sentences_ko
from teleport.policy.access import AccessState, can_access_node
from teleport.policy.decision import Decision
from teleport.policy.reasons import Code, Reason
from teleport.policy.sentences import LANGUAGES, Language, generic_refusal, sentence

FULL = {
    "kind": "node",
    "name": "NAME",
    "verb": "read",
    "role": "ROLE",
    "field": "FIELD",
    "value": "VALUE",
    "wanted": ("WANTED",),
    "detail": "DETAIL",
}
PARTS = re.compile(r"NAME|ROLE|FIELD|VALUE|WANTED|DETAIL")


def full(code: Code) -> Reason:
    return Reason(code=code, **FULL)  # type: ignore[arg-type]


def test_no_language_lacks_a_code() -> None:
    assert set(sentences_en.SENTENCES) == set(sentences_ko.SENTENCES) == set(Code)


@pytest.mark.parametrize("code", list(Code))
def test_each_code_has_a_sentence_with_and_without_parts(code: Code) -> None:
    for language in LANGUAGES:
        assert sentence(full(code), language)
        assert isinstance(sentence(Reason(code=code), language), str)
    assert sentence(full(code), "en") != sentence(full(code), "ko")


# who of them is meant is plain from the sentence alone in one language
_TELL_MORE = {Code.LABELS_DIFFER, Code.SYSTEM_ROLE_FORBIDS}


@pytest.mark.parametrize("code", [code for code in Code if code not in _TELL_MORE])
def test_languages_tell_the_same_parts(code: Code) -> None:
    english, korean = (set(PARTS.findall(sentence(full(code), language))) for language in LANGUAGES)
    assert english == korean


@pytest.mark.parametrize("language", LANGUAGES)
def test_strangers_get_one_text_for_forbidden_and_absent(language: Language) -> None:
    roles = role_set(role(allow={"logins": ["root"], "node_labels": {"env": "dev"}}))
    decision = can_access_node(roles, node("secret", env="prod"), "root", AccessState())
    assert decision.message_for_user(language) == generic_refusal("node", "", language)
    assert "secret" not in decision.message_for_user(language)
    assert "env" in decision.message_for_administrator(language)


def test_the_language_is_a_choice() -> None:
    told = Decision(allowed=False, reason=Reason(code=Code.REVIEW_OF_OWN))
    assert told.message_for_user() == "a request cannot be reviewed by who made it."
    assert told.message_for_user("ko") == "자신의 요청은 검토할 수 없습니다."
