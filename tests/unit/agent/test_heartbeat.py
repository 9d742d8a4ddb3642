"""Heartbeats: what a node says of itself, kept up, with labels that commands print."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from teleport.agent.heartbeat import LIFETIME, Heartbeat, LabelCommand, output_of
from teleport.api.client import Client
from teleport.foundation.clock import MovedClock


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
    monkeypatch.setattr("teleport.agent.heartbeat.COMMAND_TIMEOUT", 0.1)
    command = ("sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 1000")
    assert "no answer" in await output_of(command)
    pid = (tmp_path / "pid").read_text().strip()
    async with asyncio.timeout(20):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)
