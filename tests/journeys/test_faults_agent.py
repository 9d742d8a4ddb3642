"""kill -9 of an agent in the midst of all that it carries, and of nothing else: what it started ends by itself.

A terminal, a moderated session, a copy, a command and a host user made for a session are under way. Recordings are
whole, the log tells what was begun and how it ended, nobody stays listed, and the next start removes the account.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.aftermath import check_recorded, ended_once, is_running, kill_alone, session_of, story
from harness.cluster import Cluster
from harness.processes import until
from harness.terminals import OnTerminal
from harness.towns import Town
from harness.visitors import Visitor
from harness.vitals import descendants
from harness.witnesses import Counting, all_events

IS_ROOT = os.geteuid() == 0
ROLES = """kind: role
version: v7
metadata: {{name: helper}}
spec:
  allow:
    join_sessions:
    - {{name: all, roles: [watched], kinds: [ssh], modes: [moderator]}}
---
kind: role
version: v7
metadata: {{name: watched}}
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
---
kind: role
version: v7
metadata: {{name: maker}}
spec:
  options: {{create_host_user_mode: insecure-drop, create_host_user_default_shell: /bin/sh}}
  allow:
    logins: [{login}]
    node_labels: {{'*': '*'}}
    host_sudoers: ['ALL=(root) NOPASSWD: /usr/bin/id']
"""


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Town]:
    made = Town(new_cluster("town", roles="auth"), tmp_path)
    yield made
    made.close()


@pytest.fixture
def login() -> Iterator[str]:
    """A name for an account that nobody has; nothing of it is left."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    yield name
    if IS_ROOT and exists(name):
        subprocess.run(["userdel", "--force", "--remove", name], check=False, capture_output=True)


def exists(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def rules_of(login: str) -> list[Path]:
    return [path for path in Path("/etc/sudoers.d").iterdir() if path.name.endswith(f"-{login}")]


def begin(leaving: ExitStack, visitor: Visitor, *words: str) -> subprocess.Popen[bytes]:
    """A tsh without a terminal, ended with the test."""
    client = subprocess.Popen(
        visitor.words(*words), env=visitor.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    leaving.callback(client.communicate)
    leaving.callback(client.kill)
    return client


def first_line(client: subprocess.Popen[bytes]) -> str:
    assert client.stdout is not None
    return client.stdout.readline().decode().strip()


def watched(leaving: ExitStack, town: Town, folder: Path) -> tuple[OnTerminal, OnTerminal]:
    """A session that somebody must see, and who sees it."""
    owner = Visitor(town.cluster, folder / "owner", "mona", "watched")
    helper = Visitor(town.cluster, folder / "helper", "hugh", "helper")
    own = leaving.enter_context(OnTerminal(owner.words("ssh", f"{LOGIN}@town"), owner.environment))
    own.see("requires that others are present")
    until(lambda: len(listed(helper)) == 1, "listed")
    joining = helper.words("join", "--mode=moderator", listed(helper)[0])
    seen = leaving.enter_context(OnTerminal(joining, helper.environment))
    own.see("the session begins")
    own.run("PS1='rea''dy> '; stty -echo", r"ready> $")
    return own, seen


def listed(visitor: Visitor) -> list[str]:
    return [one["metadata"]["name"] for one in visitor.tsh("sessions", "ls", "--format=json").ok().json]


def sent_in_part(leaving: ExitStack, visitor: Visitor, folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """A copy that takes a minute, and as much of it as has arrived."""
    (folder / "large").write_bytes(os.urandom(8 << 20))
    arrived = folder / "arrived"
    copy = begin(leaving, visitor, "scp", "-l", "1000", str(folder / "large"), f"{LOGIN}@town:{arrived}")
    until(lambda: arrived.exists() and arrived.stat().st_size > 0, "a part of the copy arrived")
    return copy, arrived


@pytest.mark.timeout(300)
def test_in_the_midst_of_everything(town: Town, tmp_path: Path, login: str) -> None:
    town.cluster.tctl("create", "-f", text=ROLES.format(login=login)).ok()
    made = Visitor(town.cluster, tmp_path / "made", "hanna", "maker")
    auditor = town.visitor
    with ExitStack() as leaving:
        own, seen = watched(leaving, town, tmp_path)
        alone = leaving.enter_context(auditor.terminal("town"))
        sessions = [session_of(terminal) for terminal in (own, alone)]
        command = begin(leaving, auditor, "ssh", f"{LOGIN}@town", "echo $$; sleep 600; true")
        shells = [int(first_line(command)), *(shell for _, shell in sessions)]
        maker = begin(leaving, made, "ssh", f"{login}@town", "id -un; sleep 600; true")
        assert first_line(maker) == (login if IS_ROOT else "")
        copy, arrived = sent_in_part(leaving, auditor, tmp_path)
        counts = [Counting(own), Counting(alone)]
        for goal in (20, 40, 60, 80):
            for counting in counts:
                counting.watch(goal)
        assert town.agent.process is not None
        started = descendants(town.agent.process.pid)
        assert set(shells) <= set(started)
        moment = kill_alone(town.agent.process)
        assert all(terminal.ended() != 0 for terminal in (own, seen, alone))
        assert all(client.wait(60) != 0 for client in (copy, command, maker))
    until(lambda: not any(map(is_running, started)), f"all ended that the agent had started: {started}")
    assert 0 < arrived.stat().st_size < 8 << 20
    assert exists(login) is IS_ROOT
    town.agent.start()
    for (session, _), counting in zip(sessions, counts, strict=True):
        check_recorded(auditor, session, counting.shown_before(moment - 1.0))
        until(lambda session=session: ended_once(town.cluster, session), "story told")  # type: ignore[misc]
        (end,) = (event for event in story(town.cluster, session) if event["event"] == "session.end")
        assert "stopped while the session ran" in json.dumps(end)
    until(lambda: not listed(auditor), "sessions no longer listed")

    def opened() -> list[str]:
        return [event["path"] for event in all_events(town.cluster, "sftp") if event["code"] == "TS001I"]

    until(lambda: str(arrived) in opened(), "the copy is told")
    until(lambda: not exists(login), "account removed")
    if IS_ROOT:
        until(lambda: not rules_of(login), "sudo rules removed")
        assert not Path(f"/home/{login}").exists()
    until(lambda: auditor.reaches("town"), "reached again")
