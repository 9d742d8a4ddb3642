"""Roles of the shapes that Teleport's public documentation shows decide as it says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from teleport.policy.case_answers import Outcome, run
from teleport.policy.cases import read
from teleport.policy.world import World

SUITE = read(Path(__file__).with_name("documented_access.yaml").read_text(encoding="utf-8"))
OUTCOMES = run(World(SUITE.resources), SUITE.tests[0], datetime(2030, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda one: one.name)
def test_as_documented(outcome: Outcome) -> None:
    assert outcome.passed, outcome.problem
