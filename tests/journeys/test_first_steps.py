"""From an empty data directory to a recorded session and the story of it, by hand as a new user would."""

from __future__ import annotations

import re
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster
from harness.people import PASSWORD, Browser, Person, converse
from harness.processes import BIN, until


def test_the_first_start_prints_a_link_for_the_first_administrator(new_cluster: Callable[..., Cluster]) -> None:
    cluster = new_cluster("fresh").start()
    assert cluster.process is not None
    found = re.search(rf"https://{cluster.proxy}/web/invite/([0-9a-f]+)", cluster.process.output())
    assert found is not None, cluster.process.output()
    person = Person(cluster, "admin", cluster.folder / "admin")
    assert person.sign_up(found[1]).call("GET", "/v1/whoami")["roles"]
    cluster.stop()
    cluster.start()
    assert cluster.process.output().count("/web/invite/") == 1, "a link is offered only while there is no user"
    changes = (("rm", "user/admin"), ("users", "rm", "admin"), ("users", "update", "admin", "--set-roles=access"))
    for change in changes:
        refused = cluster.tctl(*change)
        assert refused.status == 1, refused
        assert "no local user would be left" in refused.err
    cluster.tctl("users", "update", "admin", "--set-roles=access", "--confirm").ok()
    cluster.tctl("users", "update", "admin", "--set-roles=editor").ok()
    cluster.tctl("users", "rm", "admin", "--confirm").ok()


def test_tctl_tells_the_cluster(cluster: Cluster) -> None:
    out = cluster.tctl("status").ok().out
    assert re.search(r"Cluster\s+alpha\.example", out)
    assert re.search(r"CA pin\s+sha256:[0-9a-f]{64}", out)


def test_a_sign_up_link_works_once(cluster: Cluster, tmp_path: Path) -> None:
    person = Person(cluster, "once", tmp_path)
    token = person.invite()
    person.sign_up(token)
    browser = Browser(cluster.proxy)
    with pytest.raises(urllib.error.HTTPError) as refusal:
        browser.call("GET", f"/webapi/users/password/token/{token}")
    assert refusal.value.code in (403, 404)


def test_login_by_password_and_code_on_a_terminal(cluster: Cluster, tmp_path: Path) -> None:
    person = Person(cluster, "bob", tmp_path / "bob")
    person.sign_up(person.invite(roles="access", logins=LOGIN))
    person.log_in()
    status = person.tsh("status").ok().out
    assert "bob" in status
    assert "access" in status
    for path in (tmp_path / "bob" / "tsh").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
    person.tsh("logout").ok()
    assert person.tsh("status").status == 1


def test_servers_are_listed_with_their_labels(alice: Person, agent: Agent) -> None:
    nodes = alice.tsh("ls", "--format=json").ok().json
    assert {node["spec"]["hostname"] for node in nodes} >= {"alpha", "behind"}
    assert "behind" in alice.tsh("ls", "place=behind").ok().out
    assert "alpha" not in alice.tsh("ls", "place=behind", "--format=names").ok().out.split()
    assert "behind" in alice.tsh("ls", "--search=behind").ok().out
    query = alice.tsh("ls", '--query=labels["place"] == "behind"', "--format=names").ok().out
    assert query.split() == ["behind"]


def test_a_command_has_its_status_and_both_outputs(alice: Person, agent: Agent) -> None:
    done = alice.tsh("ssh", f"{LOGIN}@behind", "echo out; echo err >&2; exit 7")
    assert (done.status, done.out, done.err) == (7, "out\n", "err\n")


def test_input_reaches_the_command(alice: Person, agent: Agent) -> None:
    assert alice.tsh("ssh", f"{LOGIN}@behind", "wc -c", text="x" * 100_000).ok().out.strip() == "100000"


def test_a_server_is_reached_by_name_uuid_and_label(alice: Person, agent: Agent) -> None:
    (node,) = alice.tsh("ls", "place=behind", "--format=json").ok().json
    for target in ("behind", node["metadata"]["name"], "place=behind"):
        assert alice.tsh("ssh", f"{LOGIN}@{target}", "echo here").ok().out == "here\n"


def test_an_interactive_session_is_recorded_replayed_and_audited(
    cluster: Cluster, alice: Person, agent: Agent
) -> None:
    command = [str(BIN / "tsh"), "ssh", f"{LOGIN}@behind"]
    typed = "stty size; echo session=$SSH_SESSION_ID= re''play-me"
    shown = converse(command, alice.environment, [(r"[$#] ", typed), ("replay-me", "exit")])
    told_id = re.search(r"session=([0-9a-f-]{36})= replay-me", shown)
    assert told_id is not None, shown
    session = told_id[1]
    until(lambda: session in {one["sid"] for one in ended(cluster, "behind")}, "session ended")
    until(lambda: session in alice.tsh("recordings", "ls", "--format=json").ok().out, "recording listed")
    until(lambda: "replay-me" in alice.tsh("play", "--format=text", session).out, "replay")
    told = {"session.start", "session.end", "session.data", "session.upload"}
    until(lambda: told <= {one["event"] for one in cluster.events() if one.get("sid") == session}, "story told")


def ended(cluster: Cluster, host: str) -> list[dict[str, object]]:
    return [event for event in cluster.events("session.end") if event.get("server_hostname") == host]


def test_files_are_copied_both_ways(alice: Person, agent: Agent, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "ünïcode name.txt").write_text("content")
    (tree / "big").write_bytes(b"x" * 3_000_000)
    alice.tsh("scp", "-r", str(tree), f"{LOGIN}@behind:{tmp_path}/copy").ok()
    assert (tmp_path / "copy" / "deep" / "ünïcode name.txt").read_text() == "content"
    alice.tsh("scp", "-r", f"{LOGIN}@behind:{tmp_path}/copy", str(tmp_path / "back")).ok()
    assert (tmp_path / "back" / "big").read_bytes() == b"x" * 3_000_000


def test_a_refusal_names_its_reason_and_its_event(cluster: Cluster, alice: Person, agent: Agent) -> None:
    done = alice.tsh("ssh", "nobody-else@behind", "true")
    assert done.status != 0
    assert "nobody-else" in done.err
    event_id = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", done.err)
    assert event_id is not None, done.err
    until(lambda: event_id[0] in {event["uid"] for event in cluster.events()}, "the event")


def test_what_may_not_be_seen_is_not_told(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    cluster.tctl("create", "-f", text=ROLE).ok()
    person = Person(cluster, "carol", tmp_path / "carol")
    person.sign_up(person.invite(roles="nothing-here"))
    person.log_in()
    assert person.tsh("ls", "--format=json").ok().json == []
    hidden, absent = person.tsh("ssh", f"{LOGIN}@behind", "true"), person.tsh("ssh", f"{LOGIN}@absent", "true")
    assert hidden.status == absent.status != 0
    strip = re.compile(r"behind|absent|[0-9a-f-]{36}")
    assert strip.sub("", hidden.err) == strip.sub("", absent.err)


ROLE = """kind: role
version: v7
metadata: {name: nothing-here}
spec:
  allow:
    logins: [root]
    node_labels: {env: somewhere-else}
"""


def test_five_failures_lock_a_user_and_look_like_any_other(cluster: Cluster, tmp_path: Path) -> None:
    person = Person(cluster, "oscar", tmp_path / "oscar")
    person.sign_up(person.invite())
    answers = set()
    for name, password in [
        ("oscar", "wrong password 1"),
        ("unknown", PASSWORD),
        *[("oscar", "wrong password 2")] * 5,
    ]:
        answers.add(refusal(cluster, name, password, "000000"))
    answers.add(refusal(cluster, "oscar", PASSWORD, person.code()))
    assert len(answers) == 1, answers
    failed = [event for event in cluster.events("user.login") if event["code"] == "T1000W"]
    assert {"oscar", "unknown"} <= {event["user"] for event in failed}


def refusal(cluster: Cluster, name: str, password: str, code: str) -> str:
    browser = Browser(cluster.proxy)
    with pytest.raises(urllib.error.HTTPError) as refused:
        browser.call("POST", "/webapi/sessions/web", {"user": name, "pass": password, "second_factor_token": code})
    return f"{refused.value.code} {refused.value.read().decode()}"
