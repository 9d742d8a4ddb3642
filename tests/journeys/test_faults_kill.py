"""kill -9 at any moment: what was acknowledged is there afterwards, once; recordings go to their last second."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.cluster import Agent, Cluster
from harness.processes import Started, until
from harness.terminals import OnTerminal
from harness.towns import Town
from harness.visitors import Visitor
from harness.witnesses import Counting, Writer, all_events, check_written


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Town]:
    made = Town(new_cluster("town", roles="auth"), tmp_path)
    yield made
    made.close()


def kill(process: Started | None) -> float:
    """When."""
    assert process is not None
    moment = time.monotonic()
    process.kill()
    return moment


def story(cluster: Cluster, session: str) -> list[dict[str, Any]]:
    return [event for event in all_events(cluster) if event.get("sid") == session]


def session_of(terminal: OnTerminal) -> tuple[str, int]:
    """Its id, and the process id of its shell."""
    seen = terminal.run("echo session=$SSH_SESSION_ID=$$=", r"session=[0-9a-f-]{36}=\d+=")
    _, session, shell, _ = seen[seen.index("session=") :].split("=")
    return session, int(shell)


def check_recorded(visitor: Visitor, session: str, lines: set[str]) -> None:
    """Listed, played, and with every line that was shown."""
    until(lambda: session in visitor.tsh("recordings", "ls", "--format=json").out, "recording listed")
    until(lambda: visitor.tsh("play", "--format=text", session).status == 0, "recording kept")
    played = set(visitor.tsh("play", "--format=text", session).ok().out.split())
    assert lines, "nothing was shown"
    assert lines <= played, f"shown and not recorded: {sorted(lines - played)}"


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_auth_and_proxy_in_one_process(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("both", roles="auth,proxy").start()
    agent = Agent(cluster, tmp_path / "agent", "far").start(cluster.join_token())
    visitor = Visitor(cluster, tmp_path / "visitor")
    try:
        with visitor.terminal("far") as terminal:
            session, shell = session_of(terminal)
            counting, writer = Counting(terminal), Writer(cluster)
            counting.watch(25)
            until(lambda: len(writer.acknowledged) >= 3, "something written")
            moment = kill(cluster.process)
            writer.stop()
            cluster.start()
            assert terminal.ended() != 0
        until(lambda: not is_running(shell), "shell hung up")
        check_written(cluster, writer.acknowledged)
        until(lambda: visitor.reaches("far"), "reached again")
        check_recorded(visitor, session, counting.shown_before(moment))
        until(lambda: ended_once(cluster, session), "story told")
    finally:
        agent.stop()


def ended_once(cluster: Cluster, session: str) -> bool:
    kinds = [event["event"] for event in story(cluster, session)]
    assert kinds.count("session.start") <= 1
    assert kinds.count("session.end") <= 1
    return {"session.start", "session.end", "session.upload"} <= set(kinds)


def test_the_agent(town: Town) -> None:
    with town.visitor.terminal("town") as terminal:
        session, shell = session_of(terminal)
        counting = Counting(terminal)
        counting.watch(60)
        moment = kill(town.agent.process)
        assert terminal.ended() != 0
    until(lambda: not is_running(shell), "shell hung up")
    town.agent.start()
    check_recorded(town.visitor, session, counting.shown_before(moment - 1.0))
    until(lambda: ended_once(town.cluster, session), "story told")
    (end,) = (event for event in story(town.cluster, session) if event["event"] == "session.end")
    assert "stopped while the session ran" in json.dumps(end)
    until(lambda: town.visitor.reaches("town"), "reached again")


def test_the_proxy_alone(town: Town) -> None:
    with town.visitor.terminal("town") as terminal:
        session, shell = session_of(terminal)
        counting, writer = Counting(terminal), Writer(town.cluster)
        counting.watch(25)
        moment = kill(town.proxy.process)
        assert terminal.ended() != 0
        until(lambda: len(writer.acknowledged) >= 3, "writes go on: auth is not touched")
        check_written(town.cluster, writer.stop())
    until(lambda: not is_running(shell), "shell hung up")
    town.proxy.start()
    until(lambda: town.visitor.reaches("town"), "reached again")
    check_recorded(town.visitor, session, counting.shown_before(moment))
    until(lambda: ended_once(town.cluster, session), "story told")


def test_auth_alone_leaves_the_session_running(town: Town) -> None:
    with town.visitor.terminal("town") as terminal:
        session, _ = session_of(terminal)
        counting, writer = Counting(terminal), Writer(town.cluster)
        until(lambda: len(writer.acknowledged) >= 3, "something written")
        counting.watch(25)
        kill(town.cluster.process)
        counting.watch(max(counting.seen) + 25)
        writer.stop()
        town.cluster.start()
        counting.watch(max(counting.seen) + 25)
        terminal.send("\x03")
        terminal.run("", "ready> ")
        terminal.send("exit 4\n")
        assert terminal.ended() == 4
    check_written(town.cluster, writer.acknowledged)
    check_recorded(town.visitor, session, {f"line-{number}" for number in counting.seen})
    until(lambda: ended_once(town.cluster, session), "story told")


def test_auth_again_and_again_while_it_is_written_to(new_cluster: Callable[..., Cluster]) -> None:
    cluster = new_cluster("again", roles="auth").start()
    written: list[str] = []
    for turn in range(4):
        writer = Writer(cluster, f"turn{turn}")
        until(lambda writer=writer, turn=turn: len(writer.acknowledged) > turn, "something written")  # type: ignore[misc]
        kill(cluster.process)
        written += writer.stop()
        cluster.start()
    check_written(cluster, written)
