"""What kernel-level recording costs a `make` of 2,000 short processes, and whether it tells of each of them.

The other side is the same server with it switched off, and without bpftrace running at all: a kernel that is asked
by one server is slower for all. So in each round one server starts, serves, and ends before the other starts.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import Figure, absolute, ratio
from benchmarks.yardstick import Agent, Bench, account, bench, timed, until

PROCESSES = 2_000
STARTING = 120.0
MAKEFILE = """all: $(addprefix {round}/,$(shell seq {processes}))
{round}/%: input
\t@sed -n -e s/one/two/ -e w$@ input
"""
SETTINGS = """ssh_service:
  enabled: yes
  enhanced_recording: {{enabled: yes, cgroup_path: {folder}/cgroup2}}
"""


def measure() -> list[Figure]:
    with bench() as stage:
        stage.agent.stop()
        off = Server(stage, Agent(stage.cluster, stage.folder / "off", "off", debug=False))
        settings, alone = SETTINGS.format(folder=stage.folder), ("unshare", "--mount")
        watched = Agent(stage.cluster, stage.folder / "on", "on", debug=False, settings=settings, prefix=alone)
        on = Server(stage, watched)
        return [
            ratio(f"`make` of {PROCESSES:,} short processes, recorded by the kernel", "the same, not recorded",
                  on.make, off.make, "<=", 1.15, rounds=5),
            absolute(f"of the {2 * PROCESSES:,} starts and ends, missing in the log", on.missing, "<=", 0, "events"),
        ]  # fmt: skip


@dataclass
class Server:
    """One of the two. `missing` tells, for each round, of what the log has nothing."""

    stage: Bench
    agent: Agent
    missing: list[float] = field(default_factory=list)
    _rounds: int = 0

    def make(self) -> float:
        """Milliseconds."""
        self._rounds += 1
        name = f"{self.agent.name}-{self._rounds}"
        with self._running():
            text = MAKEFILE.format(round=name, processes=PROCESSES)
            self._do(f"mkdir -p work/{name}; cd work; echo one >input; cat >Makefile", text)
            taken = timed(self._ssh("cd work && make -s"), self.stage.environment)
            self._do("rm -r work")
        if self.agent.settings:
            self.missing.append(2 * PROCESSES - self._told(name))
        return taken

    def _told(self, name: str) -> int:
        """Starts of the round's processes in the log, and their ends."""
        started = {
            (event["sid"], event["pid"])
            for event in self._events("session.command", f"w{name}/")
            if event["argv"][0] == "sed" and not event.get("return_code")
        }
        ended = {(event["sid"], event["pid"]) for event in self._events("session.process_exit", "sed")}
        return len(started) + len(started & ended)

    def _events(self, kind: str, words: str) -> list[dict[str, Any]]:
        command = ("audit", "ls", "--format=json", f"--type={kind}", f"--search={words}", "--limit=100000")
        found: list[dict[str, Any]] = self.stage.cluster.tctl(*command).ok().json
        return found

    def _ssh(self, command: str) -> list[str]:
        target = f"{account()}@{self.agent.name}.{self.stage.cluster.name}.example"
        return self.stage.ssh("-T", target, command)

    def _do(self, command: str, text: str = "") -> None:
        subprocess.run(self._ssh(command), input=text, text=True, check=True, env=self.stage.environment, timeout=120)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Its first sessions are not measured."""
        self.agent.start("" if self._rounds > 1 else self.stage.cluster.join_token())
        try:
            until(self._answers, f"{self.agent.name} answers", STARTING)
            yield
        finally:
            self.agent.stop()

    def _answers(self) -> bool:
        words = self._ssh("true")
        done = subprocess.run(words, env=self.stage.environment, capture_output=True, timeout=60, check=False)
        return done.returncode == 0
