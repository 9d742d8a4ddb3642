"""A denied server that may be asked for: tsh asks, waits, and goes on with what was approved."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Cluster, Finished, run
from harness.people import Person
from harness.processes import BIN, until
from harness.terminals import OnTerminal

ROLES = f"""kind: role
version: v7
metadata: {{name: far-root}}
spec:
  allow: {{logins: [{LOGIN}], node_labels: {{'*': '*'}}}}
---
kind: role
version: v7
metadata: {{name: finder}}
spec:
  allow:
    request: {{search_as_roles: [far-root], roles: [far-root]}}
"""


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("asking"), "asking").start()
    try:
        cluster.tctl("create", "-f", text=ROLES).ok()
        yield cluster
    finally:
        cluster.kill()


def somebody(cluster: Cluster, name: str, home: Path) -> Person:
    person = Person(cluster, name, home / name)
    person.sign_up(person.invite(roles="finder", logins="nobody"))
    person.log_in()
    return person


def pending(person: Person) -> list[str]:
    listed = person.cluster.tctl("requests", "ls", "--format=json").ok().json
    return [one["metadata"]["name"] for one in listed if one["spec"].get("state", "PENDING") == "PENDING"]


def is_asked(person: Person) -> str:
    """The id of the one request that waits, once there is one."""
    until(lambda: bool(pending(person)), "request is made")
    (name,) = pending(person)
    return name


def ask(person: Person, *words: str) -> subprocess.Popen[str]:
    """A command that runs on without a terminal."""
    return subprocess.Popen(
        [str(BIN / "tsh"), *words], env=person.environment, stdin=subprocess.DEVNULL, stdout=-1, stderr=-1, text=True
    )


def test_a_denied_server_is_asked_for_and_then_reached(asking: Cluster, tmp_path: Path) -> None:
    bob = somebody(asking, "bob", tmp_path)
    command = (str(BIN / "tsh"), "ssh", f"{LOGIN}@asking", "echo", "reached")
    silent = bob.tsh(*command[1:])
    assert silent.status == 1
    assert "tsh request create --resource=/asking.example/node/" in silent.err
    for off in ("--disable-access-request", "--request-mode=off"):
        assert "You may ask" not in bob.tsh("ssh", off, *command[2:]).err
    assert "nowhere" in bob.tsh("ssh", f"{LOGIN}@nowhere", "true").err
    assert "allows the login" in bob.tsh("ssh", "toor@asking", "true").err
    told_by_the_resident_client(bob)
    assert not pending(bob)

    with OnTerminal(command, bob.environment) as terminal:
        terminal.see("You may ask for access to the server asking")
        terminal.see("Enter request reason:")
        terminal.send("ticket 7\n")
        terminal.see("waits for approval")
        terminal.see(r"waiting 0:\d\d")
        bob.cluster.tctl("requests", "approve", is_asked(bob), "--reason=go \x1b[31mahead").ok()
        shown = terminal.see("reached")
        assert terminal.ended() == 0
    assert "Approved: go " in shown
    assert "\x1b" not in shown
    created = bob.cluster.events("access_request.create")
    assert [event["reason"] for event in created] == ["ticket 7"]
    assert bob.tsh(*command[1:]).ok().out == "reached\n"

    # what is approved already is taken on again, without a question
    bob.tsh("request", "drop").ok()
    (tmp_path / "note").write_text("words")
    copied = bob.tsh("scp", "--request-reason=again", str(tmp_path / "note"), f"{LOGIN}@asking:{tmp_path}/copy").ok()
    assert (tmp_path / "copy").read_text() == "words"
    assert "`tsh request drop` gives it back" in copied.err
    assert len(bob.cluster.events("access_request.create")) == 1


def test_a_request_that_is_denied_ends_the_command_and_says_why(asking: Cluster, tmp_path: Path) -> None:
    ben = somebody(asking, "ben", tmp_path)
    with ask(ben, "ssh", "--request-reason=ticket 8", f"{LOGIN}@asking", "echo reached") as waiting:
        asking.tctl("requests", "deny", is_asked(ben), "--reason=not today").ok()
        out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert out == ""
    assert "was denied: not today" in err
    words = ("ssh", "--request-mode=role", "--request-reason=ticket 9", f"{LOGIN}@asking", "echo reached")
    with ask(ben, *words) as waiting:
        name = is_asked(ben)
        with ask(ben, *words) as again:  # waits for the same request
            told = again.stderr
            assert told is not None
            until(lambda: name in told.readline(), "the second waits too")
            assert pending(ben) == [name]
            asking.tctl("requests", "approve", name).ok()
            for one in (waiting, again):
                out, err = one.communicate(timeout=60)
                assert (one.returncode, out) == (0, "reached\n"), err
    (request,) = asking.tctl("requests", "get", name, "--format=json").ok().json
    assert request["spec"]["roles"] == ["far-root"]
    assert not request["spec"].get("requested_resource_ids")


def told_by_the_resident_client(person: Person) -> None:
    """It leaves asking to the program."""
    environment = {name: value for name, value in person.environment.items() if name != "TELEPORT_NO_DAEMON"}

    def tsh(*words: str) -> Finished:
        return run([str(BIN / "tsh"), *words], environment, "", 60)

    tsh("ls").ok()
    until(lambda: tsh("daemon", "status").out == "running\n", "the resident client runs")
    try:
        assert "tsh request create --resource=/asking.example/node/" in tsh("ssh", f"{LOGIN}@asking", "true").err
        denied = tsh("ssh", "--request-mode=off", f"{LOGIN}@asking", "true")
        assert denied.status == 1
        assert "You may ask" not in denied.err
    finally:
        tsh("daemon", "stop")
