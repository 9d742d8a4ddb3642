"""What the guides show works as they say."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from teleport.model.codec import decode_document
from teleport.model.yaml_source import documents
from teleport.policy import role_texts
from teleport.policy.case_answers import run
from teleport.policy.cases import QUESTIONS, Case, read
from teleport.policy.reasons import Code
from teleport.policy.world import World

GUIDES = Path(__file__).parents[3] / "docs" / "guides"
EXPLAINING = (GUIDES / "explaining-access.md").read_text(encoding="utf-8")
IN_DEPTH = (GUIDES / "roles-in-depth.md").read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def test_the_cases_pass() -> None:
    (block,) = blocks(EXPLAINING)
    suite = read(block)
    (test,) = suite.tests
    outcomes = run(World(suite.resources), test, datetime(2020, 1, 1, tzinfo=UTC))
    assert [one.problem for one in outcomes if not one.passed] == []
    assert len(outcomes) == 7


def test_every_question_and_field_of_a_case_is_described() -> None:
    for name in QUESTIONS:
        assert f"| `{name}` |" in EXPLAINING
    for name in set(Case.__struct_fields__) - set(QUESTIONS) - {"name"}:
        assert f"`{name}`" in EXPLAINING or f"cases[].{name}`" in EXPLAINING


@pytest.mark.parametrize("block", blocks(IN_DEPTH))
def test_roles_are_ones_that_a_cluster_takes(block: str) -> None:
    for document, _ in documents(block):
        assert isinstance(document, dict)
        made = decode_document({"kind": "role", "version": "v7", "metadata": {"name": "r"}, **document})
        role_texts.check(made)  # type: ignore[arg-type]


def test_codes_in_guides_are_codes() -> None:
    assert set(re.findall(r"code: (\w+)", EXPLAINING)) <= set(Code)
