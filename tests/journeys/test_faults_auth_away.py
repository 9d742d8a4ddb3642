"""Auth is away: sessions go on, new ones begin by the copy that proxy and agent keep, events arrive later, once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Cluster, run
from harness.processes import BIN, until
from harness.towns import Town
from harness.witnesses import all_events

PATIENCE = 10.0
"""Seconds within which a program has to say that auth is away."""


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Town]:
    made = Town(new_cluster("town", roles="auth"), tmp_path)
    yield made
    made.close()


def executed(town: Town) -> Counter[str]:
    return Counter(str(event.get("command")) for event in all_events(town.cluster, "exec"))


def test_sessions_go_on_and_new_ones_begin(town: Town) -> None:
    with town.visitor.terminal("town") as terminal:
        town.cluster.kill()
        terminal.run("echo still-$((1+1))", "still-2")
        for number in range(5):
            done = town.visitor.tsh("ssh", f"{LOGIN}@town", f"echo without auth {number}").ok()
            assert done.out == f"without auth {number}\n"
        with town.visitor.terminal("town") as another:
            another.run("echo recorded-$((1+1))", "recorded-2")
            another.send("exit\n")
            assert another.ended() == 0
        terminal.run("echo on-$((1+1))", "on-2")
        town.cluster.start()
        terminal.send("exit\n")
        assert terminal.ended() == 0
    wanted = {f"echo without auth {number}": 1 for number in range(5)}
    until(lambda: wanted.items() <= executed(town).items(), "events arrived")
    until(lambda: count(town, "session.end") == count(town, "session.start") == count(town, "session.upload") == 2,
          "sessions told and recordings uploaded")  # fmt: skip


def count(town: Town, kind: str) -> int:
    return len(all_events(town.cluster, kind))


def test_refusals_while_auth_is_away_arrive_too(town: Town) -> None:
    town.cluster.kill()
    assert town.visitor.tsh("ssh", "nobody-else@town", "true").status != 0
    assert town.visitor.tsh("ssh", f"{LOGIN}@unheard-of", "true").status != 0
    town.cluster.start()

    def told() -> set[str]:
        return {str(event.get("login")) for event in all_events(town.cluster, "auth")}

    until(lambda: {"nobody-else", LOGIN} <= told(), "refusals told")


def test_the_proxy_starts_without_auth(town: Town) -> None:
    assert town.proxy.process is not None
    until(lambda: (town.proxy.folder / "data" / "proxy" / "replica").exists(), "copy kept")
    town.cluster.kill()
    town.proxy.process.kill()
    town.proxy.start(wait=False)
    until(lambda: town.visitor.reaches("town"), "reached by a proxy that never saw auth")
    town.cluster.start()
    town.proxy.wait_ready()
    until(lambda: executed(town)["echo reached"] >= 2, "events arrived")


def test_the_agent_starts_without_auth(town: Town) -> None:
    assert town.agent.process is not None
    until(lambda: (town.agent.folder / "data" / "node" / "replica.json").exists(), "copy kept")
    town.cluster.kill()
    town.agent.process.kill()
    town.agent.start(wait=False)
    until(lambda: town.visitor.reaches("town"), "reached")
    town.cluster.start()
    until(lambda: executed(town)["echo reached"] >= 2, "events arrived")


def test_what_needs_auth_says_so_soon(town: Town) -> None:
    town.cluster.kill()
    login = [str(BIN / "tsh"), "login", f"--proxy={town.cluster.proxy}", "--user=vera", "--insecure"]
    for words in (town.visitor.words("ls"), town.visitor.words("recordings", "ls"), login):
        began = time.monotonic()
        done = run(words, town.visitor.environment)
        assert time.monotonic() - began < PATIENCE
        assert done.status != 0
        assert "cannot reach the auth service" in done.err
        assert len(done.err.splitlines()) == 1
        assert str(town.cluster.auth_port) not in done.err, "where auth is, is not told"
    done = town.cluster.tctl("status")
    assert done.status != 0
    assert "cannot be reached" in done.err
