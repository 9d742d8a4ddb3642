"""Events of desktop sessions."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from teleport.model.events.base import SessionEvent


class DesktopEvent(SessionEvent):
    desktop_addr: str = ""
    desktop_name: str = ""
    domain: str = ""
    windows_domain: str = ""
    windows_user: str = ""
    windows_desktop_service: str = ""
    desktop_labels: dict[str, str] = {}


class DesktopSessionStarted(DesktopEvent):
    type: ClassVar[str] = "windows.desktop.session.start"
    code: ClassVar[str] = "TDP00I"

    allow_user_creation: bool = False
    nla: bool = False


class DesktopSessionDenied(DesktopSessionStarted):
    code = "TDP00W"


class DesktopSessionEnded(DesktopEvent):
    type: ClassVar[str] = "windows.desktop.session.end"
    code: ClassVar[str] = "TDP01I"

    recorded: bool = False
    session_start: datetime | None = None
    session_stop: datetime | None = None
    participants: list[str] = []


class ClipboardSent(DesktopEvent):
    """Only the length is told."""

    type: ClassVar[str] = "desktop.clipboard.send"
    code: ClassVar[str] = "TDP02I"

    length: int = 0


class ClipboardReceived(ClipboardSent):
    type = "desktop.clipboard.receive"
    code = "TDP03I"


class DirectoryShared(DesktopEvent):
    type: ClassVar[str] = "desktop.directory.share"
    code: ClassVar[str] = "TDP04I"

    directory_name: str = ""
    directory_id: int = 0


class DirectoryShareFailed(DirectoryShared):
    code = "TDP04W"


class DirectoryRead(DirectoryShared):
    type = "desktop.directory.read"
    code = "TDP05I"

    file_path: str = ""
    length: int = 0
    offset: int = 0


class DirectoryReadFailed(DirectoryRead):
    code = "TDP05W"


class DirectoryWritten(DirectoryRead):
    type = "desktop.directory.write"
    code = "TDP06I"


class DirectoryWriteFailed(DirectoryWritten):
    code = "TDP06W"
