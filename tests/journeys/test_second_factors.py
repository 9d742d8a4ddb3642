"""Second factors from the user's programs: devices, passkeys, MFA for each session, administrative changes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import LOGIN
from ctap_key import SoftwareKey
from harness.aftermath import session_of
from harness.cluster import Cluster, Finished, run
from harness.keys import log_in_with_key, run_with_key, sign_up_with_key, with_key
from harness.people import PASSWORD, Person, converse
from harness.processes import BIN, until
from harness.terminals import OnTerminal

HOST = f"{LOGIN}@strict"

CAREFUL = f"""kind: role
version: v7
metadata: {{name: careful}}
spec:
  options: {{require_session_mfa: true}}
  allow:
    logins: [{LOGIN}]
    node_labels: {{'*': '*'}}
"""

HELPER = """kind: role
version: v7
metadata: {name: helper}
spec:
  options: {require_session_mfa: true}
  allow:
    join_sessions: [{name: careful, roles: [careful], kinds: [ssh], modes: [moderator]}]
"""

PREFERENCE = """kind: cluster_auth_preference
version: v2
spec:
  type: local
  second_factors: [otp, webauthn]
  webauthn: {rp_id: localhost}
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with both kinds of factor, where one role demands MFA for each session."""
    cluster = Cluster(tmp_path_factory.mktemp("strict"), "strict")
    try:
        cluster.start()
        cluster.tctl("create", "-f", text=CAREFUL).ok()
        cluster.tctl("create", "-f", text=PREFERENCE).ok()
        yield cluster
    finally:
        if cluster.process is not None:
            cluster.stop()


@pytest.fixture(scope="module")
def carol(strict: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Somebody whose every session needs MFA, with an authenticator app."""
    person = Person(strict, "carol", tmp_path_factory.mktemp("carol"))
    person.sign_up(person.invite(roles="careful"))
    person.log_in()
    return person


@pytest.fixture(scope="module")
def keira(strict: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """The same with a security key."""
    return person_with_key(strict, "keira", tmp_path_factory.mktemp("keira"), "careful")


def person_with_key(cluster: Cluster, name: str, home: Path, *roles: str) -> Person:
    person = Person(cluster, name, home)
    sign_up_with_key(person, person.invite(roles=",".join(roles), logins=LOGIN))
    log_in_with_key(person)
    return person


@contextmanager
def preferring(cluster: Cluster, preference: str) -> Iterator[None]:
    """For a while; those that come afterwards find it as it was, whatever happens meanwhile."""
    cluster.tctl("create", "-f", text=preference).ok()
    try:
        yield
    finally:
        cluster.tctl("create", "-f", text=PREFERENCE).ok()


def on_terminal(person: Person, *words: str) -> OnTerminal:
    return OnTerminal(list(words), person.environment)


def test_a_session_needs_a_code_and_goes_on_without_another(strict: Cluster, carol: Person) -> None:
    with on_terminal(carol, str(BIN / "tsh"), "ssh", HOST) as shell:
        shell.see("OTP code")
        shell.send(carol.code() + "\n")
        shell.see(r"[$#] ")
        shell.run("echo se''ssion", "session")
        shell.send("exit\n")
        assert shell.ended() == 0

    def with_mfa() -> list[bool]:
        return [event.get("with_mfa", False) for event in strict.events("session.start") if event["user"] == "carol"]

    until(lambda: bool(with_mfa()), "told")
    assert all(with_mfa())


def test_a_moderator_proves_to_be_there_again(strict: Cluster, carol: Person, tmp_path: Path) -> None:
    """The code is typed into the session that is watched, and reaches nobody in it."""
    strict.tctl("create", "-f", text=HELPER).ok()
    helper = Person(strict, "hilda", tmp_path / "hilda")
    helper.sign_up(helper.invite(roles="helper"))
    helper.log_in()
    with on_terminal(carol, str(BIN / "tsh"), "ssh", HOST) as shell:
        shell.see("OTP code")
        shell.send(carol.code() + "\n")
        shell.see(r"[$#] ")

        sid, _ = session_of(shell)
        until(lambda: sid in helper.tsh("sessions", "ls", "--kind=ssh", "--format=json").ok().out, "listed")
        with on_terminal(helper, str(BIN / "tsh"), "join", "--mode=moderator", sid) as watching:
            watching.see("OTP code")
            watching.send(helper.code() + "\n")
            watching.see("prove that you are there every 30 seconds")
            watching.see("prove that you are still there", patience=60)
            watching.see("OTP code")
            watching.send(helper.code() + "\n")
            watching.see("your presence is proven")
            watching.send("t")
            assert watching.ended() == 0
        assert shell.ended() != 0
        assert "terminated by hilda" in shell.shown


def test_input_that_is_piped_is_not_taken_for_the_code(carol: Person) -> None:
    shown = converse(
        ["/bin/sh", "-c", f"echo piped-through | {BIN / 'tsh'} ssh {HOST} cat"],
        carol.environment,
        [("OTP code", carol.code())],
    )
    assert "piped-through" in shown


def test_without_a_terminal_the_refusal_says_what_is_missing(strict: Cluster, carol: Person) -> None:
    done = run(["setsid", "--wait", str(BIN / "tsh"), "ssh", HOST, "true"], carol.environment)
    assert done.status == 1
    assert "second factor" in done.err
    assert "terminal" in done.err


def test_a_used_code_opens_nothing(carol: Person) -> None:
    code = carol.code()
    command = [str(BIN / "tsh"), "ssh", HOST, "echo in''side"]
    assert "inside" in converse(command, carol.environment, [("OTP code", code)])
    with pytest.raises(AssertionError, match="wrong, late or used") as refused:
        converse(command, carol.environment, [("OTP code", code)])
    assert "inside" not in str(refused.value)


def test_stock_ssh_asks_on_the_terminal_and_leaves_nothing(strict: Cluster, carol: Person, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(carol.tsh("config").ok().out)
    program = shutil.which("ssh")
    assert program is not None
    words = [program, "-F", str(config), f"{LOGIN}@strict.strict.example", "echo st''ock"]
    assert "stock" in converse(words, carol.environment, [("OTP code", carol.code())])
    until(lambda: not list((carol.home / "tsh").rglob("*-session-cert.pub")), "taken away again")
    denied = run(["setsid", "--wait", *words], carol.environment)
    assert denied.status == 255
    assert "second factor" in denied.err


def test_a_touch_opens_a_session_and_files_are_copied(keira: Person, tmp_path: Path) -> None:
    assert run_with_key(keira, "ssh", HOST, "echo to''uched").ok().out == "touched\n"
    (tmp_path / "a").write_text("content")
    run_with_key(keira, "scp", "-q", str(tmp_path / "a"), f"{HOST}:{tmp_path}/b").ok()
    assert (tmp_path / "b").read_text() == "content"


def test_the_agent_asks_for_mfa_itself(keira: Person, tmp_path: Path) -> None:
    """The connection was opened with MFA, what is shown to the server is a certificate without it."""
    config = tmp_path / "config"
    proxy = " ".join(with_key(keira, "proxy", "ssh", "--fdpass", "--cluster=strict.example", "%h:%p"))
    plain = keira.tsh("config").ok().out.splitlines()
    kept = [line for line in plain if "ProxyCommand" not in line]
    config.write_text("\n".join([*kept, f"    ProxyCommand {proxy}"]) + "\n")
    words = ["ssh", "-F", str(config), f"{LOGIN}@strict.strict.example", "echo in''side"]
    assert run(words, keira.environment).ok().out == "inside\n"
    config.write_text(config.read_text().replace("-session-cert.pub", "-no-cert.pub"))
    refused = run(words, keira.environment)
    assert refused.status == 255
    assert "MFA required" in refused.err


def test_a_session_outlives_the_minute_of_its_certificate(strict: Cluster, keira: Person) -> None:
    preference = PREFERENCE.replace("type: local", "type: local\n  disconnect_expired_cert: true")
    with preferring(strict, preference), on_terminal(keira, *with_key(keira, "ssh", HOST)) as shell:
        shell.see(r"[$#] ")
        began = time.monotonic()
        while time.monotonic() - began < 65:
            shell.run("echo al''ive; sleep 4", "alive")
        shell.send("exit\n")
        assert shell.ended() == 0


def test_devices_are_added_and_removed(strict: Cluster, tmp_path: Path) -> None:
    person = person_with_key(strict, "dora", tmp_path / "dora", "careful")
    refused = run_with_key(person, "mfa", "rm", "key")
    assert "last device" in refused.err
    with on_terminal(person, *with_key(person, "mfa", "add", "--type=TOTP", "--name=tablet")) as adding:
        adding.see("Tap")
        adding.see("[▀▄█]")
        secret = adding.see(r"\n  [A-Z2-7]{32}\r").split()[-1]
        adding.see("app shows now")
        adding.send(Person(strict, "dora", tmp_path, secret).code() + "\n")
        adding.see("'tablet' added")
        assert adding.ended() == 0
    assert [device["name"] for device in person.tsh("mfa", "ls", "--format=json").ok().json] == ["key", "tablet"]
    (person.home / "key.json").rename(person.home / "old.json")
    (person.home / "key.json").write_text((person.home / "old.json").read_text())
    run_with_key(person, "mfa", "rm", "tablet", "--mfa-mode=cross-platform").ok()
    assert "tablet" not in person.tsh("mfa", "ls").ok().out
    kept = [path for path in person.home.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if secret in path.read_text(errors="replace")]


def test_a_passkey_alone_logs_in(strict: Cluster, tmp_path: Path) -> None:
    person = Person(strict, "erik", tmp_path / "erik")
    sign_up_with_key(person, person.invite(roles="access", logins=LOGIN), passkey=True)
    words = ["login", f"--proxy={strict.proxy}", "--insecure", "--auth=passwordless"]
    assert "erik" in run_with_key(person, *words).ok().out
    assert "passwordless" in person.tsh("mfa", "ls").ok().out
    assert person.tsh("ssh", HOST, "echo here").ok().out == "here\n"
    with preferring(strict, f"{PREFERENCE}  allow_passwordless: false\n"):
        refused = run_with_key(person, *words, "--force")
    assert "does not allow passwordless" in refused.err


def test_a_copied_key_is_noticed(strict: Cluster, tmp_path: Path) -> None:
    person = person_with_key(strict, "fred", tmp_path / "fred", "careful")
    stolen = tmp_path / "stolen.json"
    SoftwareKey(person.home / "key.json").copy_to(stolen)
    run_with_key(person, "ssh", HOST, "true").ok()
    os.replace(stolen, person.home / "key.json")
    assert "cloned" in run_with_key(person, "ssh", HOST, "true").err

    def is_told() -> bool:
        events = strict.events("mfa_auth_challenge.validate")
        return any(event["code"] == "T1016W" and "cloned" in event["error"] for event in events)

    until(is_told, "told in the audit log")


def test_the_message_of_the_day_is_acknowledged_first(strict: Cluster, keira: Person) -> None:
    preference = f"{PREFERENCE}  message_of_the_day: mind the gap\n"
    words = ["login", f"--proxy={strict.proxy}", "--user=keira", "--insecure", "--force"]
    with preferring(strict, preference), on_terminal(keira, *with_key(keira, *words)) as login:
        login.see("mind the gap")
        login.see("ENTER")
        login.send("\n")
        login.see("assword")
        login.send(PASSWORD + "\n")
        assert login.ended() == 0


def test_administrative_changes_ask_for_a_touch(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("keys").start()
    cluster.tctl("create", "-f", text=PREFERENCE).ok()
    boss = person_with_key(cluster, "boss", tmp_path / "boss", "editor")
    roles = tmp_path / "roles.yaml"
    roles.write_text("\n---\n".join(CAREFUL.replace("careful", name) for name in ("one", "two", "three")))
    tctl = [f"--auth-server={cluster.proxy}", "-c", "/dev/null"]

    def as_boss(*words: str) -> Finished:
        return run_with_key(boss, *words, *tctl, program="tctl")

    assert "Tap" not in as_boss("create", "-f", str(roles)).ok().err, "where codes count nobody is asked"
    cluster.tctl("create", "-f", text=PREFERENCE.replace("otp, ", "")).ok()
    without = run([str(BIN / "tctl"), "create", "-f", str(roles), *tctl], boss.environment)
    assert without.status == 1
    assert "security key" in without.err
    assert as_boss("create", "-f", str(roles)).ok().err.count("Tap") == 1, "one touch is good for a series"
    assert "Tap" in as_boss("rm", "role/one").ok().err
    assert "Tap" in as_boss("users", "reset", "boss").ok().err
    cluster.tctl("rm", "role/two").ok()
