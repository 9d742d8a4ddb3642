"""The network between the parts breaks, and clients vanish: it is noticed in time, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster
from harness.processes import until
from harness.shut_in import HOST, ShutIn
from harness.visitors import Visitor
from harness.vitals import descendants, descriptors, memory

HANDSHAKE_WITHIN = 45.0
"""Seconds until a client gives up a server that was connected and does not answer any more: it allows 30."""
UNREACHABLE_WITHIN = 25.0
"""Seconds until `tsh ssh` says that a server cannot be reached: an agent has ten to give a connection."""


@pytest.mark.timeout(300)
def test_an_agent_whose_network_is_cut(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("cut", roles="auth,proxy").start()
    inside = ShutIn(tmp_path / "namespace")
    agent = Agent(cluster, tmp_path / "agent", "island", prefix=inside.prefix, proxy=f"{HOST}:{cluster.web_port}")
    try:
        agent.start(cluster.join_token())
        visitor = Visitor(cluster, tmp_path / "visitor")
        until(lambda: visitor.reaches("island"), "reached")
        inside.cut()
        began = time.monotonic()
        words = visitor.words("ssh", f"{LOGIN}@island", "true")
        first = [subprocess.Popen(words, env=visitor.environment, stdin=-3, stderr=-1, text=True) for _ in range(3)]
        for client in first:  # the connections that the agent had ready are used up by these
            _, said = client.communicate(timeout=HANDSHAKE_WITHIN)
            assert client.returncode != 0
            assert said.startswith("ERROR: ")
            assert len(said.splitlines()) == 1
            assert "no answer in time" in said or "gave no connection" in said
        assert time.monotonic() - began < HANDSHAKE_WITHIN
        began = time.monotonic()
        done = visitor.tsh("ssh", f"{LOGIN}@island", "true")
        assert done.status != 0
        assert time.monotonic() - began < UNREACHABLE_WITHIN
        assert "agent" in done.err
        inside.mend()
        # the kernel doubles the pauses between its attempts: the next may come as late as the cut was long
        until(lambda: visitor.reaches("island"), "reached again", 150)
    finally:
        agent.stop()
        inside.close()


def test_an_agent_whose_network_is_gone_for_good(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("gone", roles="auth,proxy").start()
    inside = ShutIn(tmp_path / "namespace")
    agent = Agent(cluster, tmp_path / "agent", "atlantis", prefix=inside.prefix, proxy=f"{HOST}:{cluster.web_port}")
    try:
        agent.start(cluster.join_token())
        visitor = Visitor(cluster, tmp_path / "visitor")
        until(lambda: visitor.reaches("atlantis"), "reached")
        inside.close()
        began = time.monotonic()
        done = visitor.tsh("ssh", f"{LOGIN}@atlantis", "true")
        assert done.status != 0
        assert time.monotonic() - began < UNREACHABLE_WITHIN
        assert "agent" in done.err
    finally:
        agent.stop()
        inside.close()


def test_a_client_that_vanishes(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    """Its shell is hung up, its recording finished and told."""
    visitor = Visitor(cluster, tmp_path, "ghost")
    mark = tmp_path / "hung-up"
    with visitor.terminal("behind") as terminal:
        seen = terminal.run("echo session=$SSH_SESSION_ID=$$=", r"session=[0-9a-f-]{36}=\d+=")
        _, session, shell, _ = seen[seen.index("session=") :].split("=")
        waiting = f"trap 'echo told > {mark}; exit' HUP; echo set-up; while :; do sleep 0.1; done"
        terminal.run(f'exec sh -c "{waiting}"', "set-up")
        terminal.kill(signal.SIGKILL)
        until(mark.exists, "shell hung up", 5)
    until(lambda: not os.path.exists(f"/proc/{shell}"), "shell gone", 5)
    until(lambda: visitor.tsh("play", "--format=text", session).status == 0, "recording kept")
    assert "set-up" in visitor.tsh("play", "--format=text", session).ok().out
    until(lambda: {"session.end", "session.leave", "session.upload"} <= told(cluster, session), "story told")


def told(cluster: Cluster, session: str) -> set[str]:
    return {str(event["event"]) for event in cluster.events() if event.get("sid") == session}


SESSIONS = 200
AT_ONCE = 20
KEPT = 2 * 16 + 6
"""Descriptors that a busy process may keep for the next rush: 16 spare connections, both ends, and some to auth."""


@pytest.mark.timeout(300)
def test_hundreds_of_dropped_sessions_leave_nothing(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("busy").start()
    visitor = Visitor(cluster, tmp_path / "visitor")
    assert cluster.process is not None
    pid = cluster.process.pid
    until(lambda: visitor.reaches("busy"), "reached")
    config = visitor.home / "config"
    config.write_text(openssh_config(visitor))
    open_and_drop(visitor, config, AT_ONCE)  # what is made once and kept is made now
    until(lambda: settled(pid), "first ones gone")
    before = descriptors(cluster.diag_port), memory(pid), set(descendants(pid))
    for _ in range(SESSIONS // AT_ONCE):
        open_and_drop(visitor, config, AT_ONCE)
    until(lambda: set(descendants(pid)) <= before[2], "processes gone", 10)
    until(lambda: descriptors(cluster.diag_port) <= before[0] + KEPT, f"descriptors closed, from {before[0]}", 10)
    assert memory(pid) - before[1] < 24 << 20, f"{(memory(pid) - before[1]) >> 20} MiB more than before"
    assert visitor.reaches("busy")


def settled(pid: int) -> bool:
    return not any("sleep" in words or "-c" in words.split() for words in descendants(pid).values())


def openssh_config(visitor: Visitor) -> str:
    """The stock client, through `tsh proxy ssh`, with the visitor's identity."""
    key = visitor.home / "key"
    visitor.cluster.tctl("auth", "sign", f"--user={visitor.name}", "--format=openssh", f"--out={key}").ok()
    return (
        f"Host *\n  ProxyCommand {' '.join(visitor.words('proxy', 'ssh', '%r@%h:%p'))}\n"
        f"  IdentityFile {key}\n  CertificateFile {key}-cert.pub\n  IdentitiesOnly yes\n"
        "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
    )


def open_and_drop(visitor: Visitor, config: Path, count: int) -> None:
    """Half on terminals, half commands; killed once they run."""
    clients = []
    for number in range(count):
        terminal = ["-tt"] if number % 2 else ["-T"]
        words = ["ssh", "-F", str(config), *terminal, f"{LOGIN}@busy", "echo up; exec sleep 300"]
        clients.append(subprocess.Popen(words, env=visitor.environment, stdin=-3, stdout=-1, stderr=-3))
    for client in clients:
        assert client.stdout is not None
        assert b"up" in client.stdout.readline()
        client.kill()
        client.wait()
        client.stdout.close()
