"""Hours in roles: a session that runs into closing time ends then, and none begins after it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from harness.cluster import Agent, Cluster
from harness.visitors import Visitor

from teleport.foundation.clock import SystemClock

WITHIN = timedelta(seconds=10)
ROOM = timedelta(seconds=25)
ROLE = """kind: role
version: v7
metadata: {{name: {name}}}
spec:
  allow:
    logins: ['{{{{internal.logins}}}}']
    node_labels: {{env: test}}
    schedule: {{hours: "{begin:%H:%M}-{end:%H:%M}"}}
"""


def test_a_session_ends_at_closing_time(cluster: Cluster, agent: Agent, tmp_path: Path) -> None:
    now = SystemClock().now()
    begin = now.replace(second=0, microsecond=0)
    closing = begin + timedelta(minutes=1 if now < begin + timedelta(minutes=1) - ROOM else 2)
    cluster.tctl("create", "-f", text=ROLE.format(name="timed", begin=begin, end=closing)).ok()
    visitor = Visitor(cluster, tmp_path, "timed", roles="timed")
    with visitor.terminal("behind") as terminal:
        terminal.run("echo still-''here", "still-here")
        left = closing - SystemClock().now()
        assert terminal.ended(patience=(left + ROOM).total_seconds()) != 0
        late = SystemClock().now() - closing
        assert timedelta() <= late < WITHIN, late
        assert re.search("certain times", terminal.shown), terminal.shown
    refused = visitor.tsh("ssh", "behind", "true")
    assert refused.status != 0
    told = cluster.tctl("access", "explain", "--user=timed", "--resource=node/behind", "--format=json").ok().json
    assert [note["code"] for note in told["decision"]["notes"]] == ["not_in_schedule"]
