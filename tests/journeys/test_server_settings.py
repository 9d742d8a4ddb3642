"""What `teleport.yaml` says of a server: a port of its own for stock `ssh`, and labels that commands print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import LOGIN
from harness.cluster import Cluster, Finished, run
from harness.ports import free_port
from harness.processes import until
from harness.terminals import OnTerminal
from harness.visitors import Visitor

SETTINGS = """  listen_addr: 127.0.0.1:{port}
  force_listen: yes
  public_addr: 127.0.0.1:{port}
  commands:
  - {{name: state, command: [cat, {state}], period: 1s}}
  - {{name: kernel, command: [uname, -s], period: 1h}}
"""
WHEN_OPEN = """kind: role
version: v7
metadata: {{name: when-open}}
spec: {{allow: {{logins: [{login}], node_labels: {{state: open, kernel: Linux}}}}}}
"""


@dataclass(frozen=True)
class Place:
    """A server whose label `state` is what a file says, and which listens on `port`."""

    cluster: Cluster
    visitor: Visitor
    port: int
    state: Path
    folder: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("settings"), free_port()
    state = folder / "state"
    state.write_text("open\n")
    cluster = Cluster(folder / "cluster", "beta", extra=SETTINGS.format(port=port, state=state))
    try:
        cluster.start()
        yield Place(cluster, Visitor(cluster, folder / "visitor"), port, state, folder)
    finally:
        if cluster.process is not None:
            cluster.stop()


def test_labels_that_commands_print_are_kept_fresh(place: Place, tmp_path: Path) -> None:
    """In the list, in searches, and where a role decides by them."""
    visitor = place.visitor
    until(lambda: {"env=test", "kernel=Linux", "state=open"} <= labels_shown(visitor), "all labels listed")
    place.cluster.tctl("create", "-f", text=WHEN_OPEN.format(login=LOGIN)).ok()
    guest = Visitor(place.cluster, tmp_path / "guest", "guest", roles="when-open")
    until(lambda: guest.reaches("beta"), "let in while open")
    with guest.terminal("beta") as session:
        place.state.write_text("closed\n")
        until(lambda: "state=closed" in labels_shown(visitor), "the new label listed")
        session.see("the session ends: access to node denied")
        assert session.ended() != 0
    assert visitor.tsh("ls", "state=closed", "--format=names").ok().out == "beta\n"
    assert visitor.tsh("ls", "state=open", "--format=names").ok().out.strip() == ""
    assert not guest.reaches("beta")
    place.state.write_text("open\n")
    until(lambda: guest.reaches("beta"), "let in again")


def labels_shown(visitor: Visitor) -> set[str]:
    """Of the one server, as `tsh ls` prints them."""
    return set(visitor.tsh("ls", "--verbose").ok().out.splitlines()[-1].split()[-1].split(","))


def test_stock_ssh_comes_in_by_the_server_s_own_port(place: Place, tmp_path: Path) -> None:
    """No proxy and no tunnel: by a signed certificate, decided, recorded and audited all the same."""
    key, known = tmp_path / "id", tmp_path / "known_hosts"
    place.cluster.tctl("auth", "sign", f"--user={place.visitor.name}", "--format=openssh", f"--out={key}").ok()
    authority = place.cluster.tctl("auth", "export", "--type=host").ok().out.split(maxsplit=2)[2]
    known.write_text(f"@cert-authority * {authority}")
    words = ["/usr/bin/ssh", "-F", "none", "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes",
             "-i", str(key), "-p", str(place.port)]  # fmt: skip

    def ssh(*rest: str) -> Finished:
        return run([*words, *rest], place.visitor.environment)

    assert ssh(f"{LOGIN}@127.0.0.1", "echo here; exit 4").out == "here\n"
    refused = ssh("nobody-else@127.0.0.1", "true")
    assert refused.status == 255
    assert "nobody-else" in refused.err
    with OnTerminal([*words, "-tt", f"{LOGIN}@127.0.0.1"], place.visitor.environment) as session:
        session.see(r"[$#] ")
        session.run("echo di''rect $SSH_CONNECTION", r"direct 127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+")
        session.send("exit 3\n")
        assert session.ended() == 3
    until(lambda: bool(events_of(place, "session.end")), "the end told")
    (told,) = events_of(place, "session.start")
    assert told["addr.remote"].startswith("127.0.0.1:")
    until(lambda: "direct" in place.visitor.tsh("play", "--format=text", told["sid"]).out, "replay")
    (failed,) = events_of(place, "auth")
    assert "nobody-else" in failed["error"]


def events_of(place: Place, name: str) -> list[dict[str, Any]]:
    return [event for event in place.cluster.events(name) if event.get("user") == place.visitor.name]
