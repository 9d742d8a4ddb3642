"""What is particular to SFTP: how errors read, how people write remote paths, which names of a server are safe."""

from __future__ import annotations

import asyncio
import contextlib
import os

from teleport.client import ssh_connection  # isort: skip
import asyncssh

from teleport.foundation.errors import AccessDenied, BadParameter, NotFound, TeleportError, Unavailable

LAST_WORDS = 5.0
MAX_SAID = 4096


def from_home(path: str) -> str:
    """A remote path as SFTP takes it: relative to the home, which people write as `~`."""
    return path[2:] or "." if path == "~" or path.startswith("~/") else path


def safe_name(name: str) -> str:
    """A name that a server told, as part of a local path. Raises BadParameter when it could lead elsewhere."""
    if name in ("", ".", "..") or "/" in name or "\0" in name or (os.sep != "/" and (os.sep in name or ":" in name)):
        raise BadParameter(f"the server named a file {name!r}, which would be written elsewhere")
    return name


async def open_client(connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
    """Raises AccessDenied with what the server says where it serves no files to this person."""
    writer, reader, errors = await connection.open_session(subsystem="sftp", encoding=None)
    try:
        return await asyncssh.sftp.start_sftp_client(
            connection, asyncio.get_running_loop(), "strict", reader, writer, "utf-8", "strict", 3
        )
    except (OSError, asyncssh.Error) as problem:
        said = b""
        with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
            async with asyncio.timeout(LAST_WORDS):
                while len(said) < MAX_SAID and (piece := await errors.read(MAX_SAID)):
                    said += piece
        reason = said[:MAX_SAID].decode("utf-8", "replace").strip().removeprefix("teleport: ")
        if not reason:
            raise
        raise AccessDenied(reason) from problem


class Explained:
    """Turns what SFTP and the file system say into our errors, which name the remote `path` where it is known."""

    def __init__(self, path: str = "") -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        if problem is None or isinstance(problem, TeleportError | asyncio.CancelledError):
            return
        match problem:
            case asyncssh.SFTPNoSuchFile() | asyncssh.SFTPNoSuchPath():
                raise NotFound(self._told(problem)) from problem
            case asyncssh.SFTPPermissionDenied():
                raise AccessDenied(self._told(problem)) from problem
            case asyncssh.SFTPConnectionLost() | asyncssh.SFTPNoConnection():
                raise Unavailable(problem.reason) from problem
            case asyncssh.SFTPError():
                raise BadParameter(self._told(problem)) from problem
            case asyncssh.Error():
                raise ssh_connection.explain(problem, "copy") from problem

    def _told(self, problem: asyncssh.SFTPError) -> str:
        if not self._path or self._path in problem.reason:
            return problem.reason
        return f"{self._path}: {problem.reason[:1].lower()}{problem.reason[1:]}"
