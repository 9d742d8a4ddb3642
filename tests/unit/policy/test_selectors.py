from __future__ import annotations

import pytest

from teleport.policy.selectors import LabelSelector, SelectorIndex


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({}, {"env": "prod"}, False),
        ({}, {}, False),
        ({"*": ["*"]}, {}, True),
        ({"*": ["*"]}, {"env": "prod"}, True),
        ({"*": ["*"], "env": ["dev"]}, {"env": "prod"}, True),
        ({"env": ["prod"]}, {"env": "prod", "team": "x"}, True),
        ({"env": ["prod"]}, {}, False),
        ({"env": ["dev", "prod"]}, {"env": "prod"}, True),
        ({"env": ["prod"], "team": ["a"]}, {"env": "prod"}, False),
        ({"env": ["prod"], "team": ["a"]}, {"env": "prod", "team": "a"}, True),
        ({"env": ["prod"], "team": ["a"]}, {"env": "prod", "team": "b"}, False),
        ({"env": ["*"]}, {"env": "anything"}, True),
        ({"env": ["*"]}, {"team": "x"}, False),
        ({"env": ["*"]}, {"env": ""}, True),
        ({"env": [""]}, {"env": ""}, True),
        ({"env": [""]}, {}, False),
        ({"env": []}, {"env": "prod"}, False),
        ({"Env": ["prod"]}, {"env": "prod"}, False),
        ({"": ["*"]}, {"env": "prod"}, False),
    ],
)
def test_matches_labels(selector: dict[str, list[str]], labels: dict[str, str], expected: bool) -> None:
    compiled = LabelSelector(selector)
    assert compiled.matches(labels) is expected
    # and the same when it is one of many
    index = SelectorIndex([LabelSelector({"zone": ["z"]}), compiled, LabelSelector({"env": ["other"]})])
    for _ in range(2):  # the second answer comes from memory
        assert bool(index.mask(labels) & 0b010) is expected


def test_the_memory_of_values_stays_bounded_and_right() -> None:
    index = SelectorIndex([LabelSelector({"host": ["web-*"]}), LabelSelector({"host": ["web-7"]})])
    for number in range(10_000):
        assert index.mask({"host": f"web-{number}"}) == (0b11 if number == 7 else 0b01)
    assert max(len(key._remembered) for key in index._by_key) <= 4100
