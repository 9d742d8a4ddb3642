"""Events of file copies: sftp by action, their summary, and the older scp."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import ClassVar

import msgspec

from teleport.model.events.base import SessionEvent, variant


class SFTPAction(IntEnum):
    OPEN = 1
    CLOSE = 2
    SETSTAT = 7
    OPENDIR = 9
    READDIR = 10
    REMOVE = 11
    MKDIR = 12
    RMDIR = 13
    RENAME = 16
    SYMLINK = 18
    LINK = 19


class FileAttributes(msgspec.Struct, kw_only=True, omit_defaults=True):
    file_size: int | None = None
    uid: int | None = None
    gid: int | None = None
    permissions: int | None = None
    access_time: datetime | None = None
    modification_time: datetime | None = None


class SFTP(SessionEvent):
    """One action; its class comes from `sftp_event`.

    `resolved_path` is where an opened file really was. A file that is closed tells what was carried of it and the
    SHA-256 of that: hexadecimal, or `unknown` when it was not carried in order from its start.
    """

    type: ClassVar[str] = "sftp"

    action: int = 0
    path: str = ""
    target_path: str = ""
    flags: int = 0
    working_directory: str = ""
    attributes: FileAttributes | None = None
    resolved_path: str = ""
    bytes_read: int = 0
    bytes_written: int = 0
    sha256: str = ""


def _name(action: SFTPAction) -> str:
    return f"SFTP{action.name.title()}"


_DONE = {action: variant(SFTP, _name(action), "sftp", f"TS{action:03d}I") for action in SFTPAction}
_FAILED = {action: variant(SFTP, f"{_name(action)}Failed", "sftp", f"TS{action:03d}E") for action in SFTPAction}


class SFTPDisallowed(SFTP):
    code = "TS020E"


def sftp_event(action: SFTPAction, *, succeeded: bool) -> type[SFTP]:
    """The class of the event for one action; set its `action` too."""
    return _DONE[action] if succeeded else _FAILED[action]


ALL_SFTP: tuple[type[SFTP], ...] = (*_DONE.values(), *_FAILED.values(), SFTPDisallowed)


class FileTransferred(msgspec.Struct, kw_only=True, omit_defaults=True):
    path: str = ""
    bytes_read: int = 0
    bytes_written: int = 0
    sha256: str = ""


class SFTPSummary(SessionEvent):
    """At the end of a transfer session."""

    type: ClassVar[str] = "sftp_summary"
    code: ClassVar[str] = "TS021I"

    file_transfer_stats: list[FileTransferred] = []


class SCP(SessionEvent):
    """`action` is download or upload; `sha256` is that of the bytes that were carried."""

    type: ClassVar[str] = "scp"

    path: str = ""
    len: int = 0
    action: str = ""
    exit_code: str = msgspec.field(name="exitCode", default="")
    exit_error: str = msgspec.field(name="exitError", default="")
    sha256: str = ""


class SCPDownloaded(SCP):
    code = "T3004I"


class SCPDownloadFailed(SCP):
    code = "T3004E"


class SCPUploaded(SCP):
    code = "T3005I"


class SCPUploadFailed(SCP):
    code = "T3005E"


class SCPDisallowed(SCP):
    code = "T3010E"
