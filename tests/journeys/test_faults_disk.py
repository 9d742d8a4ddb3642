"""The disk is full: what must be recorded or audited ends and says why; all else goes on, nothing is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Cluster
from harness.disks import full_disk
from harness.processes import Started, until
from harness.towns import Town
from harness.visitors import Visitor
from harness.witnesses import ROLE, STRICT, all_events, check_written


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Town]:
    made = Town(new_cluster("town", roles="auth"), tmp_path)
    yield made
    made.close()


def pid(process: Started | None) -> int:
    assert process is not None
    return process.pid


def test_a_session_that_must_be_recorded_ends(town: Town, tmp_path: Path) -> None:
    town.cluster.tctl("create", text=STRICT).ok()
    watched = Visitor(town.cluster, tmp_path / "watched", "stella", roles="strict")
    with watched.terminal("town") as strict, town.visitor.terminal("town") as lenient:
        with full_disk(pid(town.agent.process)):
            strict.send("echo one more line\n")
            assert strict.ended() != 0
            assert "can no longer be recorded" in strict.shown
            lenient.run("echo mine-$((1+1))", "mine-2")
            lenient.shows("can no longer be recorded")
            lenient.run("echo goes-on-$((1+1))", "goes-on-2")
            with town.visitor.terminal("town") as another:
                another.run("echo new-$((1+1))", "new-2")
            refused = watched.tsh("ssh", "-t", f"{LOGIN}@town", "true")
            assert refused.status != 0
            assert "cannot be recorded" in refused.out + refused.err
            assert town.visitor.reaches("town")
        lenient.run("echo still-$((1+1))", "still-2")
    with watched.terminal("town") as strict:
        strict.run("echo recorded-$((1+1))", "recorded-2")
    until(lambda: len(all_events(town.cluster, "session.end")) == 4, "ends told, past the full disk too")
    assert {event["user"] for event in all_events(town.cluster, "exec")} == {"vera"}


def test_sessions_end_when_their_audit_can_be_kept_nowhere(town: Town) -> None:
    with town.visitor.terminal("town") as terminal:
        town.cluster.kill()
        with full_disk(pid(town.agent.process)):
            refused = town.visitor.tsh("ssh", f"{LOGIN}@town", "true")
            assert terminal.ended() != 0
            assert "audit events can be kept neither on disk" in terminal.shown
            until(lambda: not town.visitor.reaches("town"), "nobody comes in")
            refused = town.visitor.tsh("ssh", f"{LOGIN}@town", "true")
            assert "audit" in refused.err
    until(lambda: town.visitor.reaches("town"), "reached when the disk takes events again")
    town.cluster.start()
    until(lambda: len(all_events(town.cluster, "session.end")) == 1, "end told")


def test_auth_refuses_clearly_and_recovers(town: Town) -> None:
    cluster = town.cluster
    written = []
    with town.visitor.terminal("town") as terminal:
        for number in range(3):
            written.append(f"before-{number}")
            cluster.tctl("create", text=ROLE.format(name=written[-1])).ok()
        with full_disk(pid(cluster.process)):
            for number in range(3):
                refused = cluster.tctl("create", text=ROLE.format(name=f"lost-{number}"))
                assert refused.status != 0
                assert "Traceback" not in refused.err
                assert "disk" in refused.err or "cannot be written" in refused.err, refused.err
            assert "before-0" in cluster.tctl("get", "role/before-0").ok().out
            assert town.visitor.tsh("ls").status == 0
            for number in range(3):
                assert town.visitor.tsh("ssh", f"{LOGIN}@town", f"echo full {number}").ok()
            terminal.run("echo still-$((1+1))", "still-2")
        until(lambda: cluster.tctl("create", text=ROLE.format(name="after")).status == 0, "written again")
        written.append("after")
        terminal.send("exit\n")
        assert terminal.ended() == 0
    check_written(cluster, written)
    wanted = {f"echo full {number}" for number in range(3)}
    until(lambda: wanted <= {event.get("command") for event in all_events(cluster, "exec")}, "events arrived later")
    until(lambda: len(all_events(cluster, "session.upload")) == 1, "recording uploaded later")
    cluster.kill()
    for database in cluster.data_dir.rglob("*"):
        if database.is_file() and database.read_bytes()[:15] == b"SQLite format 3":
            with sqlite3.connect(database) as connection:
                assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    cluster.start()
    check_written(cluster, written)
