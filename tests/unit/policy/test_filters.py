from __future__ import annotations

import pytest
from roles import node

from teleport.foundation.errors import BadParameter
from teleport.policy.filters import ResourceFilter

WEB = node("Web1", env="prod", team="blue")


@pytest.mark.parametrize(
    ("query", "search", "labels", "expected"),
    [
        ("", "", {}, True),
        ("", "web", {}, True),
        ("", "WEB,prod", {}, True),
        ("", "web blue", {}, True),
        ("", "web,nothing", {}, False),
        ("", "env=prod", {}, True),
        ("", "", {"env": "prod"}, True),
        ("", "", {"env": "dev"}, False),
        ("", "", {"absent": ""}, False),
        ('labels["env"] == "prod"', "", {}, True),
        ('name == "Web1"', "", {}, True),
        ('resource.metadata.name == "uuid-Web1"', "", {}, True),
        ('resource.spec.hostname == "Web1"', "", {}, True),
        ('labels.env == "prod"', "web", {"team": "red"}, False),
        ('search("web", "blue") && !exists(labels.zone)', "", {}, True),
    ],
)
def test_narrows(query: str, search: str, labels: dict[str, str], expected: bool) -> None:
    assert ResourceFilter(query, search, labels).matches(WEB) is expected


def test_refuses_a_query_that_cannot_be_read() -> None:
    with pytest.raises(BadParameter, match="column 1"):
        ResourceFilter('lables["env"] == "prod"')
    with pytest.raises(BadParameter, match="at most"):
        ResourceFilter(search="a " * 40)
