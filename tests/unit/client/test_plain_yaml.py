"""The flat YAML of profiles reads what it writes, and agrees with the real parser."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from teleport.client import plain_yaml

_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=30)


@given(st.dictionaries(st.from_regex(r"key_[a-z_]{1,10}", fullmatch=True), _TEXT | st.booleans() | st.integers()))
def test_what_is_written_is_read_back_by_both_parsers(values: dict[str, str | bool | int]) -> None:
    text = plain_yaml.write(dict(values))
    assert plain_yaml.read(text) == values
    assert (yaml.safe_load(text) or {}) == values


def test_lists_are_read_back() -> None:
    text = plain_yaml.write({"forward_ports": ["80:a:80", "- x", "true", "a b"]})
    assert yaml.safe_load(text) == plain_yaml.read(text) == {"forward_ports": ["80:a:80", "- x", "true", "a b"]}


@pytest.mark.parametrize("text", ["a: {b: c}\n", "a: |\n  x\n"])
def test_richer_documents_go_to_the_real_parser(text: str) -> None:
    assert "a" in plain_yaml.read(text)
