"""Working on a machine without a profile: what a command shows, who lets it go on, and what it leaves behind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.chromium import chromium, give_security_key
from harness.cluster import Agent, Cluster, clean_environment
from harness.keys import log_in_with_key, run_with_key, sign_up_with_key
from harness.people import Person
from harness.processes import BIN, Started
from playwright.sync_api import expect

PREFERENCE = """kind: cluster_auth_preference
version: v2
spec:
  type: local
  second_factors: [otp, webauthn]
  webauthn: {rp_id: localhost}
"""
STRICT = f"""kind: role
version: v7
metadata: {{name: strict}}
spec:
  options: {{require_session_mfa: true}}
  allow:
    logins: [{LOGIN}]
    node_labels: {{'*': '*'}}
"""


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("quiet"), "quiet")
    try:
        cluster.start()
        cluster.tctl("create", "-f", text=PREFERENCE).ok()
        cluster.tctl("create", "-f", text=STRICT).ok()
        yield cluster
    finally:
        if cluster.process is not None:
            cluster.stop()


@pytest.fixture(scope="module")
def hanna(quiet: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """With a profile and a key on her own machine, where every session needs MFA."""
    return keyed(quiet, "hanna", tmp_path_factory.mktemp("hanna"))


def keyed(cluster: Cluster, name: str, home: Path) -> Person:
    person = Person(cluster, name, home)
    sign_up_with_key(person, person.invite(roles="strict", logins=LOGIN))
    log_in_with_key(person)
    return person


class Elsewhere:
    """A machine that knows nothing: an empty home, watched."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self.cluster = cluster
        self.home = home
        home.mkdir()

    def start(self, user: str, *words: str) -> Started:
        flags = [f"--proxy={self.cluster.proxy}", f"--user={user}", "--insecure"]
        arguments: list[str | Path] = [BIN / "tsh", *flags, *words]
        log = self.home.parent / f"{self.home.name}.log"
        log.unlink(missing_ok=True)
        return Started(arguments, log, clean_environment(self.home))

    def left_behind(self) -> list[Path]:
        return [path for path in self.home.rglob("*") if not path.is_dir()]


def request_of(started: Started) -> str:
    """The id that the command shows."""

    def shown() -> re.Match[str] | None:
        return re.search(r"/web/headless/([0-9a-f-]{36})\s", started.output())

    started.wait_until(lambda: shown() is not None, "the id is shown")
    found = shown()
    assert found is not None
    return found[1]


def approve(person: Person, *words: str) -> str:
    return run_with_key(person, "headless", "approve", "--skip-confirm", *words).ok().out


def test_a_command_goes_on_once_approved_and_leaves_nothing(quiet: Cluster, hanna: Person, tmp_path: Path) -> None:
    there = Elsewhere(quiet, tmp_path / "there")
    command = there.start("hanna", "--headless", "ssh", f"{LOGIN}@quiet", "echo hea''dless")
    name = request_of(command)
    assert f"tsh headless approve --user=hanna --proxy={quiet.proxy} {name}" in command.output()
    assert "127.0.0.1" in approve(hanna, name)
    command.process.wait(30)
    assert "headless\n" in command.output()
    assert command.process.returncode == 0
    assert there.left_behind() == []
    logins = [event for event in quiet.events("user.login") if event.get("message") == name]
    assert sorted(event["code"] for event in logins) == ["T1012I", "T1013I"]
    assert {event["user"] for event in logins} == {"hanna"}


def test_files_and_lists_too(quiet: Cluster, hanna: Person, tmp_path: Path) -> None:
    there = Elsewhere(quiet, tmp_path / "there")
    (tmp_path / "file").write_text("content")
    target = f"{LOGIN}@quiet:{tmp_path}/copy"
    for words in (["scp", "--headless", "-q", str(tmp_path / "file"), target], ["ls", "--auth=headless"]):
        command = there.start("hanna", *words)
        approve(hanna, request_of(command))
        command.process.wait(30)
        assert command.process.returncode == 0, command.output()
    assert (tmp_path / "copy").read_text() == "content"
    assert "quiet" in command.output()
    assert there.left_behind() == []


def test_without_an_id_the_next_one_is_waited_for(quiet: Cluster, hanna: Person, tmp_path: Path) -> None:
    there = Elsewhere(quiet, tmp_path / "there")
    command = there.start("hanna", "--headless", "ls")
    request_of(command)
    approve(hanna)
    command.process.wait(30)
    assert command.process.returncode == 0


def test_somebody_else_cannot_let_it_go_on(quiet: Cluster, hanna: Person, tmp_path: Path) -> None:
    other = keyed(quiet, "mallory", tmp_path / "mallory")
    command = Elsewhere(quiet, tmp_path / "there").start("hanna", "--headless", "ls")
    name = request_of(command)
    refused = run_with_key(other, "headless", "approve", "--skip-confirm", name)
    assert refused.status == 1
    assert "no such headless login of yours" in refused.err
    assert command.process.poll() is None
    assert [event["code"] for event in quiet.events("user.login") if event.get("message") == name] == ["T1012I"]
    command.kill()


def test_a_denial_ends_it(quiet: Cluster, hanna: Person, tmp_path: Path) -> None:
    command = Elsewhere(quiet, tmp_path / "there").start("hanna", "--headless", "ls")
    denied = run_with_key(hanna, "headless", "approve", request_of(command))  # nobody says yes
    assert denied.status == 1
    assert "Denied" in denied.out
    command.process.wait(30)
    assert command.process.returncode == 1
    assert "denied" in command.output()
    assert quiet.events("user.login")[-1]["code"] == "T1014W"


def test_other_commands_are_refused(quiet: Cluster, tmp_path: Path) -> None:
    there = Elsewhere(quiet, tmp_path / "there")
    for words in (["--headless", "sftp", "quiet"], ["status", "--headless"], ["--auth=headless", "mfa", "ls"]):
        command = there.start("hanna", *words)
        command.process.wait(30)
        assert command.process.returncode == 1
        assert "--headless is for" in command.output()


def test_files_go_from_one_server_to_another(quiet: Cluster, hanna: Person, tmp_path: Path) -> None:
    """On a server, without credentials there: copied on to another server."""
    agent = Agent(quiet, tmp_path / "agent", "second").start(quiet.join_token())
    try:
        there = Elsewhere(quiet, tmp_path / "there")
        (tmp_path / "file").write_bytes(os.urandom(300_000))
        command = there.start(
            "hanna", "--headless", "scp", "-q", str(tmp_path / "file"), f"{LOGIN}@second:{tmp_path}/arrived"
        )
        approve(hanna, request_of(command))
        command.process.wait(30)
        assert (tmp_path / "arrived").read_bytes() == (tmp_path / "file").read_bytes()
    finally:
        agent.stop()


def test_the_browser_approves_with_a_passkey(quiet: Cluster, tmp_path: Path) -> None:
    person = Person(quiet, "iris", tmp_path / "iris")
    token = person.invite(roles="strict", logins=LOGIN)
    with chromium(tmp_path / "browser") as context:
        page = context.new_page()
        page.goto(f"https://{quiet.proxy}/web/login")
        give_security_key(page)
        page.goto(f"https://{quiet.proxy}/web/invite/{token}")
        page.get_by_role("button", name="Create a passkey").click()
        expect(page.get_by_role("heading", name="Servers")).to_be_visible()
        command = Elsewhere(quiet, tmp_path / "there").start(
            "iris", "--headless", "ssh", f"{LOGIN}@quiet", "echo d''one"
        )
        page.goto(f"https://{quiet.proxy}/web/headless/{request_of(command)}")
        expect(page.get_by_text("wants to work as iris")).to_be_visible()
        page.get_by_role("button", name="Use security key or passkey").click()
        expect(page.get_by_text("Approved")).to_be_visible()
        command.process.wait(30)
        assert "done\n" in command.output()
        again = Elsewhere(quiet, tmp_path / "again").start("iris", "--headless", "ls")
        page.goto(f"https://{quiet.proxy}/web/headless/{request_of(again)}")
        page.get_by_role("button", name="Deny").click()
        expect(page.get_by_text("Denied")).to_be_visible()
        again.process.wait(30)
        assert again.process.returncode == 1
