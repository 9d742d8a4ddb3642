"""Recordings that go to auth while sessions run: whoever takes the server, or its disk, finds nothing there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.aftermath import check_recorded, ended_once, kill, session_of, story
from harness.cluster import Cluster
from harness.processes import Started, until
from harness.towns import Town
from harness.visitors import Visitor
from harness.witnesses import STRICT, Counting, all_events

from teleport.wire.recording import Printed, RecordingReader

MODE = """kind: session_recording_config
version: v2
metadata: {name: session-recording-config}
spec: {mode: node-sync}
"""


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Town]:
    made = Town(new_cluster("town", roles="auth"), tmp_path)
    made.cluster.tctl("create", "-f", "-", text=MODE).ok()
    until(lambda: is_streamed(made), "the agent has heard of the mode")
    assert "mode: node-sync" in made.cluster.tctl("get", "session_recording_config").ok().out
    yield made
    made.close()


def is_streamed(town: Town) -> bool:
    with town.visitor.terminal("town") as terminal:
        session, _ = session_of(terminal)
        return bool(parts_of(town, session))


def parts_of(town: Town, session: str) -> list[Path]:
    found = town.cluster.data_dir.rglob(f"uploading/{session}/00001.part")
    return [one for one in found if (one.parent / "stream").exists()]


def at_auth(town: Town, session: str) -> str:
    """What auth has of a recording that is not complete."""
    found = parts_of(town, session)
    frames = RecordingReader().feed(found[0].read_bytes()) if found else []
    return b"".join(frame.data for frame in frames if isinstance(frame, Printed)).decode(errors="replace")


def on_node(town: Town, session: str) -> int:
    """Bytes of the recording on the server's disk."""
    return sum(path.stat().st_size for path in (town.agent.folder / "data").rglob(f"recordings/{session}/recording"))


def running(process: Started | None) -> Started:
    assert process is not None
    return process


def test_killed_servers_and_a_restarted_auth(town: Town) -> None:
    with town.visitor.terminal("town") as terminal:
        session, _ = session_of(terminal)
        terminal.run("echo first-$((40+2))", "first-42")
        until(lambda: "first-42" in at_auth(town, session), "it is with auth while the session runs")
        assert on_node(town, session) == 0
        kill(town.cluster.process)
        terminal.run("echo meanwhile-$((40+2))", "meanwhile-42")
        town.cluster.start()
        until(lambda: "meanwhile-42" in at_auth(town, session), "it went on when auth was back")
        assert on_node(town, session) == 0
        counting = Counting(terminal)
        counting.watch(40)
        moment = kill(town.agent.process)
        assert terminal.ended() != 0
    shown = counting.shown_before(moment - 2.0)
    assert shown <= set(at_auth(town, session).split())
    assert on_node(town, session) == 0
    town.agent.start()
    check_recorded(town.visitor, session, shown | {"first-42", "meanwhile-42"})
    until(lambda: ended_once(town.cluster, session), "story told")
    (end,) = (event for event in story(town.cluster, session) if event["event"] == "session.end")
    assert "fell silent" in str(end["message"])
    assert not list((town.agent.folder / "data").rglob(f"recordings/{session}"))


def test_auth_stays_away(town: Town, tmp_path: Path) -> None:
    town.cluster.tctl("create", text=STRICT).ok()
    watched = Visitor(town.cluster, tmp_path / "watched", "stella", roles="strict")
    with watched.terminal("town") as strict, town.visitor.terminal("town") as lenient:
        sessions = [session_of(terminal)[0] for terminal in (strict, lenient)]
        kill(town.cluster.process)
        for terminal in (strict, lenient):
            terminal.run("echo away-$((40+2))", "away-42")
        assert strict.ended(60) != 0
        assert "the session ends: the cluster does not take the recording" in strict.shown
        lenient.see("the session goes on, and is recorded here until the cluster is back", 60)
        refused = watched.tsh("ssh", "-t", f"{LOGIN}@town", "true")
        assert refused.status != 0
        assert "cannot be recorded" in refused.out + refused.err
        lenient.run("echo alone-$((40+2))", "alone-42")
        until(lambda: on_node(town, sessions[1]) > 0, "it waits on disk")
        town.cluster.start()
        until(lambda: "alone-42" in at_auth(town, sessions[1]), "it follows", 60)
        until(lambda: on_node(town, sessions[1]) == 0, "nothing stays")
        lenient.run("echo back-$((40+2))", "back-42")
        until(lambda: "back-42" in at_auth(town, sessions[1]), "streamed again")
        lenient.send("exit\n")
        assert lenient.ended() == 0
    check_recorded(town.visitor, sessions[0], {"away-42"})
    check_recorded(town.visitor, sessions[1], {"away-42", "alone-42", "back-42"})

    def modes() -> list[str]:
        """Of those whose end is told: a host that found nobody for a while tries again in a while."""
        told = all_events(town.cluster, "session.end")
        return [event["session_recording"] for event in told if event["sid"] in sessions]

    until(lambda: len(modes()) == len(sessions), "ends told", 60)
    assert set(modes()) == {"node-sync"}
