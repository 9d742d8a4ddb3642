"""A role's `max_connections` counts on all servers together."""

from __future__ import annotations

from pathlib import Path

from conftest import LOGIN
from harness.cluster import Agent, Cluster
from harness.processes import until
from harness.visitors import Visitor

ROLE = """
kind: role
version: v7
metadata: {name: one-at-a-time}
spec:
  options: {max_connections: 1}
"""


def test_one_connection_at_a_time(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    cluster.tctl("create", "-f", text=ROLE).ok()
    visitor = Visitor(cluster, tmp_path / "una", "una", roles="access,one-at-a-time")
    until(lambda: visitor.reaches("behind"), "reached")
    with visitor.terminal("behind") as terminal:
        terminal.run("echo here-$((1+1))", "here-2")
        refused = visitor.tsh("ssh", f"{LOGIN}@{cluster.name}", "true")
        assert refused.status != 0
        assert "your roles limit connections to 1 at once (max_connections of role one-at-a-time)" in refused.err
        semaphores = cluster.tctl("get", "semaphores", "--format=json").ok().json
        assert [one["metadata"]["name"] for one in semaphores if one["metadata"]["name"] == "una"] == ["una"]
        terminal.send("exit\n")
        assert terminal.ended() == 0
    until(lambda: visitor.reaches(cluster.name), "reached once the other has ended")

    with visitor.terminal("behind") as terminal:
        (server,) = (
            one["metadata"]["name"]
            for one in cluster.tctl("get", "nodes", "--format=json").ok().json
            if one["spec"]["hostname"] == "behind"
        )
        cluster.tctl("lock", f"--server-id={server}", "--message=lost", "--ttl=10m").ok()
        assert terminal.ended() != 0
    until(lambda: visitor.reaches(cluster.name), "reached at once, though the locked server gives nothing back")
    (lock,) = (one for one in cluster.tctl("get", "locks", "--format=json").ok().json if "lost" in str(one))
    cluster.tctl("rm", f"lock/{lock['metadata']['name']}").ok()
    until(lambda: visitor.reaches("behind"), "reached without the lock")

    def told() -> bool:
        events = cluster.events("session.rejected")
        return any((one["user"], one["reason"], one["max"]) == ("una", "max_connections", 1) for one in events)

    until(told, "told")
