"""The SSH engine alone, straight on a port, against sshd: sessions, bulk, terminal, memory. No proxy, no tunnel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks.figures import Figure, absolute, ratio
from benchmarks.terminal import SCRIPT, SIZE
from benchmarks.yardstick import Sshd, account, memory_kib, offspring, stock_sshd, timed

BULK = 500_000_000
PARALLEL, TOGETHER = 8, 80
IDLE = 100


@dataclass
class Engine:
    """Our engine in a process of its own, and the words that reach it."""

    folder: Path
    process: subprocess.Popen[str]
    words: list[str]

    def ssh(self, *words: str) -> list[str]:
        return [*self.words, "-o", "Ciphers=aes128-gcm@openssh.com", *words]


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    folder.mkdir()
    command = [sys.executable, "-m", "benchmarks.ssh", "serve", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Engine(folder, process, process.stdout.readline().split())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


async def _serve(folder: Path) -> None:
    from ssh_post import site

    async with site(folder) as running:
        running.cluster.put(
            "{kind: role, version: v7, metadata: {name: bench}, spec: {allow: "
            f"{{logins: [{account()}], node_labels: {{'*': '*'}}}}}}}}"
        )
        person = running.person("bench", roles=("bench",), logins=(account(),))
        print(*["ssh", *person.options("-p", str(running.port))], flush=True)
        await asyncio.Event().wait()


def measure(only: str = "") -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="teleport-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with stock_sshd(folder / "sshd") as sshd, engine(folder / "engine") as ours:
            # memory first: what earlier rounds left behind would hide it
            rows = {"memory": _memory, "sessions": _sessions, "bulk": _bulk, "terminal": _terminal}
            return [figure for key, row in rows.items() if only in ("", key) for figure in row(ours, sshd)]


def _sessions(ours: Engine, sshd: Sshd) -> list[Figure]:
    mine, theirs = ours.ssh(sshd.target, "true"), sshd.ssh(sshd.target, "true")
    return [
        ratio("new session, engine alone", "sshd", lambda: timed(mine), lambda: timed(theirs), "<=", 0.5, rounds=15),
        ratio(
            f"sessions a second, {PARALLEL} clients, engine alone", "sshd", lambda: _together(mine),
            lambda: _together(theirs), ">=", 1.8, unit="/s",
        ),
    ]  # fmt: skip


def _together(command: list[str]) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda _: timed(command), range(TOGETHER)))
    return TOGETHER / (time.perf_counter() - start)


def _bulk(ours: Engine, sshd: Sshd) -> list[Figure]:
    def up(make: Engine | Sshd) -> float:
        with subprocess.Popen(["head", "-c", str(BULK), "/dev/zero"], stdout=subprocess.PIPE) as source:
            assert source.stdout is not None
            return BULK / 1e3 / timed(make.ssh("-T", sshd.target, "cat >/dev/null"), stdin=source.stdout.fileno())

    def down(make: Engine | Sshd) -> float:
        command = make.ssh("-T", sshd.target, f"head -c {BULK} /dev/zero")
        start = time.perf_counter()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        return BULK / 1e6 / (time.perf_counter() - start)

    return [
        ratio("bulk up, engine alone", "sshd", lambda: up(ours), lambda: up(sshd), ">=", 1.3, unit="MB/s"),
        ratio("bulk down, engine alone", "sshd", lambda: down(ours), lambda: down(sshd), ">=", 1.1, unit="MB/s"),
    ]


def _terminal(ours: Engine, sshd: Sshd) -> list[Figure]:
    mine, theirs = ours.ssh("-tt", sshd.target, SCRIPT), sshd.ssh("-tt", sshd.target, SCRIPT)
    return [
        ratio("terminal output 40 MB, recorded, engine alone", "sshd, unrecorded", lambda: _terminal_rate(mine),
              lambda: _terminal_rate(theirs), ">=", 0.9, unit="MB/s"),
    ]  # fmt: skip


def _terminal_rate(command: list[str]) -> float:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    got, first = 0, 0.0
    with contextlib.suppress(OSError):  # a terminal ends with an error
        while piece := os.read(terminal, 1 << 20):
            first = first or time.perf_counter()
            got += len(piece)
    elapsed = time.perf_counter() - first
    os.waitpid(pid, 0)
    os.close(terminal)
    if got < SIZE:
        raise RuntimeError(f"only {got} of {SIZE} bytes came")
    return got / 1e6 / elapsed


def _memory(ours: Engine, sshd: Sshd) -> list[Figure]:
    def ourselves() -> int:
        python = [pid for pid in offspring(ours.process.pid) if "python" in Path(f"/proc/{pid}/cmdline").read_text()]
        return sum(map(memory_kib, python))

    timed(ours.ssh(sshd.target, "true"))
    before, sessions = ourselves(), []
    for _ in range(IDLE):
        command = ours.ssh("-tt", sshd.target, "echo up; read line")
        sessions.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    for session in sessions:
        assert session.stdout is not None
        session.stdout.readline()
    time.sleep(1)
    grown = (ourselves() - before) / 1024 / IDLE
    for session in sessions:
        session.kill()
        session.communicate()
    return [absolute("memory of an idle recorded session, engine alone", [grown], "<=", 6, "MiB")]


if __name__ == "__main__":
    from benchmarks.figures import table

    if sys.argv[1:2] == ["serve"]:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(_serve(Path(sys.argv[2])))
    else:
        print(table(measure(sys.argv[1] if len(sys.argv) > 1 else "")))
