"""Servers that joined at auth and keep no tunnel: the proxy goes to them where they listen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Cluster, run
from harness.parts import NodePart
from harness.people import Person
from harness.processes import until
from harness.visitors import Visitor

AT_PROXY = (
    "kind: session_recording_config\nversion: v2\nmetadata: {name: session-recording-config}\nspec: {mode: proxy}\n"
)
NETWORKING = (
    "kind: cluster_networking_config\nversion: v2\nmetadata: {{name: cluster-networking-config}}\n"
    "spec: {{case_insensitive_routing: {routing}, ssh_dial_timeout: 7s}}\n"
)


@dataclass
class Place:
    """A cluster whose proxy has no server of its own, and those that joined it."""

    cluster: Cluster
    visitor: Visitor
    folder: Path
    nodes: list[NodePart] = field(default_factory=list)

    def add(self, name: str, joins: str, port: int = 0) -> NodePart:
        made = NodePart(self.cluster, self.folder / name, name, joins)
        made.port = port or made.port
        self.nodes.append(made)
        made.start(self.cluster.join_token())
        until(lambda: name in self.cluster.node_names(), f"{name} listed")
        return made

    @property
    def auth(self) -> str:
        return f"auth_server: 127.0.0.1:{self.cluster.auth_port}"


@pytest.fixture
def place(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Place]:
    cluster = new_cluster("gamma", roles="auth,proxy").start()
    made = Place(cluster, Visitor(cluster, tmp_path / "visitor"), tmp_path)
    yield made
    for node in made.nodes:
        node.kill()


def test_the_proxy_goes_where_they_listen_and_nowhere_else(place: Place) -> None:
    direct = place.add("direct", place.auth)
    place.add("tunnelled", f"proxy_server: {place.cluster.proxy}")
    visitor = place.visitor
    until(lambda: visitor.reaches("tunnelled"), "the tunnel is there")
    shown = dict(line.split(maxsplit=1) for line in visitor.tsh("ls").ok().out.splitlines()[2:])
    assert shown["direct"].strip() == f"127.0.0.1:{direct.port}"
    assert shown["tunnelled"].strip() == "⟵ Tunnel"

    for name in ("direct", "tunnelled"):
        assert visitor.tsh("ssh", f"{LOGIN}@{name}", "echo here; exit 4").status == 4
    with visitor.terminal("direct") as session:  # one that may be resumed, as from any terminal
        session.run("echo by-the-proxy-$((1+1))", "by-the-proxy-2")

    def starts() -> set[str]:
        """Addresses that sessions came from, as the host tells."""
        told = place.cluster.events("session.start")
        return {event["addr.remote"] for event in told if event["server_hostname"] == "direct"}

    def connects(field: str) -> set[str]:
        """The same, as the proxy tells."""
        return {event[field] for event in place.cluster.events("session.connect")}

    until(lambda: bool(starts()) and starts() <= connects("addr.remote"), "the person's address, not the proxy's")
    until(lambda: len(connects("server_id")) == 2, "both told")

    place.cluster.tctl("create", "-f", "-", text=AT_PROXY).ok()
    with visitor.terminal("direct") as session:
        session.run("echo recorded-$((1+1))", "recorded-2")

    direct.kill()
    until(lambda: "cannot reach it where it listens" in visitor.tsh("ssh", f"{LOGIN}@direct", "true").err, "told why")
    place.add("Another", place.auth, direct.port)
    refused = visitor.tsh("ssh", f"{LOGIN}@direct", "true")
    assert refused.status == 255
    assert "is not the host that listens there" in refused.err

    place.cluster.tctl("rm", "session_recording_config").ok()  # at the proxy, ssh would need a key agent
    place.cluster.tctl("create", "-f", "-", text=NETWORKING.format(routing="false")).ok()
    person = Person(place.cluster, "penny", place.folder / "person")
    person.sign_up(person.invite(logins=LOGIN))
    person.log_in()
    (profile,) = person.home.rglob("localhost.yaml")
    assert 'ssh_dial_timeout: "7s"' in profile.read_text()
    config = place.folder / "ssh_config"
    config.write_text(person.tsh("config").ok().out)
    words = ["ssh", "-F", str(config), f"{LOGIN}@Another.{place.cluster.name}.example", "true"]
    assert "There is no 'another'" in run(words, person.environment).err  # ssh asks in small letters
    place.cluster.tctl("create", "-f", "-", text=NETWORKING.format(routing="true")).ok()
    until(lambda: run(words, person.environment).status == 0, "found by small letters")
