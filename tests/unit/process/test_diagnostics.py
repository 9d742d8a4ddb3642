"""Health as a machine of states, and the three pages over real HTTP."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request

import pytest
from harness.ports import free_port

from teleport.net.address import Address
from teleport.process.diagnostics import DiagnosticsService
from teleport.process.health import Health, State


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        ([], State.STARTING),
        ([False], State.STARTING),
        ([True], State.OK),
        ([True, False], State.DEGRADED),
        ([True, False, True], State.RECOVERING),
        ([True, False, True, True], State.OK),
        ([True, False, True, False], State.DEGRADED),
    ],
)
def test_two_good_heartbeats_heal_a_failed_one(beats: list[bool], expected: State) -> None:
    health = Health()
    health.expect("node")
    for beat in beats:
        health.beat("node", beat)
    assert health.state is expected


@pytest.mark.parametrize(("node", "expected"), [(None, State.STARTING), (True, State.OK), (False, State.STARTING)])
def test_the_worst_part_is_the_state_of_the_whole(node: bool | None, expected: State) -> None:
    health = Health()
    health.expect("auth")
    health.expect("node")
    health.beat("auth", True)
    if node is not None:
        health.beat("node", node)
    assert health.state is expected


def fetch(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


async def test_the_pages_tell_the_state() -> None:
    health = Health()
    health.expect("node")
    port, ready = free_port(), asyncio.Event()
    service = DiagnosticsService(Address("127.0.0.1", port), health)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(service.run(ready.set))
        await ready.wait()
        assert await asyncio.to_thread(fetch, port, "/healthz") == (200, b'{"status":"ok"}')
        status, body = await asyncio.to_thread(fetch, port, "/readyz")
        assert (status, json.loads(body)["status"]) == (400, "starting")
        health.beat("node", True)
        assert (await asyncio.to_thread(fetch, port, "/readyz"))[0] == 200
        health.beat("node", False)
        assert (await asyncio.to_thread(fetch, port, "/readyz"))[0] == 503
        status, body = await asyncio.to_thread(fetch, port, "/metrics")
        assert status == 200
        assert b"process_state 2.0" in body
        assert (await asyncio.to_thread(fetch, port, "/secret"))[0] == 404
        running.cancel()
