"""What an administrator changes counts for running sessions too: they end soon and say why."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster
from harness.processes import until
from harness.terminals import OnTerminal
from harness.visitors import Visitor

WITHIN = 10.0
"""Seconds on a machine that does much else. Without the change these sessions would go on for hours."""
ROLE = """kind: role
version: v7
metadata: {{name: {name}}}
spec:
  options: {{{options}}}
  allow: {{logins: ['{{{{internal.logins}}}}'], node_labels: {{env: {env}}}}}
"""


def role(cluster: Cluster, name: str, env: str = "test", options: str = "") -> None:
    cluster.tctl("create", "-f", text=ROLE.format(name=name, env=env, options=options)).ok()


def check_ended(cluster: Cluster, user: str, terminal: OnTerminal, since: float, reason: str) -> None:
    """In time, told on the terminal, told to the auditor."""
    check_told(terminal, since, reason)
    check_audited(cluster, user, reason)


def check_told(terminal: OnTerminal, since: float, reason: str) -> None:
    assert terminal.ended() != 0
    took = time.monotonic() - since
    assert took < WITHIN, f"it took {took:.1f} s"
    assert re.search(reason, terminal.shown), terminal.shown


def check_audited(cluster: Cluster, user: str, reason: str) -> None:
    until(lambda: bool(disconnects(cluster, user)), "disconnect audited")
    (event,) = disconnects(cluster, user)
    assert re.search(reason, str(event["reason"]))
    assert event["server_hostname"] == "behind"


def disconnects(cluster: Cluster, user: str) -> list[dict[str, object]]:
    return [event for event in cluster.events("client.disconnect") if event["user"] == user]


def test_a_lock_on_a_user(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    visitor = Visitor(cluster, tmp_path, "locked")
    with visitor.terminal("behind") as terminal:
        cluster.tctl("lock", "--user=locked", "--message=laptop stolen", "--ttl=10m").ok()
        check_ended(cluster, "locked", terminal, time.monotonic(), "lock")
    refused = visitor.tsh("ssh", f"{LOGIN}@behind", "true")
    assert refused.status != 0
    assert "lock" in refused.err


def test_a_lock_on_a_server(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    """The server itself is locked out too: what it has to tell waits until it is heard again."""
    visitor = Visitor(cluster, tmp_path, "bystander")
    (node,) = visitor.tsh("ls", "place=behind", "--format=json").ok().json
    with visitor.terminal("behind") as terminal:
        made = cluster.tctl("lock", f"--server-id={node['metadata']['name']}", "--message=under repair").ok()
        try:
            check_told(terminal, time.monotonic(), "lock")
        finally:
            cluster.tctl("rm", f"lock/{made.out.split(chr(39))[1]}").ok()
    until(lambda: visitor.reaches("behind"), "reached when the lock is gone")
    check_audited(cluster, "bystander", "lock")


def test_a_role_that_no_longer_allows_it(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    role(cluster, "narrowed")
    visitor = Visitor(cluster, tmp_path, "nora", roles="narrowed")
    with visitor.terminal("behind") as terminal:
        role(cluster, "narrowed", env="elsewhere")
        check_ended(cluster, "nora", terminal, time.monotonic(), "denied")


def test_a_change_that_still_allows_it_ends_nothing(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    role(cluster, "widened")
    visitor = Visitor(cluster, tmp_path, "wanda", roles="widened")
    with visitor.terminal("behind") as terminal:
        role(cluster, "widened", env="'*'")
        cluster.tctl("lock", "--user=somebody-else", "--ttl=1m").ok()
        until(lambda: visitor.reaches("behind"), "reached")
        terminal.run("echo still-$((1+1))", "still-2")
    assert disconnects(cluster, "wanda") == []


def test_a_deleted_user(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    visitor = Visitor(cluster, tmp_path, "leaver")
    with visitor.terminal("behind") as terminal:
        cluster.tctl("users", "rm", "leaver").ok()
        check_ended(cluster, "leaver", terminal, time.monotonic(), "user")
    refused = visitor.tsh("ssh", f"{LOGIN}@behind", "true")
    assert refused.status != 0
    assert "user" in refused.err


def test_a_command_without_a_terminal_ends_too(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    visitor = Visitor(cluster, tmp_path, "batch")
    words = visitor.words("ssh", f"{LOGIN}@behind", "echo started; exec sleep 600")
    with subprocess.Popen(words, env=visitor.environment, stdout=-1, stderr=-1, stdin=-3, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "started\n"
        cluster.tctl("lock", "--user=batch", "--ttl=10m").ok()
        _, said = running.communicate(timeout=WITHIN)
    assert running.returncode != 0
    assert "lock" in said
    until(lambda: bool(disconnects(cluster, "batch")), "disconnect audited")


@pytest.mark.parametrize("asks_for_it", [True, False])
def test_an_expired_certificate(cluster: Cluster, agent: Agent, tmp_path: Path, asks_for_it: bool) -> None:
    name = f"brief-{asks_for_it}".lower()
    role(cluster, name, options=f"disconnect_expired_cert: {str(asks_for_it).lower()}")
    visitor = Visitor(cluster, tmp_path, name, roles=name)
    began = time.monotonic()
    visitor.renew(ttl="12s")
    earliest, latest = began + 12.0 - 1.0, time.monotonic() + 12.0 + 1.0  # certificates are good to the second
    with visitor.terminal("behind") as terminal:
        if asks_for_it:
            assert terminal.ended() != 0
            assert earliest < time.monotonic() < latest + WITHIN
            assert "expired" in terminal.shown
            until(lambda: bool(disconnects(cluster, name)), "disconnect audited")
        else:
            until(lambda: not visitor.reaches("behind"), "certificate expired")
            assert time.monotonic() > earliest
            terminal.run("echo still-$((1+1))", "still-2")


def test_a_certificate_of_the_old_format_is_refused_with_the_reason(
    cluster: Cluster, agent: Agent, tmp_path: Path
) -> None:
    role(cluster, "ancient", options="cert_format: oldssh")
    visitor = Visitor(cluster, tmp_path, "oswald", roles="ancient")
    done = visitor.tsh("ssh", f"{LOGIN}@behind", "true")
    assert done.status != 0
    assert "it names no cluster and no roles, as those of the format oldssh do" in done.err
    until(lambda: any("format oldssh" in one["error"] for one in cluster.events("auth")), "audited")
    (event,) = (one for one in cluster.events("auth") if "format oldssh" in one["error"])
    assert f"(event {event['uid']})" in done.err
    assert event["user"] == "oswald"


def test_no_certificate_outlives_max_session_ttl(cluster: Cluster, tmp_path: Path) -> None:
    role(cluster, "short", options="max_session_ttl: 2m")
    visitor = Visitor(cluster, tmp_path, "shorty", roles="short")
    visitor.renew(ttl="12h")
    (issued,) = [event for event in cluster.events("cert.create") if event["identity"]["user"] == "shorty"][-1:]
    left = datetime.fromisoformat(issued["identity"]["expires"]) - datetime.fromisoformat(issued["time"])
    assert timedelta() < left <= timedelta(minutes=2)


def test_changes_count_before_the_next_session(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    """The proxy's own server too, and a connection that is open without any session in it."""
    cluster = new_cluster("idle").start()
    visitor = Visitor(cluster, tmp_path / "visitor", "ida")
    words = visitor.words("ssh", "-N", f"{LOGIN}@idle")
    with subprocess.Popen(words, env=visitor.environment, stderr=-1, stdin=-3, text=True) as running:
        until(lambda: bool(cluster.events("session.connect")), "connected")
        until(lambda: visitor.reaches("idle"), "reached")
        cluster.tctl("lock", "--user=ida").ok()
        _, said = running.communicate(timeout=WITHIN)
    assert running.returncode != 0
    assert "lock" in said
