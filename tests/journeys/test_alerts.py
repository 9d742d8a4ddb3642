"""Cluster alerts with the real programs: made, shown at login and with the status, hidden; and due reviews."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.cluster import Cluster
from harness.people import Person
from harness.processes import BIN, until
from harness.terminals import OnTerminal

DOCUMENTS = """kind: role
version: v7
metadata: {name: idle}
spec: {allow: {logins: [nobody]}}
---
kind: access_list
version: v1
metadata: {name: oncall}
spec:
  title: Who is on call
  owners: [{name: olga}]
  audit: {next_audit_date: '2020-01-01T00:00:00Z'}
  grants: {roles: [idle]}
"""
MESSAGE = "Away on Sunday from 8 to 9 UTC"


def test_what_everybody_should_read_is_read(new_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = new_cluster("alerts").start()
    assert cluster.tctl("alerts", "list").ok().out == "no alerts\n"
    cluster.tctl("create", "-f", text=DOCUMENTS).ok()
    refused = cluster.tctl("alerts", "create", "red \x1b[31m")
    assert refused.status == 1
    assert "\x1b" not in refused.err
    told = cluster.tctl("alerts", "create", "--severity=high", "--ttl=2h", MESSAGE).ok().out
    name = told.split('"')[1]
    listed = cluster.tctl("alerts", "ls").ok().out
    assert all(word in listed for word in (name, "HIGH", "1h59m", MESSAGE))
    assert f"ALERT (high): {MESSAGE}" in cluster.tctl("status").ok().err

    olga = Person(cluster, "olga", tmp_path / "olga")
    olga.sign_up(olga.invite(roles="idle"))
    assert f"ALERT (high): {MESSAGE}" in olga.log_in()
    with OnTerminal([str(BIN / "tsh"), "status"], olga.environment) as terminal:
        terminal.see(MESSAGE)
        assert terminal.ended() == 0
    assert MESSAGE not in olga.tsh("status").ok().err  # nobody reads that
    words = ("--auth-server", cluster.proxy, "-i", str(olga.home / "identity"))
    olga.tsh("login", f"--proxy={cluster.proxy}", f"--out={words[-1]}", "--insecure")

    assert "ID" in cluster.tctl("alerts", "--help").out or cluster.tctl("alerts", "ack").status == 1
    cluster.tctl("alerts", "ack", name, "--reason=known", "--ttl=1h").ok()
    again = cluster.tctl("alerts", "ack", name)
    assert (again.status, "already" in again.err) == (1, True)
    assert name not in cluster.tctl("alerts", "ls").ok().out
    assert name in cluster.tctl("alerts", "ls", "-v").ok().out
    assert "known" in cluster.tctl("alerts", "ack", "ls").ok().out
    relogin = olga.tsh("login", f"--proxy={cluster.proxy}").ok()
    assert "taken on by: tsh login --force" in relogin.err
    assert MESSAGE not in relogin.err
    cluster.tctl("alerts", "ack", name, "--clear").ok()
    assert MESSAGE in olga.tsh("login", f"--proxy={cluster.proxy}").ok().err
    assert {event["event"] for event in cluster.events("cluster_alert.create", "cluster_alert.ack")} == {
        "cluster_alert.create",
        "cluster_alert.ack",
    }

    assert "2020-01-01 (overdue)" in cluster.tctl("acl", "ls").ok().out
    until(lambda: "Who is on call" in olga.tsh("login", f"--proxy={cluster.proxy}").ok().err, "owner is told")
    cluster.tctl("acl", "reviews", "create", "oncall").ok()
    assert "Who is on call" not in olga.tsh("login", f"--proxy={cluster.proxy}").ok().err
    assert "overdue" not in cluster.tctl("acl", "ls").ok().out
