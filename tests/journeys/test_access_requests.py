"""Asking for access with the real programs: two approvals of two teams, an assumed role, a narrowed certificate."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from conftest import LOGIN
from harness.cluster import Cluster
from harness.people import Person
from harness.processes import BIN, until
from harness.visitors import Visitor
from webhook_receiver import WebhookReceiver

from teleport.credentials.webhook_signatures import sign

ROLES = f"""kind: role
version: v7
metadata: {{name: db-root}}
spec:
  allow: {{logins: [{LOGIN}], node_labels: {{env: test}}}}
---
kind: role
version: v7
metadata: {{name: dev}}
spec:
  allow:
    request:
      roles: [db-root]
      thresholds:
      - {{name: team, approve: 1, deny: 1, filter: 'contains(reviewer.roles, "lead")'}}
---
kind: role
version: v7
metadata: {{name: careful}}
spec:
  allow:
    request:
      roles: [db-root]
      thresholds:
      - {{name: security, approve: 1, deny: 1, filter: 'contains(reviewer.roles, "security")'}}
---
kind: role
version: v7
metadata: {{name: finder}}
spec: {{allow: {{request: {{search_as_roles: [db-root]}}}}}}
---
kind: role
version: v7
metadata: {{name: lead}}
spec: {{allow: {{review_requests: {{roles: [db-root], preview_as_roles: [db-root]}}}}}}
---
kind: role
version: v7
metadata: {{name: security}}
spec: {{allow: {{review_requests: {{roles: [db-root]}}}}}}
"""


def member(cluster: Cluster, home: Path, name: str, roles: str) -> Person:
    person = Person(cluster, name, home / name)
    person.sign_up(person.invite(roles=roles, logins="nobody"))
    person.log_in()
    return person


@pytest.fixture
def team(new_cluster: Callable[..., Cluster]) -> Cluster:
    cluster = new_cluster("asking").start()
    cluster.tctl("create", "-f", text=ROLES).ok()
    return cluster


def reaches(person: Person) -> bool:
    done = person.tsh("ssh", f"{LOGIN}@asking", "echo reached")
    return done.status == 0 and done.out == "reached\n"


def test_dual_authorisation(team: Cluster, tmp_path: Path) -> None:
    alice = member(team, tmp_path, "alice", "dev,careful")
    lead, guard = Visitor(team, tmp_path / "lead", "lena", "lead"), Visitor(team, tmp_path / "g", "greta", "security")
    assert not reaches(alice)
    words = [str(BIN / "tsh"), "request", "create", "--roles=db-root", "--reason=ticket 7"]
    with subprocess.Popen(words, env=alice.environment, stdout=-1, stderr=-1, text=True) as asking:
        until(lambda: bool(team.tctl("requests", "ls", "--format=json").ok().json), "request is listed")
        (request,) = team.tctl("requests", "ls", "--format=json").ok().json
        name = request["metadata"]["name"]
        refused = alice.tsh("request", "review", "--approve", name)
        assert refused.status == 1
        assert "your own" in refused.err
        assert "PENDING" in lead.tsh("request", "review", "--approve", "--reason=fine", name).ok().out
        assert lead.tsh("request", "review", "--approve", name).status == 1
        assert "APPROVED" in guard.tsh("request", "review", "--approve", name).ok().out
        out, err = asking.communicate(timeout=30)
    assert asking.returncode == 0, out + err
    assert name in out
    status = json.loads(alice.tsh("status", "--format=json").ok().out)["active"]
    assert status["active_requests"] == [name]
    assert "db-root" in status["roles"]
    assert reaches(alice)
    listed = alice.tsh("request", "ls").ok().out
    assert "ticket 7" in alice.tsh("request", "show", name).ok().out
    assert name in listed
    assert "APPROVED" in listed
    alice.tsh("request", "drop").ok()
    assert not reaches(alice)
    alice.tsh("login", f"--proxy={team.proxy}", f"--request-id={name}").ok()
    assert reaches(alice)
    assert [event["reviewer"] for event in team.events("access_request.review")].__len__() == 2


def test_a_resource_is_found_asked_for_and_only_it_is_reached(team: Cluster, tmp_path: Path) -> None:
    bob = member(team, tmp_path, "bob", "finder")
    assert bob.tsh("ls", "--format=names").ok().out == ""
    (found,) = bob.tsh("request", "search", "--kind=node", "--format=json").ok().json
    assert found["resource"]["spec"]["hostname"] == "asking"
    team.tctl("create", "-f", text=openssh_node("other")).ok()
    ask = ("request", "create", "--nowait", "--reason=disk", f"--resource={found['id']}")
    assert "db-root" in bob.tsh(*ask).ok().out
    (request,) = team.tctl("requests", "ls", "--format=json").ok().json
    name = request["metadata"]["name"]
    denied = bob.tsh("login", f"--proxy={team.proxy}", f"--request-id={name}")
    assert denied.status == 1
    assert "not approved" in denied.err
    team.tctl("requests", "approve", name, "--reason=ok").ok()
    bob.tsh("login", f"--proxy={team.proxy}", f"--request-id={name}").ok()
    assert bob.tsh("ls", "--format=names").ok().out.split() == ["asking"]
    assert reaches(bob)
    assert bob.tsh("ssh", f"{LOGIN}@other", "true").status != 0
    team.tctl("lock", f"--access-request={name}", "--ttl=1m").ok()
    until(lambda: not reaches(bob), "the lock on the request counts")


def openssh_node(name: str) -> str:
    return (
        f"kind: node\nversion: v2\nsub_kind: openssh\nmetadata: {{name: {name}, labels: {{env: test}}}}\n"
        f"spec: {{hostname: {name}, addr: '127.0.0.1:9'}}\n"
    )


def test_a_webhook_is_told_and_reviews_through_the_proxy(team: Cluster, tmp_path: Path) -> None:
    secret = "a secret of the pager, long enough to hold"
    with WebhookReceiver() as receiver:
        plugin = (
            "kind: plugin\nversion: v1\nmetadata: {name: pager}\nspec:\n  type: webhook\n"
            f"  settings: {{url: '{receiver.url}', reviewer: lena}}\n  credentials: {secret}\n"
        )
        team.tctl("create", text=plugin).ok()
        assert secret not in team.tctl("get", "plugin/pager").ok().out
        team.tctl("users", "add", "lena", "--roles=lead").ok()
        team.tctl("users", "add", "dora", "--roles=dev").ok()
        name = team.tctl("requests", "create", "dora", "--roles=db-root").ok().out.strip()
        until(lambda: bool(receiver.received), "webhook told")
        assert json.loads(receiver.received[0].body)["access_request"]["metadata"]["name"] == name
        body = json.dumps({"access_request": name, "state": "APPROVED", "reason": "on call"}).encode()
        now = int(time.time())
        query = urlencode({"id": "m-1", "timestamp": now, "signature": sign(secret, "m-1", now, body)})
        url = f"https://{team.proxy}/webapi/plugins/pager/reviews?{query}"
        post = urllib.request.Request(url, data=body, headers={"content-type": "application/octet-stream"})
        context = ssl._create_unverified_context()
        with urllib.request.urlopen(post, context=context, timeout=20) as answer:
            assert json.load(answer) == {"state": "APPROVED"}
        until(lambda: len(receiver.received) == 3, "decision told")
    assert "APPROVED" in team.tctl("requests", "ls").ok().out
