"""Aliases: which words become which."""

from __future__ import annotations

import pytest

from teleport.cli.tsh.aliases import expand
from teleport.foundation.errors import BadParameter

ALIASES = {
    "l": "tsh login --auth=okta",
    "pg": "tsh ssh -L $1:localhost:5432 root@$0",
    "login": "tsh login --ttl=60",
    "both": "bash -c '$TSH status; $TSH ls $0'",
    "empty": " ",
}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("l --browser=none", "tsh login --auth=okta --browser=none"),
        ("--proxy=a l x", "tsh --proxy=a login --auth=okta x"),
        ("pg db-1 15432 -N", "tsh ssh -L 15432:localhost:5432 root@db-1 -N"),
        ("status", None),
        ("", None),
        ("--help", None),
    ],
)
def test_words_are_filled_in_and_the_rest_follows(typed: str, meant: str | None) -> None:
    assert expand(typed.split(), ALIASES) == (meant.split() if meant is not None else None)


def test_other_programs_are_run_as_they_are_written() -> None:
    assert expand(["both", "env=a", "more"], ALIASES) == ["bash", "-c", "$TSH status; $TSH ls env=a", "more"]


def test_an_alias_is_expanded_once() -> None:
    assert expand(["login"], ALIASES) == ["tsh", "login", "--ttl=60"]
    assert expand(["login", "--ttl=60"], ALIASES, frozenset({"login"})) is None


@pytest.mark.parametrize("typed", ["pg", "pg db", "empty"])
def test_words_that_are_missing_are_told(typed: str) -> None:
    with pytest.raises(BadParameter, match="alias"):
        expand(typed.split(), ALIASES)
