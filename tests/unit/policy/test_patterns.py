from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.foundation.errors import BadParameter
from teleport.policy.patterns import PatternSet, Regex, glob, matcher, regex, replace


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("prod", "prod", True),
        ("prod", "production", False),
        ("prod", "PROD", False),
        ("*", "", True),
        ("*", "anything", True),
        ("us-west-*", "us-west-", True),
        ("us-west-*", "us-west-2", True),
        ("us-west-*", "x-us-west-2", False),
        ("*-prod", "eu-prod", True),
        ("a*b*c", "abc", True),
        ("a*b*c", "a--b--c", True),
        ("a*b*c", "a--c", False),
        ("a*a", "a", False),
        ("**", "x", True),
        ("a?c", "abc", False),
        ("a?c", "a?c", True),
        ("[ab]", "a", False),
        ("a.c", "abc", False),
        ("^a.c$", "abc", True),
        ("^prod|staging$", "production", True),  # regex precedence: ^prod, or staging$
        ("^prod|staging$", "my-staging", True),
        ("^prod|staging$", "my-staging-2", False),
        ("^(prod|staging)$", "production", False),
        ("^prod", "prod", False),  # without $ it is a literal
        ("^prod", "^prod", True),
        ("prod$", "prod", False),
        ("^", "^", True),
        ("", "", True),
        ("", "x", False),
        ("^(?i)prod$", "PROD", True),
        ("^.*$", "\udcff", True),
    ],
)
def test_matches_as_literal_glob_or_regex(pattern: str, text: str, expected: bool) -> None:
    assert matcher(pattern)(text) is expected
    assert PatternSet([pattern]).matches(text) is expected


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=12))
def test_globs_agree_with_their_regular_expression(pattern: str, text: str) -> None:
    expected = re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text, re.DOTALL) is not None
    assert glob(pattern)(text) is expected


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "a{1001}", "((a{100}){100}){100}", "a" * 5000, "\\"])
def test_refuses_expressions_that_re2_cannot_run(pattern: str) -> None:
    with pytest.raises(BadParameter, match="regular expression"):
        Regex(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "replacement", "expected"),
    [
        ("^(.*)@example.com$", "bob@example.com", "$1", "bob"),
        ("^(.*)@example.com$", "bob@other.com", "$1", None),
        ("b", "abcb", "x", "axcx"),
        ("(?P<first>[a-z]+)-([a-z]+)", "ab-cd", "${2}.${first}", "cd.ab"),
        ("(a)", "a", "$1x", ""),  # the name is 1x, as in Go
        ("(a)", "a", "${1}x", "ax"),
        ("a", "a", "$$", "$"),
        ("a", "a", "$9", ""),
    ],
)
def test_replaces_with_captures(pattern: str, text: str, replacement: str, expected: str | None) -> None:
    assert replace(regex(pattern), text, replacement) == expected
