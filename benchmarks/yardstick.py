"""What we are measured against and with: a stock sshd, a stock ssh client, a plain account, a running cluster."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from harness.cluster import Agent, Cluster
from harness.people import Person
from harness.ports import free_port
from harness.processes import BIN, Started, until
from harness.visitors import Visitor

ACCOUNT = "teleport-bench"

__all__ = [
    "BIN",
    "Agent",
    "Bench",
    "Visitor",
    "account",
    "bench",
    "cpu_seconds",
    "memory_kib",
    "more_agents",
    "offspring",
    "our_memory_kib",
    "stock_sshd",
    "timed",
    "until",
]  # fmt: skip


@functools.cache
def account() -> str:
    """A user whose shell is a bare /bin/sh: made for the run by root, else whoever runs it."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT).pw_name
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", "--password", "*", ACCOUNT], check=True)
    return ACCOUNT


@dataclass
class Sshd:
    """A stock sshd with certificates of its own authority, and the words that reach it."""

    folder: Path
    port: int
    process: Started

    def ssh(self, *words: str, program: str = "ssh") -> list[str]:
        return [
            program,
            *("-F", "none", "-i", f"{self.folder}/user", "-o", f"CertificateFile={self.folder}/user-cert.pub"),
            *("-o", f"UserKnownHostsFile={self.folder}/known_hosts", "-o", "IdentitiesOnly=yes"),
            *("-o", "IdentityAgent=none", "-o", f"Port={self.port}", "-o", "Ciphers=aes128-gcm@openssh.com"),
            *words,
        ]

    @property
    def target(self) -> str:
        return f"{account()}@127.0.0.1"


def _keygen(folder: Path, name: str) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
    subprocess.run(command, check=True)


def _sign(folder: Path, name: str, principal: str, *options: str) -> None:
    command = ["ssh-keygen", "-q", "-s", str(folder / "ca"), "-I", name, "-n", principal, *options]
    subprocess.run([*command, "-V", "-1m:+1d", str(folder / f"{name}.pub")], check=True)


@contextlib.contextmanager
def stock_sshd(folder: Path) -> Iterator[Sshd]:
    folder.mkdir(parents=True)
    for name in ("ca", "host", "user"):
        _keygen(folder, name)
    _sign(folder, "user", account())
    _sign(folder, "host", "127.0.0.1", "-h")
    port = free_port()
    authority = (folder / "ca.pub").read_text()
    (folder / "known_hosts").write_text(f"@cert-authority * {authority}")
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nHostCertificate {folder}/host-cert.pub\n"
        f"TrustedUserCAKeys {folder}/ca.pub\nPasswordAuthentication no\nUsePAM no\nStrictModes no\n"
        "PermitRootLogin prohibit-password\nMaxStartups 500:30:500\nUseDNS no\nPidFile none\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or "/usr/sbin/sshd"
    process = Started([program, "-D", "-e", "-f", folder / "config"], folder / "log")
    process.wait_until(lambda: _accepts(port), "sshd ready")
    try:
        yield Sshd(folder, port, process)
    finally:
        process.kill()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@dataclass
class Bench:
    """A cluster (auth and proxy), one agent behind its tunnel, a logged-in person, and sshd beside them."""

    folder: Path
    cluster: Cluster
    agent: Agent
    person: Person
    sshd: Sshd
    config: Path

    def ssh(self, *words: str, program: str = "ssh") -> list[str]:
        """Stock ssh through proxy and tunnel, with the file of `tsh config`."""
        return [program, "-F", str(self.config), "-o", "Ciphers=aes128-gcm@openssh.com", *words]

    @property
    def target(self) -> str:
        return f"{account()}@bench.{self.cluster.name}.example"

    @property
    def node(self) -> str:
        """The same for `tsh`."""
        return f"{account()}@bench"

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in self.person.environment.items() if name != "TELEPORT_NO_DAEMON"}

    @property
    def pids(self) -> list[int]:
        assert self.cluster.process is not None
        assert self.agent.process is not None
        return [self.cluster.process.pid, self.agent.process.pid]


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="teleport-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        sshd = stack.enter_context(stock_sshd(folder / "sshd"))
        cluster = Cluster(folder / "cluster", "bench-cluster", roles="auth,proxy", severity="WARN").start()
        stack.callback(cluster.stop)
        agent = Agent(cluster, folder / "agent", "bench", debug=False).start(cluster.join_token())
        stack.callback(agent.stop)
        person = Person(cluster, "bench", folder / "person")
        person.sign_up(person.invite(logins=account()))
        person.log_in()
        config = folder / "ssh_config"
        config.write_text(person.tsh("config").ok().out)
        stack.callback(lambda: person.tsh("daemon", "stop"))
        yield Bench(folder, cluster, agent, person, sshd, config)


@contextlib.contextmanager
def more_agents(stage: Bench, names: Sequence[str]) -> Iterator[None]:
    """Agents beside the first, each a process of its own."""
    with contextlib.ExitStack() as stack:
        token = stage.cluster.join_token()
        for name in names:
            agent = Agent(stage.cluster, stage.folder / name, name, pin=stage.agent.pin, debug=False)
            agent.start(token, wait=False)
            stack.callback(agent.stop)
        until(lambda: stage.cluster.node_names().issuperset(names), "all agents listed", 120)
        yield


def timed(
    command: list[str],
    environment: dict[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
) -> float:
    """Milliseconds that a command took. Raises when it failed."""
    start = time.perf_counter()
    done = subprocess.run(
        command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False, timeout=300
    )
    elapsed = (time.perf_counter() - start) * 1e3
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.returncode}\n{done.stderr.decode(errors='replace')[-2000:]}")
    return elapsed


def cpu_seconds(pid: int) -> float:
    """Of a process and all its threads, by the nanosecond clock."""
    return time.clock_gettime((~pid << 3) | 2)


def memory_kib(pid: int) -> int:
    """Proportional set size."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no memory figures for {pid}")


def our_memory_kib(stage: Bench) -> int:
    """Of the cluster's and the agent's processes: what their sessions run is not ours."""
    pids = [pid for own in stage.pids for pid in offspring(own)]
    return sum(memory_kib(pid) for pid in pids if "teleport" in _command_line(pid))


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def offspring(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += offspring(int(child))
    return found
