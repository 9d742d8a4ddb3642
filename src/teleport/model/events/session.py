"""Events of sessions on servers and Kubernetes clusters."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec

from teleport.model.events.base import SessionEvent, variant


class SessionStarted(SessionEvent):
    """An interactive session was opened; `size` is `W:H`."""

    type: ClassVar[str] = "session.start"
    code: ClassVar[str] = "T2000I"

    size: str = ""
    session_recording: str = ""
    initial_command: list[str] = []
    invited: list[str] = []
    reason: str = ""


class SessionJoined(SessionEvent):
    type: ClassVar[str] = "session.join"
    code: ClassVar[str] = "T2001I"

    participants: list[str] = []


class SessionLeft(SessionJoined):
    type = "session.leave"
    code = "T2003I"


class TerminalResized(SessionEvent):
    type: ClassVar[str] = "resize"
    code: ClassVar[str] = "T2002I"

    size: str = ""


class SessionEnded(SessionEvent):
    type: ClassVar[str] = "session.end"
    code: ClassVar[str] = "T2004I"

    session_start: datetime | None = None
    session_stop: datetime | None = None
    participants: list[str] = []
    interactive: bool = False
    enhanced_recording: bool = False
    session_recording: str = ""
    initial_command: list[str] = []


class SessionUploaded(SessionEvent):
    """The recording is stored; `ei` is SESSION_UPLOAD_INDEX."""

    type: ClassVar[str] = "session.upload"
    code: ClassVar[str] = "T2005I"

    url: str = ""


class SessionData(SessionEvent):
    """Bytes received and sent when a connection closed; `ei` is SESSION_DATA_INDEX."""

    type: ClassVar[str] = "session.data"
    code: ClassVar[str] = "T2006I"

    rx: int = 0
    tx: int = 0


class SessionConnected(SessionEvent):
    """A connection went through the proxy."""

    type: ClassVar[str] = "session.connect"
    code: ClassVar[str] = "T2010I"


class RecordingAccessed(SessionEvent):
    """Somebody replayed or downloaded a recording."""

    type: ClassVar[str] = "session.recording.access"
    code: ClassVar[str] = "T2012I"

    session_type: str = ""
    format: str = ""


class SessionRejected(SessionEvent):
    """`max_connections` or `max_sessions` was reached."""

    type: ClassVar[str] = "session.rejected"
    code: ClassVar[str] = "T1006W"

    reason: str = ""
    max: int = 0


class CommandExecuted(SessionEvent):
    """Inside a session, seen by the kernel."""

    type: ClassVar[str] = "session.command"
    code: ClassVar[str] = "T4000I"

    pid: int = 0
    ppid: int = 0
    cgroup_id: int = 0
    program: str = ""
    path: str = ""
    argv: list[str] = []
    return_code: int = 0


class FileOpened(SessionEvent):
    """Inside a session, seen by the kernel."""

    type: ClassVar[str] = "session.disk"
    code: ClassVar[str] = "T4001I"

    pid: int = 0
    cgroup_id: int = 0
    program: str = ""
    path: str = ""
    flags: int = 0
    return_code: int = 0


class NetworkConnected(SessionEvent):
    """Inside a session, seen by the kernel. `version` 4 or 6; `action` 0 allowed, 1 denied."""

    type: ClassVar[str] = "session.network"
    code: ClassVar[str] = "T4002I"

    pid: int = 0
    cgroup_id: int = 0
    program: str = ""
    src_addr: str = ""
    dst_addr: str = ""
    dst_port: int = 0
    version: int = 0
    action: int = 0
    operation: int = 0


class ProcessExited(SessionEvent):
    type: ClassVar[str] = "session.process_exit"
    code: ClassVar[str] = "T4003I"

    pid: int = 0
    cgroup_id: int = 0
    program: str = ""
    exit_status: int = 0


class Executed(SessionEvent):
    """A command without terminal, or an exec in a pod. `exit_code` is text, as JSON `exitCode`."""

    type: ClassVar[str] = "exec"
    code: ClassVar[str] = "T3002I"

    command: str = ""
    exit_code: str = msgspec.field(name="exitCode", default="")
    exit_error: str = msgspec.field(name="exitError", default="")


class ExecutionFailed(Executed):
    code = "T3002E"


class SubsystemRequested(SessionEvent):
    type: ClassVar[str] = "subsystem"
    code: ClassVar[str] = "T3001I"

    name: str = ""
    exit_error: str = msgspec.field(name="exitError", default="")


class SubsystemFailed(SubsystemRequested):
    code = "T3001E"


class PortForwarded(SessionEvent):
    """`addr` is the far end."""

    type: ClassVar[str] = "port"
    code: ClassVar[str] = "T3003I"

    addr: str = ""


class PortForwardStopped(PortForwarded):
    code = "T3003S"


class PortForwardFailed(PortForwarded):
    code = "T3003E"


class X11Forwarded(SessionEvent):
    type: ClassVar[str] = "x11-forward"
    code: ClassVar[str] = "T3008I"


class X11ForwardRefused(X11Forwarded):
    code = "T3008W"


class ClientDisconnected(SessionEvent):
    """Ended by us: idle, expired, locked, a limit."""

    type: ClassVar[str] = "client.disconnect"
    code: ClassVar[str] = "T3006I"

    reason: str = ""


class KubernetesRequested(SessionEvent):
    type: ClassVar[str] = "kube.request"
    code: ClassVar[str] = "T3009I"

    request_path: str = ""
    verb: str = ""
    resource_api_group: str = ""
    resource_namespace: str = ""
    resource_kind: str = ""
    resource_name: str = ""
    response_code: int = 0


class GitCommanded(SessionEvent):
    type: ClassVar[str] = "git.command"
    code: ClassVar[str] = "TGIT001I"

    service: str = ""
    path: str = ""
    exit_code: str = msgspec.field(name="exitCode", default="")


GitCommandFailed = variant(GitCommanded, "GitCommandFailed", "git.command", "TGIT001E")
