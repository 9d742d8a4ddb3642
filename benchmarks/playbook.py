"""Ansible's `ping` on ten hosts: ten agents through proxy and tunnel, against ten sshd reached straight.

Ansible runs as it comes: its own ssh options, a new connection to every host in each run.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, ratio
from benchmarks.yardstick import BIN, Bench, account, bench, more_agents, stock_sshd, timed

HOSTS = 10
PYTHON = "/usr/bin/python3"


def measure() -> list[Figure]:
    with bench() as stage, contextlib.ExitStack() as stack:
        stack.enter_context(more_agents(stage, [f"host{number}" for number in range(1, HOSTS)]))
        names = ["bench", *(f"host{number}" for number in range(1, HOSTS))]
        through = {f"{name}.{stage.cluster.name}.example": shlex.join(stage.ssh()[1:]) for name in names}
        servers = [stack.enter_context(stock_sshd(stage.folder / f"sshd{number}")) for number in range(HOSTS)]
        straight = {f"sshd{number}": shlex.join(one.ssh()[1:]) for number, one in enumerate(servers)}
        ours, theirs = (
            _Play(stage, "ours", through, {}),
            _Play(stage, "theirs", straight, {"ansible_host": "127.0.0.1"}),
        )
        return [
            ratio(f"ansible `ping`, {HOSTS} hosts on {HOSTS} agents", f"the same straight to {HOSTS} sshd",
                  ours.run, theirs.run, "<=", 1.1, rounds=7),
        ]  # fmt: skip


class _Play:
    """One side's inventory; each run begins without connections and leaves none."""

    def __init__(self, stage: Bench, name: str, arguments: dict[str, str], common: dict[str, str]) -> None:
        self._inventory = stage.folder / f"{name}.json"
        self._environment = {
            **stage.environment,
            "ANSIBLE_HOME": str(stage.folder / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(stage.folder / "ansible" / "local"),
            "ANSIBLE_FORKS": str(HOSTS),
        }
        common = {**common, "ansible_user": account(), "ansible_python_interpreter": PYTHON}
        hosts = {host: {**common, "ansible_ssh_common_args": words} for host, words in arguments.items()}
        self._inventory.write_text(json.dumps({"all": {"hosts": hosts}}))

    def run(self) -> float:
        command = [str(BIN / "ansible"), "all", "-i", str(self._inventory), "-m", "ping"]
        with _control_folder(self._environment) as environment:
            return timed(command, environment)


@contextlib.contextmanager
def _control_folder(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A folder for the sockets of connections that ansible keeps for later runs; they are ended behind this one."""
    with tempfile.TemporaryDirectory(prefix="cp-") as name:
        try:
            yield {**environment, "ANSIBLE_SSH_CONTROL_PATH_DIR": name}
        finally:
            for path in Path(name).iterdir():
                subprocess.run(["ssh", "-S", str(path), "-O", "exit", "any"], capture_output=True, check=False)
