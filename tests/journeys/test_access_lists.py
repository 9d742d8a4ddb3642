"""Access lists with the real programs: a membership opens a server, and its end closes a running session."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from conftest import LOGIN
from harness.cluster import Cluster
from harness.processes import until
from harness.visitors import Visitor

DOCUMENTS = f"""kind: role
version: v7
metadata: {{name: idle}}
spec: {{allow: {{logins: [nobody]}}}}
---
kind: role
version: v7
metadata: {{name: on-call}}
spec: {{allow: {{logins: [{LOGIN}], node_labels: {{env: test}}}}}}
---
kind: access_list
version: v1
metadata: {{name: oncall}}
spec:
  title: Who is on call
  owners: [{{name: olga}}]
  audit: {{recurrence: {{frequency: 1month}}}}
  grants: {{roles: [on-call]}}
"""


def test_membership_opens_and_its_end_closes(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("lists").start()
    cluster.tctl("create", "-f", text=DOCUMENTS).ok()
    visitor = Visitor(cluster, tmp_path, "vera", roles="idle")
    assert not visitor.reaches("lists")
    assert "Who is on call" in cluster.tctl("acl", "ls").ok().out
    cluster.tctl("acl", "users", "add", "oncall", "vera", "2099-01-01T00:00:00Z", "this week").ok()
    assert "this week" in cluster.tctl("acl", "users", "ls", "oncall").ok().out
    (reached,) = cluster.tctl("acl", "audience", "oncall", "--format=json").ok().json
    assert (reached["user"], reached["has_grants"]) == ("vera", True)
    assert not visitor.reaches("lists")  # the certificate is from before
    visitor.renew()
    assert visitor.reaches("lists")
    with visitor.terminal("lists") as terminal:
        cluster.tctl("acl", "users", "rm", "oncall", "vera").ok()
        since = time.monotonic()
        assert terminal.ended() != 0
        assert time.monotonic() - since < 10.0
        assert re.search("access list", terminal.shown), terminal.shown
    assert "access list" in visitor.tsh("ls").err
    visitor.renew()
    visitor.tsh("ls").ok()
    assert not visitor.reaches("lists")
    codes = {event["code"] for event in cluster.events("access_list.member.create", "access_list.member.delete")}
    assert codes == {"TAL005I", "TAL007I"}


def test_reviews_are_given_and_listed(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("reviews").start()
    cluster.tctl("create", "-f", text=DOCUMENTS).ok()
    cluster.tctl("users", "add", "mila", "--roles=idle").ok()
    cluster.tctl("acl", "users", "add", "oncall", "mila").ok()
    told = cluster.tctl("acl", "reviews", "create", "oncall", "--notes=left", "--remove-members=mila").ok().out
    assert "has been reviewed" in told
    assert "left" in cluster.tctl("acl", "reviews", "ls", "oncall").ok().out
    assert "No members" in cluster.tctl("acl", "users", "ls", "oncall").ok().out
    until(lambda: bool(cluster.events("access_list.review")), "review recorded")
    owner = Visitor(cluster, tmp_path, "olga", roles="idle")
    words = ("--auth-server", cluster.proxy, "-i", str(owner.identity))
    assert "Who is on call" in cluster.tctl(*words, "acl", "get", "oncall").ok().out
    refused = cluster.tctl(*words, "acl", "users", "add", "oncall", "olga")
    assert refused.status == 1
    assert "somebody else" in refused.err
