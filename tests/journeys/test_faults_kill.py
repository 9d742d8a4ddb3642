"""kill -9 at any moment: what was acknowledged is there afterwards, once; recordings go to their last second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.aftermath import check_recorded, ended_once, is_running, kill, session_of, story
from harness.cluster import Agent, Cluster
from harness.processes import until
from harness.towns import Town
from harness.visitors import Visitor
from harness.witnesses import Counting, Writer, check_written


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Town]:
    made = Town(new_cluster("town", roles="auth"), tmp_path)
    yield made
    made.close()


def test_auth_and_proxy_in_one_process(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("both", roles="auth,proxy").start()
    agent = Agent(cluster, tmp_path / "agent", "far").start(cluster.join_token())
    visitor = Visitor(cluster, tmp_path / "visitor")
    try:
        with visitor.terminal("far", "--no-resume") as terminal:
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
    """A session that may not be resumed ends with it; any other goes on with the next one."""
    with town.visitor.terminal("town", "--no-resume") as terminal, town.visitor.terminal("town") as resumed:
        session, shell = session_of(terminal)
        resumed.run("echo before-$((1+1))", "before-2")
        counting, writer = Counting(terminal), Writer(town.cluster)
        counting.watch(25)
        moment = kill(town.proxy.process)
        assert terminal.ended() != 0
        until(lambda: len(writer.acknowledged) >= 3, "writes go on: auth is not touched")
        check_written(town.cluster, writer.stop())
        until(lambda: not is_running(shell), "shell hung up")
        town.proxy.start()
        resumed.run("echo after-$((1+1))", "after-2")
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
        counting.stop("ready> ")
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
