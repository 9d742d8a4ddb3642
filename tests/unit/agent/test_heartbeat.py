"""Heartbeats: what a node says of itself, kept up, with labels that commands print."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from data_plane import eventually

from teleport.agent.heartbeat import LIFETIME, Heartbeat, LabelCommand, output_of
from teleport.api.client import Answer, Client, StreamedAnswer
from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import Unavailable
from teleport.foundation.service import TaskOwner


def no_client() -> Client:
    raise AssertionError("nobody is to be told")


def heartbeat(clock: MovedClock, **commands: LabelCommand) -> Heartbeat:
    return Heartbeat(
        no_client, clock, host_id="11111111-2222-4333-8444-555555555555", hostname="web1", labels={"env": "test"},
        commands=commands,
    )  # fmt: skip


def test_a_node_expires_unless_it_is_told_again() -> None:
    clock = MovedClock()
    beating = heartbeat(clock)
    first = beating.node()
    first.check()
    clock.advance(timedelta(minutes=3))
    second = beating.node()
    assert first.metadata.expires is not None
    assert second.metadata.expires is not None
    assert second.metadata.expires - first.metadata.expires >= timedelta(minutes=3)
    assert first.metadata.expires - clock.now() + timedelta(minutes=3) <= LIFETIME
    assert (first.hostname, first.labels, first.spec.use_tunnel) == ("web1", {"env": "test"}, True)


class Wire:
    """The way to a cluster that does not answer; counts who tried."""

    def __init__(self) -> None:
        self.asked = 0

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Answer:
        self.asked += 1
        raise Unavailable("nobody answers")

    def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[StreamedAnswer]:
        raise AssertionError("nothing is streamed")

    async def close(self) -> None:
        return None


@pytest.mark.parametrize("is_reached", [True, False])
async def test_nobody_is_told_of_a_node_before_it_can_be_reached_or_time_is_over(
    monkeypatch: pytest.MonkeyPatch, is_reached: bool
) -> None:
    monkeypatch.setattr("teleport.agent.heartbeat.REACHED_WITHIN", 3600.0 if is_reached else 0.2)
    wire, reached = Wire(), asyncio.Event()
    client = Client(wire)
    beating = Heartbeat(
        lambda: client, MovedClock(), host_id="11111111-2222-4333-8444-555555555555", hostname="web1", labels={},
        commands={}, reached=reached,
    )  # fmt: skip
    tasks = TaskOwner("test")
    tasks.start(beating.run(lambda: None))
    for _ in range(20):
        await asyncio.sleep(0)
    assert wire.asked == 0
    if is_reached:
        reached.set()
    await eventually(lambda: wire.asked > 0, "the cluster is told")
    assert not beating.told.is_set()
    await tasks.close()


@pytest.mark.parametrize(
    ("command", "label"),
    [
        (("echo", "one line"), "one line"),
        (("printf", "two\\nlines\\033[1m"), "twolines[1m"),
        (("/no/such/program",), "No such file or directory"),
        (("sh", "-c", "yes | head -c 100000"), "y" * 512),
    ],
)
async def test_a_command_labels_with_what_it_prints(command: tuple[str, ...], label: str) -> None:
    assert await output_of(command) == label


async def test_a_command_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 1000")
    pid = ""
    for limit in (0.1, 1.0, 10.0):  # a machine that does much else may take longer to begin
        monkeypatch.setattr("teleport.agent.heartbeat.COMMAND_TIMEOUT", limit)
        assert "no answer" in await output_of(command)
        with contextlib.suppress(FileNotFoundError):
            pid = (tmp_path / "pid").read_text().strip()
        if pid:
            break
    assert pid, "it never began"
    async with asyncio.timeout(20):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)
