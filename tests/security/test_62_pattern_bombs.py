"""62: oversized or exploding expressions, patterns and templates; a role that cannot be read grants nothing."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import pytest
from roles import node, role_set, unchecked

from teleport.foundation.errors import BadParameter
from teleport.model.resources.role_conditions import Rule
from teleport.policy import expressions, functions, patterns, templates
from teleport.policy.access import AccessState, can_access_node
from teleport.policy.actions import may
from teleport.policy.filters import ResourceFilter
from teleport.policy.languages import FILTER, LABELS, WHERE

BUDGET = 20.0  # seconds of processor time on a machine that does much else; what explodes takes hours


@pytest.fixture(autouse=True)
def within_the_budget() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < BUDGET, "it must be refused or answered quickly"


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|aa)+$", r"^(a*)*b$", r"^(.*)*(.*)*(.*)*x$", "*a" * 30 + "*"])
def test_patterns_that_explode_elsewhere_run_in_linear_time(pattern: str) -> None:
    victim = "a" * 20_000 + "!"
    assert patterns.matcher(pattern)(victim) in (True, False)


@pytest.mark.parametrize(
    "pattern",
    ["^" + "(a?){500}" * 400 + "$", "^((a{100}){100}){100}$", "^" + "a" * 5000 + "$", r"^(?=a)$", r"^(a)\1$"],
)
def test_patterns_that_cost_memory_are_refused(pattern: str) -> None:
    with pytest.raises(BadParameter):
        patterns.matcher(pattern)


@pytest.mark.parametrize(
    "text",
    [
        "!" * 8000 + "true",
        "(" * 8000,
        'labels["a"] == "' + "x" * 9000 + '"',
        "contains(" * 1000 + ")" * 1000,
        "strings.upper(" * 60 + '""' + ")" * 60 + ' == ""',
        "[" * 8000,
        '"' + "\\u" * 4000 + '"',
    ],
)
def test_expressions_that_are_too_long_or_too_deep_are_refused(text: str) -> None:
    for language in (LABELS, WHERE, FILTER):
        with pytest.raises(BadParameter):
            expressions.check(text, language)
    with pytest.raises(BadParameter):
        ResourceFilter(query=text)


def test_growth_by_nesting_is_bounded() -> None:
    text = 'labels["a"]'
    for _ in range(30):
        text = f'strings.replaceall({text}, "a", "aaaaaaaa")'
    expression = expressions.Expression(f'{text} == "x"', LABELS)
    with pytest.raises(BadParameter, match="larger"):
        expression.holds({"labels": {"a": "aaaa"}})
    template = "external.a"
    for _ in range(30):
        template = f'regexp.replace({template}, "^(.*)$", "$1$1$1$1$1$1$1$1")'
    assert templates.expand([f"{{{{{template}}}}}"], {"a": ["aaaa"]}) == []


def test_one_replacement_does_not_fill_the_memory() -> None:
    tracemalloc.start()
    try:
        for call in (
            lambda: patterns.replace(patterns.regex("^(.*)$"), "a" * 60_000, "$1" * 2000),
            lambda: patterns.replace(patterns.regex("a"), "a" * 60_000, "x" * 4000),
            lambda: functions.replace_all(("a" * 60_000,), "a", "x" * 4000),
        ):
            with pytest.raises(BadParameter, match="larger"):
                call()
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_a_search_of_endless_words_is_refused() -> None:
    with pytest.raises(BadParameter):
        ResourceFilter(search="a," * 10_000)


@pytest.mark.parametrize("broken", ["nonsense(", "!" * 8000 + "true", 'regexp.match(labels["a"], "^($")'])
def test_a_stored_expression_that_cannot_be_read_grants_nothing_and_lifts_no_deny(broken: str) -> None:
    everything = {"logins": ["root"], "node_labels": {"*": ["*"]}}
    allowing = role_set(unchecked("a", allow=everything | {"node_labels_expression": broken}))
    assert not can_access_node(allowing, node(), "root", AccessState()).allowed
    denying = role_set(unchecked("a", allow=everything), unchecked("d", deny={"node_labels_expression": broken}))
    assert not can_access_node(denying, node(), "root", AccessState()).allowed
    rules = [Rule(resources=["*"], verbs=["*"])]
    where = [Rule(resources=["role"], verbs=["read"], where=broken)]
    assert not may(role_set(unchecked("a", allow={"rules": where})), "read", "role").allowed
    assert not may(role_set(unchecked("a", allow={"rules": rules}, deny={"rules": where})), "read", "role").allowed
