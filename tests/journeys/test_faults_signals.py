"""SIGTERM, SIGQUIT and SIGHUP: stopped soon, stopped when the last session has ended, replaced without a gap."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster, run
from harness.people import Person
from harness.processes import BIN, Started, until
from harness.terminals import OnTerminal
from harness.towns import Town
from harness.visitors import Visitor
from harness.witnesses import Writer, all_events, check_written

STOPS_WITHIN = 15.0


@pytest.fixture
def cluster(new_cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    """Everything in one process; what took its place ends with the test."""
    made = new_cluster("heir").start()
    yield made
    kill_heirs(made.process)


@pytest.fixture
def visitor(cluster: Cluster, tmp_path: Path) -> Visitor:
    visitor = Visitor(cluster, tmp_path / "visitor")
    until(lambda: visitor.reaches("heir"), "reached")
    return visitor


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Town]:
    made = Town(new_cluster("town", roles="auth"), tmp_path)
    yield made
    for process in (made.agent.process, made.proxy.process, made.cluster.process):
        kill_heirs(process)
    made.close()


def heirs(process: Started) -> list[int]:
    return [int(pid) for pid in re.findall(r"successor is ready pid=(\d+)", process.log.read_text())]


def kill_heirs(process: Started | None) -> None:
    assert process is not None
    for pid in heirs(process):
        if os.path.exists(f"/proc/{pid}") and b"teleport" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


def tell(process: Started | None, number: int) -> Started:
    assert process is not None
    process.process.send_signal(number)
    return process


def replaced(process: Started | None) -> int:
    """Send SIGHUP; the pid of the successor, once it runs."""
    assert process is not None
    runs = process.log.read_text().count("teleport is running")
    told = tell(process, signal.SIGHUP)
    until(lambda: len(heirs(told)) == 1, "successor ready")
    until(lambda: told.log.read_text().count("teleport is running") > runs, "successor runs")
    return heirs(told)[0]


def session_id(terminal: OnTerminal) -> str:
    seen = terminal.run("echo session=$SSH_SESSION_ID=", r"session=[0-9a-f-]{36}=")
    return seen.split("session=")[-1].rstrip("=")


def check_story(cluster: Cluster, visitor: Visitor, session: str, shown: str) -> None:
    """Told once and to its end, by a process that had left auth to another."""

    def told() -> list[str]:
        return sorted(event["event"] for event in all_events(cluster) if event.get("sid") == session)

    until(lambda: {"session.end", "session.upload"} <= set(told()), "story told")
    assert told().count("session.end") == told().count("session.start") == told().count("session.upload") == 1
    assert shown in visitor.tsh("play", "--format=text", session).ok().out


@contextmanager
def knocking(port: int) -> Iterator[list[str]]:
    """Connects again and again; collects what went wrong."""
    failed: list[str] = []
    stopping = threading.Event()

    def knock() -> None:
        while not stopping.wait(0.01):
            try:
                socket.create_connection(("127.0.0.1", port), 10).close()
            except OSError as problem:
                failed.append(str(problem))

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    yield failed
    stopping.set()
    thread.join()


def test_a_successor_takes_over_without_a_gap(cluster: Cluster, visitor: Visitor) -> None:
    old = cluster.process
    assert old is not None
    assert cluster.pid_file.read_text() == f"{old.pid}\n"
    with visitor.terminal("heir") as terminal, knocking(cluster.web_port) as refused:
        session = session_id(terminal)
        heir = replaced(old)
        assert cluster.pid_file.read_text() == f"{heir}\n"
        until(lambda: visitor.reaches("heir"), "reached in the successor")
        assert cluster.tctl("get", "users").ok()
        terminal.run("echo still-$((1+1))", "still-2")
        assert old.process.poll() is None, "it leaves when its session has ended"
        terminal.send("exit 5\n")
        assert terminal.ended() == 5
        assert old.process.wait(STOPS_WITHIN) == 0
    assert refused == []
    assert cluster.pid_file.read_text() == f"{heir}\n"
    check_story(cluster, visitor, session, "still-2")
    until(lambda: visitor.reaches("heir"), "reached still")


def test_writes_and_events_pass_from_one_to_the_other(cluster: Cluster, visitor: Visitor) -> None:
    with visitor.terminal("heir") as terminal:
        session = session_id(terminal)
        writer = Writer(cluster)
        until(lambda: len(writer.acknowledged) >= 3, "something written")
        replaced(cluster.process)
        known = len(writer.acknowledged)
        until(lambda: len(writer.acknowledged) >= known + 3, "writes go on")
        check_written(cluster, writer.stop())
        until(lambda: visitor.reaches("heir"), "reached in the successor")
        for number in range(3):
            assert visitor.tsh("ssh", f"{LOGIN}@heir", f"echo {number}").ok()
        terminal.run("echo still-$((1+1))", "still-2")
        terminal.send("exit\n")
        assert terminal.ended() == 0
    check_story(cluster, visitor, session, "still-2")
    until(lambda: len(all_events(cluster, "exec")) >= 3, "events of the successor")


def test_locks_count_for_sessions_of_a_process_that_was_replaced(cluster: Cluster, visitor: Visitor) -> None:
    old = cluster.process
    assert old is not None
    with visitor.terminal("heir") as terminal:
        replaced(old)
        until(lambda: visitor.reaches("heir"), "reached in the successor")
        cluster.tctl("lock", f"--user={visitor.name}").ok()
        assert terminal.ended() != 0
        assert "lock" in terminal.shown
    assert old.process.wait(STOPS_WITHIN) == 0


def test_a_successor_that_cannot_start_changes_nothing(cluster: Cluster, visitor: Visitor) -> None:
    good = cluster.config.read_text()
    cluster.config.write_text(good + "nonsense: yes\n")
    old = tell(cluster.process, signal.SIGHUP)
    until(lambda: "the successor did not come up" in old.log.read_text(), "told")
    assert visitor.reaches("heir")
    assert cluster.pid_file.read_text() == f"{old.pid}\n"
    cluster.config.write_text(good)
    heir = replaced(old)
    assert old.process.wait(STOPS_WITHIN) == 0
    assert cluster.pid_file.read_text() == f"{heir}\n"
    until(lambda: visitor.reaches("heir"), "reached")


def test_a_successor_takes_what_the_file_says_now(cluster: Cluster) -> None:
    said = "auth_service:\n  license_file: /etc/license.pem\n  session_recording: node-sync\n"
    cluster.config.write_text(cluster.config.read_text().replace("auth_service:\n", said))
    old = cluster.process
    assert old is not None
    replaced(old)
    assert old.process.wait(STOPS_WITHIN) == 0
    until(lambda: "mode: node-sync" in cluster.tctl("get", "session_recording_config").out, "the new mode")
    assert "auth_service.license_file changes nothing here: no license is needed" in old.log.read_text()
    other = "kind: session_recording_config\nversion: v2\nspec: {mode: node}\n"
    refused = cluster.tctl("create", "-f", text=other)
    assert refused.status == 1
    assert "set by the configuration file" in refused.err
    assert "--confirm" in refused.err
    cluster.tctl("create", "-f", "--confirm", text=other).ok()
    assert "mode: node\n" in cluster.tctl("get", "session_recording_config").ok().out


def test_an_agent_is_replaced(town: Town) -> None:
    old = town.agent.process
    assert old is not None
    with town.visitor.terminal("town") as terminal:
        session = session_id(terminal)
        replaced(old)
        until(lambda: town.visitor.reaches("town"), "reached in the successor")
        terminal.run("echo still-$((1+1))", "still-2")
        assert old.process.poll() is None
        terminal.send("exit\n")
        assert terminal.ended() == 0
        assert old.process.wait(STOPS_WITHIN) == 0
    check_story(town.cluster, town.visitor, session, "still-2")


@pytest.mark.parametrize("part", ["agent", "proxy"])
def test_a_connection_that_is_kept_warm_leads_to_the_successor(town: Town, part: str) -> None:
    old = {"agent": town.agent.process, "proxy": town.proxy.process}[part]
    assert old is not None
    person = Person(town.cluster, "warren", town.visitor.home / "warren")
    person.sign_up(person.invite(logins=LOGIN))
    person.log_in()
    environment = {name: value for name, value in person.environment.items() if name != "TELEPORT_NO_DAEMON"}

    def words(*command: str) -> list[str]:
        return [str(BIN / "tsh"), *command]

    def connections() -> int:
        return sum(event["user"] == "warren" for event in town.cluster.events("session.connect"))

    try:
        run(words("ssh", f"{LOGIN}@town", "true"), environment).ok()
        until(lambda: run(words("daemon", "status"), environment).out == "running\n", "the resident client runs")
        run(words("ssh", f"{LOGIN}@town", "true"), environment).ok()
        before = connections()
        slow = words("ssh", f"{LOGIN}@town", "echo started; read word; echo got-$word")
        with subprocess.Popen(slow, env=environment, stdin=-1, stdout=-1, text=True) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "started\n"
            replaced(old)
            until(lambda: town.visitor.reaches("town"), "reached in the successor")
            assert connections() == before, "one connection for all"
            assert run(words("ssh", f"{LOGIN}@town", "echo here"), environment).ok().out == "here\n"
            until(lambda: connections() == before + 1, "another connection for another session")
            assert old.process.poll() is None
            out, _ = running.communicate("bread\n", timeout=60)
            assert out == "got-bread\n", "what ran goes on to its end"
        assert old.process.wait(STOPS_WITHIN) == 0, "the old connection keeps nobody from leaving"
    finally:
        run(words("daemon", "stop"), environment)


def test_a_proxy_is_replaced(town: Town) -> None:
    old = town.proxy.process
    assert old is not None
    with town.visitor.terminal("town") as terminal:
        session = session_id(terminal)
        replaced(old)
        until(lambda: town.visitor.reaches("town"), "reached through the successor")
        terminal.run("echo still-$((1+1))", "still-2")
        assert old.process.poll() is None
        terminal.send("exit\n")
        assert terminal.ended() == 0
        assert old.process.wait(STOPS_WITHIN) == 0
    check_story(town.cluster, town.visitor, session, "still-2")
    until(lambda: town.visitor.reaches("town"), "reached still")


def test_sigterm_ends_sessions_soon_and_says_why(cluster: Cluster, visitor: Visitor) -> None:
    with visitor.terminal("heir") as terminal:
        session = session_id(terminal)
        began = time.monotonic()
        old = tell(cluster.process, signal.SIGTERM)
        assert terminal.ended() != 0
        assert "stopping" in terminal.shown
        assert old.process.wait(STOPS_WITHIN) == 0
        assert time.monotonic() - began < STOPS_WITHIN
    assert not cluster.pid_file.exists()
    cluster.start()
    check_story(cluster, visitor, session, "ready>")


def test_sigquit_waits_for_sessions_and_lets_nobody_in(town: Town) -> None:
    with town.visitor.terminal("town") as terminal:
        session = session_id(terminal)
        old = tell(town.agent.process, signal.SIGQUIT)
        until(lambda: not town.visitor.reaches("town"), "no new session")
        terminal.run("echo still-$((1+1))", "still-2")
        assert old.process.poll() is None
        terminal.send("exit\n")
        assert terminal.ended() == 0
        assert old.process.wait(STOPS_WITHIN) == 0
    check_story(town.cluster, town.visitor, session, "still-2")


def test_sigterm_after_sigquit_waits_no_longer(town: Town) -> None:
    with town.visitor.terminal("town") as terminal:
        session = session_id(terminal)
        tell(town.agent.process, signal.SIGQUIT)
        until(lambda: not town.visitor.reaches("town"), "no new session")
        old = tell(town.agent.process, signal.SIGTERM)
        assert terminal.ended() != 0
        assert "stopping" in terminal.shown
        assert old.process.wait(STOPS_WITHIN) == 0
    town.agent = Agent(town.cluster, town.agent.folder, "town", pin=town.agent.pin).start()
    check_story(town.cluster, town.visitor, session, "ready>")


def test_sigusr1_tells_of_the_process(cluster: Cluster) -> None:
    process = tell(cluster.process, signal.SIGUSR1)
    until(lambda: "diagnostics" in process.log.read_text().splitlines()[-1], "told")
    assert process.process.poll() is None
