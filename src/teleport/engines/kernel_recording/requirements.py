"""What a host needs so that its kernel can be asked: looked for before anything is served, and named when missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from teleport.foundation.errors import Unsupported

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


def make_ready(settings: KernelSettings) -> str:
    """Mount what is not mounted yet, make the folder of cgroups. The path of bpftrace. Raises Unsupported."""
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
    return bpftrace


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
