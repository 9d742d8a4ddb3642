"""What must survive: writes that were acknowledged, lines that a session showed, and events counted by their id."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import Counter
from typing import Any

from harness.cluster import Cluster
from harness.terminals import OnTerminal

ROLE = "kind: role\nversion: v7\nmetadata: {{name: {name}}}\nspec: {{allow: {{logins: [nobody]}}}}\n"
STRICT = """kind: role
version: v7
metadata: {name: strict}
spec:
  options: {record_session: {default: strict}}
  allow: {logins: ['{{internal.logins}}'], node_labels: {'*': '*'}}
"""
"""A role whose sessions are recorded or are not."""


class Writer:
    """Creates one role after the other with `tctl create` until told to stop; failures are not tried again."""

    def __init__(self, cluster: Cluster, prefix: str = "written") -> None:
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self._cluster = cluster
        self._prefix = prefix
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            name = f"{self._prefix}-{number}"
            done = self._cluster.tctl("create", text=ROLE.format(name=name))
            (self.acknowledged if done.status == 0 else self.refused).append(name if done.status == 0 else done.err)

    def stop(self) -> list[str]:
        """The names of the roles whose creation was acknowledged."""
        self._stopping.set()
        self._thread.join(60)
        return self.acknowledged


class Counting:
    """A session that prints numbered lines, one every twentieth of a second; knows what it showed, and when."""

    def __init__(self, terminal: OnTerminal) -> None:
        self._terminal = terminal
        terminal.send("i=0; while :; do i=$((i+1)); echo line-$i; sleep 0.05; done\n")
        self.seen: dict[int, float] = {}

    def watch(self, until_line: int) -> None:
        """Follow the session up to a line."""
        while max(self.seen, default=0) < until_line:
            number = int(re.findall(r"line-(\d+)\r?\n", self._terminal.see(r"line-\d+\r?\n"))[-1])
            self.seen[number] = time.monotonic()

    def stop(self, prompt: str) -> None:
        """Ctrl-C, until the shell heeds it: bash goes on when one comes while it starts a program."""
        for _ in range(10):
            self._terminal.send("\x03")
            with contextlib.suppress(AssertionError):
                self._terminal.see(prompt, 3.0)
                return
        raise AssertionError("the shell does not stop")

    def shown_before(self, moment: float) -> set[str]:
        return {f"line-{number}" for number, at in self.seen.items() if at <= moment}


def all_events(cluster: Cluster, *types: str) -> list[dict[str, Any]]:
    """Every event of the log. Fails when one is there twice."""
    wanted = [f"--type={','.join(types)}"] if types else []
    events: list[dict[str, Any]] = cluster.tctl("audit", "ls", "--format=json", "--limit=100000", *wanted).ok().json
    twice = [uid for uid, count in Counter(event["uid"] for event in events).items() if count > 1]
    assert not twice, f"events that are in the log twice: {twice}"
    return events


def check_written(cluster: Cluster, names: list[str]) -> None:
    """Each acknowledged role is there, and the event of its creation is there once."""
    assert names, "nothing was written"
    roles = {role["metadata"]["name"] for role in cluster.tctl("get", "roles", "--format=json").ok().json}
    assert set(names) <= roles, f"acknowledged and lost: {set(names) - roles}"
    created = Counter(event["name"] for event in all_events(cluster, "role.created"))
    wrong = {name: created[name] for name in names if created[name] != 1}
    assert not wrong, f"events of the creation, where one is expected: {wrong}"
