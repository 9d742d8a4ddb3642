"""Agents anywhere: behind a network that lets nothing in, through restarts of each part, and refused when wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conftest import LOGIN
from harness.cluster import Agent, Cluster
from harness.people import Person
from harness.processes import until
from harness.shut_in import HOST, ShutIn


def member(cluster: Cluster, home: Path) -> Person:
    person = Person(cluster, "erin", home)
    person.sign_up(person.invite(logins=LOGIN))
    person.log_in()
    return person


def reaches(person: Person, host: str) -> bool:
    done = person.tsh("ssh", f"{LOGIN}@{host}", "echo reached")
    return done.status == 0 and done.out == "reached\n"


def test_a_server_that_lets_nothing_in_is_reached(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("wall", roles="auth,proxy").start()
    inside = ShutIn(tmp_path / "namespace")
    agent = Agent(cluster, tmp_path / "agent", "shut-in", prefix=inside.prefix, proxy=f"{HOST}:{cluster.web_port}")
    try:
        agent.start(cluster.join_token())
        person = member(cluster, tmp_path / "erin")
        assert "Tunnel" in person.tsh("ls").ok().out
        assert reaches(person, "shut-in")
    finally:
        agent.stop()
        inside.close()


def test_tunnels_and_sessions_survive_restarts(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("phoenix", roles="auth,proxy").start()
    agent = Agent(cluster, tmp_path / "agent", "steady").start(cluster.join_token())
    try:
        person = member(cluster, tmp_path / "erin")
        assert reaches(person, "steady")
        cluster.kill()
        cluster.start()
        until(lambda: reaches(person, "steady"), "reached after the cluster's end")
        assert agent.process is not None
        agent.process.kill()
        agent.start()  # without a token: the stored identity is used
        until(lambda: reaches(person, "steady"), "reached after the agent's end")
    finally:
        agent.stop()


def test_a_wrong_token_and_a_wrong_pin_are_refused(cluster: Cluster, tmp_path: Path) -> None:
    stranger = Agent(cluster, tmp_path / "a", "stranger").start("0" * 32, wait=False)
    assert stranger.process is not None
    try:
        until(lambda: "token" in refusals(stranger), "refusal logged")
        until(lambda: any(event["code"] == "TJ002E" for event in cluster.events("instance.join")), "refusal audited")
    finally:
        stranger.process.kill()
    other = Agent(cluster, tmp_path / "b", "other", pin="sha256:" + "0" * 64).start(cluster.join_token(), wait=False)
    assert other.process is not None
    try:
        until(lambda: "pin" in refusals(other), "pin refused")
    finally:
        other.process.kill()
    assert {"stranger", "other"}.isdisjoint(cluster.node_names())


def refusals(agent: Agent) -> str:
    assert agent.process is not None
    return "\n".join(line for line in agent.process.output().splitlines() if "ERROR" in line or "WARN" in line)
