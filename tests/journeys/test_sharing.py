"""Sessions that several people share, and sessions that wait for others, with real programs through the tunnel."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import LOGIN
from harness.cluster import Agent, Cluster
from harness.processes import until
from harness.terminals import OnTerminal
from harness.visitors import Visitor

JOINER = """kind: role
version: v7
metadata: {{name: {name}}}
spec:
  allow:
    join_sessions:
    - {{name: all, roles: [access, "watched*"], kinds: [ssh], modes: [{modes}]}}
"""
WATCHED = """kind: role
version: v7
metadata: {{name: {name}}}
spec:
  allow:
    logins: ['{{{{internal.logins}}}}']
    node_labels: {{'*': '*'}}
    require_session_join:
    - name: four-eyes
      filter: 'contains(user.spec.roles, "helper")'
      kinds: [ssh]
      modes: [moderator]
      count: 1
      on_leave: {on_leave}
"""


@pytest.fixture(scope="module", autouse=True)
def roles(cluster: Cluster) -> None:
    texts = [
        JOINER.format(name="helper", modes="observer, moderator, peer"),
        JOINER.format(name="looker", modes="observer"),
        WATCHED.format(name="watched", on_leave="terminate"),
        WATCHED.format(name="watched-pausing", on_leave="pause"),
    ]
    cluster.tctl("create", "-f", text="---\n".join(texts)).ok()


def sessions_of(visitor: Visitor, owner: str) -> list[dict[str, Any]]:
    found = visitor.tsh("sessions", "ls", "--kind=ssh", "--format=json").ok().json
    return [one for one in found if one["spec"]["host_user"] == owner]


def session_of(visitor: Visitor, owner: str) -> str:
    until(lambda: bool(sessions_of(visitor, owner)), f"session of {owner} listed")
    return str(sessions_of(visitor, owner)[0]["metadata"]["name"])


def join(visitor: Visitor, sid: str, mode: str) -> OnTerminal:
    return OnTerminal(visitor.words("join", f"--mode={mode}", sid), visitor.environment)


def test_an_observer_a_peer_and_a_moderator(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    """None of the three may reach the server itself."""
    owner = Visitor(cluster, tmp_path / "owner", "olga", roles="access")
    looker = Visitor(cluster, tmp_path / "looker", "luke", roles="looker")
    helper = Visitor(cluster, tmp_path / "helper", "hugh", roles="helper")
    assert looker.tsh("ssh", f"{LOGIN}@behind", "true").status != 0
    with owner.terminal("behind") as own:
        sid = session_of(looker, "olga")
        listed = looker.tsh("sessions", "ls").ok().out
        assert sid in listed
        assert "behind" in listed
        with ExitStack() as leaving:
            watching = leaving.enter_context(join(looker, sid, "observer"))
            watching.see("you are observer")
            own.see(r"luke joined as observer")
            helping = leaving.enter_context(join(helper, sid, "peer"))
            helping.see("you are peer")
            own.see(r"hugh joined as peer. Present: olga \(peer\), luke \(observer\), hugh \(peer\)")
            helping.run("echo from-hugh-$((1+1))", "from-hugh-2")
            own.see("from-hugh-2")
            watching.see("from-hugh-2")
            watching.send("echo nothing\n\x03")
            assert watching.ended() == 0
            own.see(r"luke \(observer\) left")
            people = [one["user"] for one in sessions_of(helper, "olga")[0]["spec"]["participants"]]
            assert people == ["olga", "hugh"]
            with join(helper, sid, "moderator") as ending:
                ending.see("you are moderator")
                ending.send("t")
                assert ending.ended() == 0
            assert own.ended() != 0
            assert "terminated by hugh" in own.shown
            assert helping.ended() == 0
    until(lambda: not sessions_of(helper, "olga"), "session no longer listed")
    until(lambda: len([one for one in cluster.events("session.end") if one["sid"] == sid]) == 1, "end audited")
    told = {one["event"]: one for one in cluster.events() if one.get("sid") == sid}
    assert told["session.end"]["participants"] == ["olga", "luke", "hugh"]
    joins = {(one["user"], one["code"]) for one in cluster.events("session.join") if one["sid"] == sid}
    assert joins == {("luke", "T2001I"), ("hugh", "T2001I")}
    leaves = [one["user"] for one in cluster.events("session.leave") if one["sid"] == sid]
    assert sorted(leaves) == ["hugh", "hugh", "luke", "olga"]


def test_the_replay_tells_who_joined(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    owner = Visitor(cluster, tmp_path / "owner", "otto", roles="access")
    helper = Visitor(cluster, tmp_path / "helper", "hedy", roles="helper")
    with owner.terminal("behind") as own:
        sid = session_of(helper, "otto")
        with join(helper, sid, "observer") as watching:
            watching.see("you are observer")
            own.send("exit\n")
            assert own.ended() == 0
            assert watching.ended() == 0
    auditor = Visitor(cluster, tmp_path / "auditor", "anne", roles="auditor")
    until(lambda: auditor.tsh("play", "--format=json", sid).status == 0, "recording uploaded")
    lines = auditor.tsh("play", "--format=json", sid).ok().json
    told = [(one["event"], one["user"]) for one in lines if one.get("event") in ("session.join", "session.leave")]
    assert told[:2] == [("session.join", "hedy"), ("session.leave", "hedy")]


def test_modes_and_sessions_that_roles_do_not_allow(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    owner = Visitor(cluster, tmp_path / "owner", "odin", roles="access")
    looker = Visitor(cluster, tmp_path / "looker", "lara", roles="looker")
    stranger = Visitor(cluster, tmp_path / "stranger", "stan", roles="access")
    with owner.terminal("behind"):
        sid = session_of(looker, "odin")
        refused = looker.tsh("join", "-m", "peer", sid)
        assert refused.status != 0
        assert 'your roles allow the modes: "observer"' in refused.err
        assert sessions_of(stranger, "odin") == []
        unknown = "0b7b4d9d-1111-4222-8333-944455556666"
        answers = {stranger.tsh("join", one).err.replace(one, "") for one in (sid, unknown)}
        assert len(answers) == 1  # what is there and what is not look the same


def test_it_waits_for_a_moderator_and_ends_without(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    owner = Visitor(cluster, tmp_path / "owner", "wilma", roles="watched")
    helper = Visitor(cluster, tmp_path / "helper", "hans", roles="helper")
    proof = tmp_path / "proof"
    with OnTerminal(owner.words("ssh", f"{LOGIN}@behind"), owner.environment) as own:
        own.see("requires that others are present")
        own.send(f"touch {proof}\n")
        sid = session_of(helper, "wilma")
        assert "state" not in sessions_of(helper, "wilma")[0]["spec"]  # pending goes without saying
        assert "(waits)" in helper.tsh("sessions", "ls").ok().out
        with join(helper, sid, "moderator") as watching:
            own.see("the session begins")
            own.run("PS1='rea''dy> '; stty -echo", r"ready> $")
            own.run("echo seen-$((1+1))", "seen-2")
            watching.see("seen-2")
            until(lambda: sessions_of(helper, "wilma")[0]["spec"].get("state") == "running", "state told")
            watching.send("\x03")
            assert watching.ended() == 0
            assert own.ended() != 0
            assert "somebody who is required has left" in own.shown
    assert not proof.exists()
    refused = owner.tsh("ssh", f"{LOGIN}@behind", f"touch {proof}")
    assert refused.status != 0
    assert "requires others to be present" in refused.err
    refused = owner.tsh("scp", __file__, f"{LOGIN}@behind:{proof}")
    assert refused.status != 0
    assert "requires others to be present" in refused.err
    assert not proof.exists()


def test_it_pauses_and_goes_on(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    owner = Visitor(cluster, tmp_path / "owner", "paula", roles="watched-pausing")
    helper = Visitor(cluster, tmp_path / "helper", "hope", roles="helper,auditor")
    cluster.tctl(
        "create", "-f", text=JOINER.format(name="helper", modes="'*'").replace("watched]", '"watched*"]')
    ).ok()
    with OnTerminal(owner.words("ssh", f"{LOGIN}@behind"), owner.environment) as own:
        own.see("requires that others are present")
        sid = session_of(helper, "paula")
        with join(helper, sid, "moderator") as watching:
            own.see("the session begins")
            own.run("PS1='rea''dy> '; stty -echo", r"ready> $")
            watching.kill()
            own.see("the session is paused")
            own.send("echo lost-$((1+1))\n")
        with join(helper, sid, "moderator"):
            own.see("the session goes on")
            assert "lost-2" not in own.run("echo kept-$((1+1))", "kept-2")


def test_a_lock_throws_out_the_observer_alone(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    owner = Visitor(cluster, tmp_path / "owner", "opal", roles="access")
    looker = Visitor(cluster, tmp_path / "looker", "lena", roles="looker")
    with owner.terminal("behind") as own:
        with join(looker, session_of(looker, "opal"), "observer") as watching:
            watching.see("you are observer")
            cluster.tctl("lock", "--user=lena", "--ttl=10m").ok()
            since = time.monotonic()
            assert watching.ended() != 0
            assert time.monotonic() - since < 10.0
            assert "lock" in watching.shown
        own.run("echo still-$((1+1))", "still-2")


def test_an_administrator_ends_one_session(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    owner = Visitor(cluster, tmp_path, "orla", roles="access")
    with owner.terminal("behind") as first:
        sid = session_of(owner, "orla")
        with owner.terminal("behind") as second:
            header, *lines = cluster.tctl("sessions", "ls").ok().out.splitlines()
            assert header.split()[:6] == ["ID", "Kind", "Created", "User", "Target", "Address"]
            (line,) = (line.split() for line in lines if line.startswith(sid))
            assert (line[1], line[3:6]) == ("ssh", ["ago", "orla", f"{LOGIN}@behind"])
            assert re.fullmatch(r"(\d+m)?\d+s", line[2]), "how long it has gone on"
            told = cluster.tctl("sessions", "terminate", sid, "--message=enough for today").ok()
            assert told.out == f"Session {sid!r} has ended.\n"
            assert first.ended() != 0
            assert f'lock targeting SessionID:"{sid}" is in force: enough for today' in first.shown
            second.run("echo still-$((1+1))", "still-2")
    until(lambda: any(one["sid"] == sid for one in cluster.events("session.end")), "end audited")
    (ended,) = (one for one in cluster.events("session.end") if one["sid"] == sid)
    assert ended["user"] == "orla"
    assert "no such session" in cluster.tctl("sessions", "terminate", sid).err


def test_a_session_tells_why_it_is_there_and_who_must_come(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    with ExitStack() as ends:
        owner = Visitor(cluster, tmp_path, "rita", "watched,helper,access")
        purpose = ("--reason=ticket 42", "--invite=hal,ann", "--participant-req")
        words = owner.words("ssh", *purpose, f"{LOGIN}@behind")
        shell = ends.enter_context(OnTerminal(words, owner.environment))
        shell.see('there must be present, by role "watched": 1 as moderator')
        shell.see("the session waits")
        session_of(owner, "rita")
        (spec,) = (one["spec"] for one in sessions_of(owner, "rita"))
        assert (spec["reason"], spec["invited"]) == ("ticket 42", ["hal", "ann"])
        assert "ticket 42 (waits) (invited: hal, ann)" in owner.tsh("sessions", "ls").ok().out
        shell.send("\x03")
    refused = owner.tsh("ssh", "--reason=x", f"{LOGIN}@behind", "true")
    assert (refused.status, "add -t" in refused.err) == (1, True)
