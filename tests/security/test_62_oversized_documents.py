"""Must-refuse 62: oversized documents, nesting and alias bombs, oversized fields. Refused early, in bounded time."""

from __future__ import annotations

import time

import pytest

from teleport.foundation.errors import BadParameter, LimitExceeded
from teleport.model import codec

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)
REFUSALS = (BadParameter, LimitExceeded)
LIMIT_SECONDS = 10.0  # of processor time; what explodes takes hours


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "[" * 100_000,
        "[" * 900 + "]" * 900,
        "&a [*a]",
        "{a: " * 100_000,
        "- " * 100_000 + "x",
        "kind: user\nmetadata:\n  name: a\n  labels: {a: " + "x" * 2_000_000 + "}",
        "kind: user\nmetadata: {name: a}\nspec:\n  roles: [" + "a, " * 200_000 + "a]",
        "# a comment\n" * 1_500_000,
        "kind: user\nmetadata: {name: a}\n---\n" * 10_001,
        "kind: role\nmetadata: {name: a}\nspec: {allow: {node_labels_expression: '" + "x" * 10_000 + "'}}",
        "kind: role\nmetadata: {name: a}\nspec: {allow: {rules: [{resources: [a], verbs: [b], where: '"
        + "x" * 10_000
        + "'}]}}",
        "kind: access_request\nmetadata: {name: a}\nspec: {user: u, roles: [r], request_reason: '"
        + "x" * 5_000
        + "'}",
        "kind: user\nmetadata: {name: '" + "n" * 300 + "'}",
        "kind: user\nmetadata: {name: a, labels: {'" + "k" * 300 + "': v}}",
    ],
    ids=[
        "alias bomb", "nested lists", "closed lists", "list in itself", "nested mappings", "nested blocks",
        "large document", "many values",
        "large file",
        "many documents", "large expression", "large where", "large reason", "long name", "long label key",
    ],
)  # fmt: skip
def test_oversized_yaml_is_refused_in_time(text: str) -> None:
    started = time.process_time()
    with pytest.raises(REFUSALS):
        codec.from_yaml(text)
    assert time.process_time() - started < LIMIT_SECONDS


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"kind":"user","metadata":{"name":"a","labels":{"a":"' + "x" * 2_000_000 + '"}}}',
        '{"kind":"user","metadata":{"name":"a"},"spec":{"traits":{"a":["' + "x" * 17_000_000 + '"]}}}',
        '[{"kind":"user","metadata":{"name":"a"}}' + ',{"kind":"user","metadata":{"name":"a"}}' * 10_000 + "]",
    ],
    ids=["nested lists", "nested mappings", "large document", "large file", "many resources"],
)
def test_oversized_json_is_refused_in_time(text: str) -> None:
    started = time.process_time()
    with pytest.raises(REFUSALS):
        codec.from_json(text)
    assert time.process_time() - started < LIMIT_SECONDS


def test_a_document_of_ordinary_size_passes() -> None:
    text = "kind: user\nmetadata: {name: a}\nspec:\n  roles: [" + "a, " * 20_000 + "a]"
    assert len(codec.from_yaml(text)) == 1
