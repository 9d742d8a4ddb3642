"""The doors of a proxy and of a node, for a moment in each run of the tests; `make fuzz` knocks for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzzing.doors import Door, knock, proxy_doors
from fuzzing.ssh_doors import host_doors, ssh_doors

from teleport.foundation.logs import get_logger

SECONDS = 2.0


@pytest.mark.parametrize("number", range(5))
async def test_a_proxy_stands(number: int, tmp_path: Path) -> None:
    async with proxy_doors(tmp_path) as doors:
        assert not await knock(doors[number], SECONDS, seed=1)


@pytest.mark.parametrize("number", range(3))
async def test_a_node_stands(number: int, tmp_path: Path) -> None:
    async with ssh_doors(tmp_path) as doors:
        assert not await knock(doors[number], SECONDS, seed=1)


async def test_a_proxy_that_goes_on_to_a_host_stands(tmp_path: Path) -> None:
    async with host_doors(tmp_path) as doors:
        assert not await knock(doors[0], SECONDS, seed=1)


async def test_a_door_that_breaks_is_noticed() -> None:
    async def fails(data: bytes) -> None:
        get_logger("web").error("request failed", path="/x")

    async def is_served() -> bool:
        return False

    told = await knock(Door("broken", (b"x",), fails, is_served, lambda: 0), 0, seed=1)
    assert [line.removeprefix("broken (seed 1): ") for line in told] == [
        "request failed {'path': '/x'}",
        "an honest caller is not served any more",
    ]
