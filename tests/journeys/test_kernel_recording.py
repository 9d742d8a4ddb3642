"""What the kernel sees of sessions: where this machine's kernel can be asked, and the refusal where it cannot."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import LOGIN
from harness.cluster import Cluster, until
from harness.people import Person

ALONE = ("unshare", "--mount")
ENABLED = "  enhanced_recording: {{enabled: yes, cgroup_path: {folder}/cgroup2}}\n"
ROLE = """
kind: role
version: v7
metadata: {name: watched}
spec:
  options: {enhanced_recording: [command, disk, network]}
"""
ATTEMPT = """
mkdir -p "$1" && mount -t cgroup2 none "$1" &&
{ [ -e /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing; } &&
[ -e /sys/kernel/btf/vmlinux ] && [ -e /sys/kernel/tracing/events/cgroup/cgroup_attach_task ] &&
[ -e /sys/kernel/tracing/events/syscalls/sys_enter_openat2 ] &&
bpftrace -e 'tracepoint:sched:sched_process_exec { exit(); } interval:ms:10 { exit(); }'
"""


@pytest.fixture(scope="module")
def can_ask(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether this machine lets anybody ask its kernel; found out without any of our code."""
    folder = tmp_path_factory.mktemp("attempt") / "cgroup2"
    words = [*ALONE, "sh", "-c", ATTEMPT, "sh", str(folder)]
    return os.geteuid() == 0 and subprocess.run(words, capture_output=True, timeout=120, check=False).returncode == 0


class Watched:
    """A cluster whose node asks the kernel, and alice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        prefix = ALONE if os.geteuid() == 0 else ()
        self.cluster = Cluster(folder / "cluster", extra=ENABLED.format(folder=folder), prefix=prefix)
        self.alice = Person(self.cluster, "alice", folder / "alice")

    def start(self) -> None:
        self.cluster.start()
        self.cluster.tctl("create", "-f", "-", text=ROLE).ok()
        self.alice.sign_up(self.alice.invite("access,auditor,watched", logins=LOGIN))
        self.alice.log_in()

    def ssh(self, *words: str, text: str = "") -> str:
        return self.alice.tsh("ssh", *words, text=text).out

    def events(self, type_: str, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first event that matches, once the log has it."""
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            found[:] = [event for event in self.listed(type_) if matches(event)]
            return bool(found)

        until(arrived, f"{type_} in the log")
        return found[0]

    def listed(self, type_: str) -> list[dict[str, Any]]:
        """A shell's start alone opens many files: more events than are listed unless asked for."""
        words = ("audit", "ls", "--format=json", f"--type={type_}", "--limit=50000")
        found: list[dict[str, Any]] = self.cluster.tctl(*words).ok().json
        return found

    def command(self, *arguments: str) -> dict[str, Any]:
        return self.events("session.command", lambda event: event.get("argv") == list(arguments))


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
    script.write_text("#!/bin/sh\nsudo -n sh -c 'ls --color=never /; exit 7'\n/no/such/program\nsleep 0.01\n")
    script.chmod(0o755)
    watched.ssh(f"{LOGIN}@alpha", f"{script} 'two words'")
    assert watched.command("/bin/sh", str(script), "two words")["login"] == LOGIN
    behind = watched.command("ls", "--color=never", "/")
    assert behind["path"] == "/usr/bin/ls"
    assert behind["user"] == "alice"
    shell = watched.command("sh", "-c", "ls --color=never /; exit 7")
    assert shell["sid"] == behind["sid"]
    ended = watched.events("session.process_exit", lambda event: event["pid"] == shell["pid"])
    assert ended["exit_status"] == 7
    failed = watched.events("session.command", lambda event: event.get("path") == "/no/such/program")
    assert failed["return_code"] == -2


def test_files_and_connections_are_told(watched: Watched | None, tmp_path: Path) -> None:
    if watched is None:
        return
    (tmp_path / 'a "strange\nname').write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = f"cd {tmp_path}; cat a*; cat /no/file; bash -c 'echo > /dev/tcp/127.0.0.1/{port}'"
        watched.ssh(f"{LOGIN}@alpha", command)
    opened = watched.events("session.disk", lambda event: event["path"] == 'a "strange\nname')
    assert opened.get("return_code", 0) == 0
    assert watched.events("session.disk", lambda event: event["path"] == "/no/file")["return_code"] == -2
    connected = watched.events("session.network", lambda event: event["dst_port"] == port)
    assert (connected["dst_addr"], connected["version"]) == ("127.0.0.1", 4)
    assert connected["sid"] == opened["sid"]


def test_nothing_is_side_stepped(watched: Watched | None) -> None:
    """Bytes that are no text, very long arguments, leaving the cgroup, going to the background, many at once."""
    if watched is None:
        return
    command = (
        f"echo $$ > {watched.folder}/cgroup2/cgroup.procs; env true $(printf '\\351'); "
        "env true $(printf '%03000d' 7); (setsid sh -c 'sleep 0.2; env true late' >/dev/null 2>&1 &); "
        "for n in 1 2 3 4 5 6 7 8; do (for m in $(seq 25); do env true flood $n $m; done) & done; wait"
    )
    watched.ssh(f"{LOGIN}@alpha", command)
    watched.command("true", "late")
    raw = watched.events("session.command", lambda event: "\\xe9" in event.get("argv", []))
    assert raw["path"].endswith("true")
    long = watched.events("session.command", lambda event: event.get("argv", [""])[-1].startswith("0000"))
    assert long["argv"][-1].endswith("…")
    until(lambda: _floods(watched) == 200, "every command of the flood in the log")


def _floods(watched: Watched) -> int:
    arguments = [event.get("argv", []) for event in watched.listed("session.command")]
    return len({tuple(words) for words in arguments if words[:2] == ["true", "flood"]})


def test_a_replay_shows_what_the_kernel_saw(watched: Watched | None) -> None:
    if watched is None:
        return
    watched.ssh("-t", f"{LOGIN}@alpha", "env true in-the-replay")
    told = watched.command("true", "in-the-replay")
    ended = watched.events("session.end", lambda event: event["sid"] == told["sid"])
    assert ended["enhanced_recording"] is True
    watched.events("session.upload", lambda event: event["sid"] == told["sid"])
    frames = watched.alice.tsh("play", "--format=json", told["sid"]).ok().json
    assert ["true", "in-the-replay"] in [frame.get("argv") for frame in frames]


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
