"""What the kernel sees of sessions: where this machine's kernel can be asked, and the refusal where it cannot."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LOGIN
from harness import ring_client
from harness.cluster import Cluster, until
from harness.people import Person
from harness.processes import BIN
from harness.ring_client import MISSING
from harness.terminals import OnTerminal

ALONE = ("unshare", "--mount")
ENABLED = "  enhanced_recording: {{enabled: yes, cgroup_path: {folder}/cgroup2}}\n"
ROLE = """
kind: role
version: v7
metadata: {{name: {name}}}
spec:
  options: {{enhanced_recording: [command, disk, network]{more}}}
"""
COMPILING = 120.0
"""Seconds that bpftrace may take on a loaded machine."""
ENDED, STRICT, LEFT = (str(number * 10_000_000 + os.getpid()) for number in (1, 2, 3))
"""Seconds that programs sleep which nobody else on this machine runs."""
BURST = 1000
RING_CLIENT = ring_client.__file__
BLIND = "the kernel no longer tells what this session does"
SIGHTED = "the kernel tells again what this session does"
ATTEMPT = """
mkdir -p "$1" && mount -t cgroup2 none "$1" &&
{ [ -e /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing; } &&
[ -e /sys/kernel/btf/vmlinux ] && [ -e /sys/kernel/tracing/events/cgroup/cgroup_attach_task ] &&
[ -e /sys/kernel/tracing/events/syscalls/sys_enter_openat2 ] &&
bpftrace -e 'tracepoint:sched:sched_process_exec { exit(); } interval:ms:10 { exit(); }'
"""
TWICE_FORKED = """
import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(0.3)
os.execvp("true", ["true", "twice forked"])
"""
THREADED = """
import os, threading
thread = threading.Thread(target=lambda: os.execvp("true", ["true", "of a thread"]))
thread.start()
thread.join()
"""
DATAGRAM = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, ("127.0.0.1", {port}))
"""


@pytest.fixture(scope="module")
def can_ask(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether this machine lets anybody ask its kernel; found out without any of our code."""
    folder = tmp_path_factory.mktemp("attempt") / "cgroup2"
    words = [*ALONE, "sh", "-c", ATTEMPT, "sh", str(folder)]
    return os.geteuid() == 0 and subprocess.run(words, capture_output=True, timeout=120, check=False).returncode == 0


class Watched:
    """A cluster whose node asks the kernel; alice, who is watched as well as can be; bob, who must be watched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        prefix = ALONE if os.geteuid() == 0 else ()
        self.cluster = Cluster(folder / "cluster", extra=ENABLED.format(folder=folder), prefix=prefix)
        self.alice = Person(self.cluster, "alice", folder / "alice")
        self.bob = Person(self.cluster, "bob", folder / "bob")

    def start(self) -> None:
        self.cluster.start(COMPILING)
        self.cluster.tctl("create", "-f", "-", text=ROLE.format(name="watched", more="")).ok()
        strict = ROLE.format(name="strict", more=", record_session: {default: strict}")
        self.cluster.tctl("create", "-f", "-", text=strict).ok()
        self.alice.sign_up(self.alice.invite("access,auditor,watched", logins=LOGIN))
        self.alice.log_in()
        self.bob.sign_up(self.bob.invite("access,strict", logins=LOGIN))
        self.bob.log_in()

    def ssh(self, command: str) -> str:
        return self.alice.tsh("ssh", f"{LOGIN}@alpha", command).ok().out

    @contextlib.contextmanager
    def session(self, person: Person) -> Iterator[OnTerminal]:
        words = [str(BIN / "tsh"), "ssh", "-t", f"{LOGIN}@alpha", "sh"]
        with OnTerminal(words, person.environment) as terminal:
            terminal.run("echo be''gun", "begun")
            yield terminal

    def event(self, type_: str, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event that matches, once the log has it."""
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            found[:] = [event for event in self.listed(type_) if matches(event)]
            return bool(found)

        until(arrived, f"{type_} in the log")
        return found[0]

    def listed(self, type_: str, words: str = "") -> list[dict[str, Any]]:
        """A shell's start alone opens many files: more events than are listed unless asked for."""
        command = ("audit", "ls", "--format=json", f"--type={type_}", f"--search={words}", "--limit=50000")
        found: list[dict[str, Any]] = self.cluster.tctl(*command).ok().json
        return found

    def command(self, *arguments: str) -> dict[str, Any]:
        return self.event("session.command", lambda event: event.get("argv") == list(arguments))

    @property
    def pid(self) -> int:
        assert self.cluster.process is not None
        return self.cluster.process.pid

    @property
    def groups(self) -> list[str]:
        """The cgroups of sessions, as the node sees them."""
        folder = Path(f"/proc/{self.pid}/root{self.folder}/cgroup2/teleport")
        return [path.name for path in folder.glob("*/*") if path.is_dir()]

    def tracers(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task").glob("*/children")
        pids = [int(pid) for path in children for pid in path.read_text().split()]
        return [pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == "bpftrace"]

    def tracer(self) -> int:
        (pid,) = self.tracers()
        return pid


@pytest.fixture(scope="module")
def watched(can_ask: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched | None]:
    """None where the kernel cannot be asked: then the node must have refused to start."""
    made = Watched(tmp_path_factory.mktemp("watched"))
    if not can_ask:
        with pytest.raises(AssertionError):
            made.cluster.start()
        said = made.cluster.folder.joinpath("log").read_text()
        assert "ssh_service.enhanced_recording is enabled, but" in said
        assert "set enabled: no" in said or "bpftrace cannot watch" in said
        yield None
        return
    try:
        made.start()
        yield made
    finally:
        made.cluster.stop()


def test_commands_of_scripts_and_behind_sudo_are_told_with_arguments_and_exit_codes(
    watched: Watched | None, tmp_path: Path
) -> None:
    if watched is None:
        return
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nsudo -n sh -c 'ls --color=never /; exit 7'\n/no/such/program\ntrue\n")
    script.chmod(0o755)
    watched.ssh(f"{script} 'two words'; su -s /bin/sh nobody -c 'env true as-nobody'")
    assert watched.command("/bin/sh", str(script), "two words")["login"] == LOGIN
    behind = watched.command("ls", "--color=never", "/")
    assert behind["path"] == "/usr/bin/ls"
    assert behind["user"] == "alice"
    assert behind["code"] == "T4000I"
    shell = watched.command("sh", "-c", "ls --color=never /; exit 7")
    assert shell["sid"] == behind["sid"] == watched.command("true", "as-nobody")["sid"]
    assert (behind["ppid"], behind["cgroup_id"]) == (shell["pid"], shell["cgroup_id"])
    ended = watched.event("session.process_exit", lambda event: event["pid"] == shell["pid"])
    assert ended["exit_status"] == 7
    failed = watched.event("session.command", lambda event: event.get("path") == "/no/such/program")
    assert failed["return_code"] == -2


def test_files_and_connections_are_told(watched: Watched | None, tmp_path: Path) -> None:
    if watched is None:
        return
    (tmp_path / 'a "strange\nname').write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port, datagrams = server.getsockname()[1], other.getsockname()[1]
        (tmp_path / "send.py").write_text(DATAGRAM.format(port=datagrams))
        watched.ssh(
            f"cd {tmp_path}; cat a*; cat /no/file; bash -c 'echo > /dev/tcp/127.0.0.1/{port}'; "
            f"{sys.executable} send.py"
        )
    opened = watched.event("session.disk", lambda event: event["path"] == 'a "strange\nname')
    assert (opened["code"], opened.get("return_code", 0)) == ("T4001I", 0)
    assert watched.event("session.disk", lambda event: event["path"] == "/no/file")["return_code"] == -2
    connected = watched.event("session.network", lambda event: event["dst_port"] == port)
    assert (connected["src_addr"], connected["dst_addr"], connected["version"]) == ("127.0.0.1", "127.0.0.1", 4)
    assert (connected["code"], connected["sid"]) == ("T4002I", opened["sid"])
    assert watched.event("session.network", lambda event: event["dst_port"] == datagrams)["sid"] == opened["sid"]


@pytest.mark.parametrize("how", ["plain", "polled"])
def test_what_is_done_through_a_ring_is_told(watched: Watched | None, tmp_path: Path, how: str) -> None:
    """io_uring makes no system call for each; polled, not even one for all: the kernel submits by itself."""
    if watched is None:
        return
    (tmp_path / "secret").write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port, datagrams = server.getsockname()[1], other.getsockname()[1]
        printed = watched.ssh(f"{sys.executable} {RING_CLIENT} {how} {tmp_path}/secret {port} {datagrams}")
    results = [int(word) for word in printed.split()]
    assert (results[0] > 0, *results[1:]) == (True, -2, 0, 0)
    opened = watched.event("session.disk", lambda event: event["path"] == f"{tmp_path}/secret")
    assert opened.get("return_code", 0) == 0
    sid = opened["sid"]
    missing = watched.event("session.disk", lambda event: event["path"] == MISSING.decode() and event["sid"] == sid)
    assert missing["return_code"] == -2
    connected = watched.event("session.network", lambda event: event["dst_port"] == port)
    sent = watched.event("session.network", lambda event: event["dst_port"] == datagrams)
    for told in (connected, sent):
        assert (told["sid"], told["dst_addr"], told["pid"]) == (sid, "127.0.0.1", opened["pid"])


def test_each_address_of_many_messages_sent_at_once_is_told(watched: Watched | None) -> None:
    if watched is None:
        return
    ports = range(40_000, 40_100)
    assert watched.ssh(f"{sys.executable} {RING_CLIENT} many {' '.join(map(str, ports))}") == "100\n"
    told = watched.event("session.network", lambda event: event["dst_port"] == ports[-1])
    events = [event for event in watched.listed("session.network") if event["sid"] == told["sid"]]
    assert {event["dst_port"] for event in events} >= set(ports)


def test_nothing_is_side_stepped(watched: Watched | None, tmp_path: Path) -> None:
    """Bytes that are no text, long arguments, leaving the cgroup, threads, forking twice, many at once."""
    if watched is None:
        return
    (tmp_path / "twice.py").write_text(TWICE_FORKED)
    (tmp_path / "threaded.py").write_text(THREADED)
    watched.ssh(
        f"echo $$ > {watched.folder}/cgroup2/cgroup.procs; env true $(printf '\\351'); "
        f"{sys.executable} {tmp_path}/threaded.py; {sys.executable} {tmp_path}/twice.py </dev/null >/dev/null 2>&1; "
        "env true $(printf '%03000d' 7); (setsid sh -c 'sleep 0.2; env true late' >/dev/null 2>&1 &); "
        "for n in 1 2 3 4 5 6 7 8; do (for m in $(seq 25); do env true flood $n $m; done) & done; wait"
    )
    sid = watched.command("true", "late")["sid"]
    assert watched.command("true", "twice forked")["sid"] == sid
    assert watched.command("true", "of a thread")["sid"] == sid
    raw = watched.event("session.command", lambda event: event.get("argv") == ["true", "\\xe9"])
    assert raw["path"].endswith("true")
    long = watched.event("session.command", lambda event: event.get("argv", [""])[-1].startswith("0000"))
    assert long["argv"][-1].endswith("…")
    until(lambda: _floods(watched) == 200, "every command of the flood in the log")


def _floods(watched: Watched) -> int:
    arguments = [event.get("argv", []) for event in watched.listed("session.command")]
    return len({tuple(words) for words in arguments if words[:2] == ["true", "flood"]})


def test_a_replay_shows_what_the_kernel_saw(watched: Watched | None) -> None:
    if watched is None:
        return
    watched.alice.tsh("ssh", "-t", f"{LOGIN}@alpha", "env true in-the-replay")
    told = watched.command("true", "in-the-replay")
    ended = watched.event("session.end", lambda event: event["sid"] == told["sid"])
    assert ended["enhanced_recording"] is True
    watched.event("session.upload", lambda event: event["sid"] == told["sid"])
    frames = watched.alice.tsh("play", "--format=json", told["sid"]).ok().json
    assert ["true", "in-the-replay"] in [frame.get("argv") for frame in frames]


def test_the_end_of_the_one_tracer_ends_strict_sessions_and_is_told_to_the_others(watched: Watched | None) -> None:
    if watched is None:
        return
    with watched.session(watched.alice) as hers, watched.session(watched.bob) as his:
        hers.run("env true hers; echo o''k", "ok")
        his.run(f"(setsid sleep {ENDED} &); env true his; echo o''k", "ok")
        assert watched.command("true", "hers")["sid"] != watched.command("true", "his")["sid"]
        assert watched.command("true", "his")["user"] == "bob"
        os.kill(watched.tracer(), signal.SIGKILL)
        his.shows(BLIND)
        his.ended()
        hers.shows(BLIND)
        hers.shows(SIGHTED, COMPILING)
        hers.run("env true hers-again; echo o''k", "ok")
        sid = watched.command("true", "hers-again")["sid"]
    assert watched.event("session.command", lambda event: event.get("error") == BLIND and event["sid"] == sid)
    assert watched.command("sleep", ENDED)
    until(lambda: not _sleeps(ENDED), "the end of what the strict session left running")


def _sleeps(seconds: str) -> list[int]:
    """The programs that sleep so long."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_text(errors="replace") == f"sleep\0{seconds}\0":
                found.append(int(path.parent.name))
    return found


def test_what_does_not_fit_the_buffers_is_counted_and_told(watched: Watched | None) -> None:
    """Also: the node takes no more memory for a flood than for a trickle."""
    if watched is None:
        return
    before = _memory(watched.pid)
    with watched.session(watched.alice) as hers:
        tracer = watched.tracer()
        os.kill(tracer, signal.SIGSTOP)
        try:
            hers.run(f"{sys.executable} -c 'for _ in range(40000): open(\"/dev/null\")'; echo do''ne", "done")
        finally:
            os.kill(tracer, signal.SIGCONT)
        until(lambda: _lost(watched) > 10_000, "how much was lost, in the log")
        assert watched.tracer() == tracer
        hers.run("env true after-the-flood; echo o''k", "ok")
        watched.command("true", "after-the-flood")
    assert _memory(watched.pid) - before < 64 << 10


def _lost(watched: Watched) -> int:
    """Told each second, of each processor once it works on."""
    errors = [event.get("error", "") for event in watched.listed("session.command")]
    return sum(int(error.split()[0]) for error in errors if "were lost" in error)


def _memory(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"no memory of {pid}")


def test_a_burst_is_whole_in_the_log_also_when_the_node_is_stopped_at_once(watched: Watched | None) -> None:
    """Each start and each end: the last of them wait in the kernel, in pipes and in memory when the node stops."""
    if watched is None:
        return
    watched.ssh(f"seq {BURST} | xargs -n1 -P4 true burst")
    watched.cluster.stop()
    watched.cluster.start(COMPILING)
    until(lambda: _bursts(watched) == (BURST, BURST), "all of the burst in the log")
    sid = watched.command("true", "burst", str(BURST))["sid"]
    assert not [event for event in watched.listed("session.command") if event["sid"] == sid and "error" in event]


def _bursts(watched: Watched) -> tuple[int, int]:
    """Starts and ends in the log."""
    events = watched.listed("session.command", "burst")
    started = {(event["sid"], event["pid"]) for event in events if event.get("argv", [])[:2] == ["true", "burst"]}
    ended = {(event["sid"], event["pid"]) for event in watched.listed("session.process_exit")}
    return len(started), len(started & ended)


def test_a_killed_agent_leaves_nothing_behind(watched: Watched | None) -> None:
    if watched is None:
        return
    tracer = watched.tracer()
    with watched.session(watched.alice) as hers, watched.session(watched.bob) as his:
        hers.run(f"(setsid sleep {LEFT} &); echo o''k", "ok")
        his.run(f"(setsid sleep {STRICT} &); echo o''k", "ok")
        until(lambda: len(watched.groups) == 2, "a cgroup for each session")
        os.kill(watched.pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{tracer}").exists(), "the end of bpftrace")
    watched.cluster.start(COMPILING)
    until(lambda: watched.groups == [], "the end of the cgroups")
    assert not _sleeps(STRICT)
    (left,) = _sleeps(LEFT)
    os.kill(left, signal.SIGKILL)
    watched.ssh("env true after-the-kill")
    watched.command("true", "after-the-kill")


def test_what_cannot_be_is_refused_before_anything_is_served(new_cluster: Callable[..., Cluster]) -> None:
    """A cgroup file system where none can be."""
    extra = "  enhanced_recording: {enabled: yes, cgroup_path: /dev/null/cgroup2}\n"
    cluster = new_cluster(extra=extra)
    cluster.prefix = ALONE if os.geteuid() == 0 else ()
    with pytest.raises(AssertionError):
        cluster.start()
    said = (cluster.folder / "log").read_text()
    assert "ssh_service.enhanced_recording is enabled, but cannot work here" in said
    assert "set enabled: no" in said
