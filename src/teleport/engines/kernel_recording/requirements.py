"""What a host needs so that its kernel can be asked: looked for before anything is served, and named when missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from teleport.foundation.errors import Unsupported
from teleport.foundation.logs import get_logger

log = get_logger("kernel")

TRACING = Path("/sys/kernel/tracing")
BTF = Path("/sys/kernel/btf/vmlinux")
_MOUNT_TIMEOUT = 20
_NEEDED_EVENTS = (
    "cgroup/cgroup_attach_task",
    "sched/sched_process_fork",
    "sched/sched_process_exec",
    "sched/sched_process_exit",
    "syscalls/sys_enter_openat2",
)
_RINGS_OFF = Path("/proc/sys/kernel/io_uring_disabled")
_RING_EVENTS = ("io_uring_create", "io_uring_submit_req", "io_uring_complete")
_RING_TYPES = (
    r"struct io_open \{[^}]*struct filename \*filename;[^}]*struct open_how how;",
    r"struct io_connect \{[^}]*struct sockaddr \*addr;",
    r"struct io_async_msghdr \{[^}]*struct iou_vec vec;[^}]*struct msghdr msg;",
    r"struct io_kiocb \{(?s:.*?)void \*async_data;",
    r"struct io_ring_ctx \{(?s:.*?)struct io_sq_data \*sq_data;",
    r"struct io_sq_data \{[^}]*struct task_struct \*thread;",
)
_LIST_TIMEOUT = 60
_ROOT = re.compile(r"/[A-Za-z0-9._/-]{0,38}")


@dataclass(frozen=True)
class KernelSettings:
    """`pages` of memory on each processor for what waits to be read; sessions' cgroups lie below `root`."""

    cgroup_path: Path = Path("/cgroup2")
    root: str = "/teleport"
    pages: int = 256

    @property
    def folder(self) -> Path:
        return self.cgroup_path / self.root.lstrip("/")


def check_root(root: str) -> str:
    """What is wrong with a `root`; empty when nothing is."""
    if not _ROOT.fullmatch(root) or root.rstrip("/") in ("", root + "/") or root.endswith("/"):
        return "expected an absolute path inside the cgroup file system of up to 39 bytes, such as /teleport"
    if any(part in ("", ".", "..") for part in root[1:].split("/")):
        return "it must not hold empty parts, . or .."
    return ""


@dataclass(frozen=True)
class Bpftrace:
    """The program that asks the kernel, and what this kernel lets it ask."""

    path: str
    sees_rings: bool
    """Also what is done through io_uring."""


def make_ready(settings: KernelSettings) -> Bpftrace:
    """Mount what is not mounted yet, make the folder of cgroups. Raises Unsupported."""
    if os.geteuid() != 0:
        raise _impossible("teleport does not run as root")
    bpftrace = shutil.which("bpftrace")
    if bpftrace is None:
        raise _impossible("the program bpftrace is not installed (Debian: apt install bpftrace)")
    if not BTF.exists():
        raise _impossible(f"this kernel does not describe its types ({BTF} is missing: CONFIG_DEBUG_INFO_BTF)")
    if not (TRACING / "events").exists():
        _mount("tracefs", TRACING)
    for event in _NEEDED_EVENTS:
        if not (TRACING / "events" / event).exists():
            raise _impossible(f"this kernel has no tracepoint {event.replace('/', ':')}")
    if not (settings.cgroup_path / "cgroup.procs").exists():
        _mount("cgroup2", settings.cgroup_path)
    if not (settings.cgroup_path / "cgroup.procs").exists():
        raise _impossible(f"{settings.cgroup_path} is no cgroup v2 file system")
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _impossible(f"{settings.folder}: {error.strerror}") from error
    return Bpftrace(bpftrace, _sees_rings(bpftrace))


def _sees_rings(bpftrace: str) -> bool:
    """Whether the kernel tells of requests made through io_uring, and describes them as `program` expects."""
    events = TRACING / "events" / "io_uring"
    if not events.exists():
        return False  # a kernel without io_uring
    if all((events / event).exists() for event in _RING_EVENTS) and _describes_requests(bpftrace):
        return True
    if not _RINGS_OFF.exists() or _RINGS_OFF.read_text().strip() != "2":
        log.warning(
            "what sessions do through io_uring is not told, as this kernel does not describe it as expected; where "
            "that matters, switch io_uring off: sysctl kernel.io_uring_disabled=2 (Linux 6.6 and later)"
        )
    return False


def _describes_requests(bpftrace: str) -> bool:
    command = [bpftrace, "-v", "-l", "struct io_*"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_LIST_TIMEOUT, check=False)  # noqa: S603 - fixed
    except (OSError, subprocess.SubprocessError):
        return False
    described = done.stdout.decode(errors="replace")
    return all(re.search(pattern, described) for pattern in _RING_TYPES)


def _mount(kind: str, where: Path) -> None:
    try:
        where.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", kind, kind, str(where)]
        subprocess.run(command, check=True, capture_output=True, timeout=_MOUNT_TIMEOUT)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or b""
        reason = said.decode(errors="replace").strip() or str(error)
        raise _impossible(f"{kind} cannot be mounted at {where}: {reason}") from error


def _impossible(reason: str) -> Unsupported:
    return Unsupported(
        f"ssh_service.enhanced_recording is enabled, but cannot work here: {reason}. Mend that, or set enabled: no"
    )
