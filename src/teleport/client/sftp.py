"""Copies by SFTP, both ways. Names that a server lists are checked before they become local paths."""

from __future__ import annotations

import asyncio
import glob
import os
import posixpath
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import NamedTuple

from teleport.client import ssh_connection  # isort: skip
import asyncssh

from teleport.foundation.errors import AccessDenied, BadParameter, NotFound, TeleportError, Unavailable

Progress = Callable[[str, int, int, bool], None]
"""Name of the file, bytes so far, bytes in all, and whether it is done."""

_MAX_DEPTH = 100


class CopyChoice(NamedTuple):
    recursive: bool = False
    preserve: bool = False
    progress: Progress = lambda name, done, total, final: None


class _Transfer(NamedTuple):
    source: str
    target: str
    is_directory: bool = False


async def download(sftp: asyncssh.SFTPClient, sources: Sequence[str], target: str, choice: CopyChoice) -> None:
    """Remote paths, with wildcards, to a local file or directory. Raises NotFound, AccessDenied, BadParameter."""
    with Explained():
        found = [path for source in sources for path in await _expand_remote(sftp, from_home(source))]
        into_directory = os.path.isdir(target)  # noqa: ASYNC240 - nothing else waits in this process
        if len(found) > 1 and not into_directory:
            raise BadParameter(f"{target}: not a directory, but there are {len(found)} files to copy")
        for path in found:
            name = safe_name(posixpath.basename(path.rstrip("/")) or ".")
            end = os.path.join(target, name) if into_directory else target
            async for transfer in _remote_tree(sftp, path, end, choice.recursive):
                await _get(sftp, transfer, choice)


async def upload(sftp: asyncssh.SFTPClient, sources: Sequence[str], target: str, choice: CopyChoice) -> None:
    """Local paths, with wildcards, to a remote file or directory. Raises NotFound, AccessDenied, BadParameter."""
    with Explained():
        found = [path for source in sources for path in expand_local(source)]
        goal = from_home(target) or "."
        into_directory = await sftp.isdir(goal)
        if len(found) > 1 and not into_directory:
            raise BadParameter(f"{goal}: not a directory, but there are {len(found)} files to copy")
        for path in found:
            name = os.path.basename(path.rstrip("/")) or "."
            end = posixpath.join(goal, name) if into_directory else goal
            for transfer in _local_tree(path, end, choice.recursive):
                await _put(sftp, transfer, choice)


def from_home(path: str) -> str:
    """A remote path as SFTP takes it: relative to the home, which people write as `~`."""
    return path[2:] or "." if path == "~" or path.startswith("~/") else path


def safe_name(name: str) -> str:
    """A name that a server told, as part of a local path. Raises BadParameter when it could lead elsewhere."""
    if name in ("", ".", "..") or "/" in name or "\0" in name or (os.sep != "/" and (os.sep in name or ":" in name)):
        raise BadParameter(f"the server named a file {name!r}, which would be written elsewhere")
    return name


async def _expand_remote(sftp: asyncssh.SFTPClient, source: str) -> list[str]:
    path = source or "."
    if any(mark in path for mark in "*?[") and not await sftp.lexists(path):
        found = [str(name) for name in await sftp.glob(path)]
        if not found:
            raise NotFound(f"{path}: no such file")
        return found
    return [path]


def expand_local(source: str) -> list[str]:
    """What a wildcard matches, sorted; a path without one as it is. Raises NotFound."""
    if os.path.lexists(source):
        return [source]
    found = sorted(glob.glob(source))
    if not found:
        raise NotFound(f"{source}: no such file")
    return found


async def _remote_tree(
    sftp: asyncssh.SFTPClient, source: str, target: str, recursive: bool, depth: int = 0
) -> AsyncIterator[_Transfer]:
    if not await sftp.isdir(source):
        yield _Transfer(source, target)
        return
    if not recursive:
        raise BadParameter(f"{source}: is a directory (use -r)")
    if depth > _MAX_DEPTH:
        raise BadParameter(f"{source}: directories within directories without end")
    yield _Transfer(source, target, is_directory=True)
    async for entry in sftp.scandir(source):
        name = str(entry.filename)
        if name not in (".", ".."):
            inner = os.path.join(target, safe_name(name))
            async for transfer in _remote_tree(sftp, posixpath.join(source, name), inner, recursive, depth + 1):
                yield transfer


def _local_tree(source: str, target: str, recursive: bool) -> Iterator[_Transfer]:
    if not os.path.isdir(source):
        yield _Transfer(source, target)
        return
    if not recursive:
        raise BadParameter(f"{source}: is a directory (use -r)")
    yield _Transfer(source, target, is_directory=True)
    for name in sorted(os.listdir(source)):
        yield from _local_tree(os.path.join(source, name), posixpath.join(target, name), recursive)


async def _get(sftp: asyncssh.SFTPClient, transfer: _Transfer, choice: CopyChoice) -> None:
    if transfer.is_directory:
        os.makedirs(transfer.target, exist_ok=True)
        return
    follow = _Follow(transfer.source, choice.progress)
    with Explained(transfer.source):
        await sftp.get(
            transfer.source,
            transfer.target,
            preserve=choice.preserve,
            follow_symlinks=True,
            progress_handler=follow,
        )
        if not choice.preserve:
            await _keep_executable(sftp, transfer)
    follow.finish()


async def _keep_executable(sftp: asyncssh.SFTPClient, transfer: _Transfer) -> None:
    """As scp does: the mode of the source, less the umask; a file that was there keeps its own."""
    mode = (await sftp.stat(transfer.source)).permissions
    if mode is not None and mode & 0o111:
        present = stat.S_IMODE(os.stat(transfer.target).st_mode)
        os.chmod(transfer.target, present | (mode & 0o111 & (present >> 2 | present >> 1 | 0o100)))


async def _put(sftp: asyncssh.SFTPClient, transfer: _Transfer, choice: CopyChoice) -> None:
    with Explained(transfer.target):
        await _put_here(sftp, transfer, choice)


async def _put_here(sftp: asyncssh.SFTPClient, transfer: _Transfer, choice: CopyChoice) -> None:
    if transfer.is_directory:
        if not await sftp.isdir(transfer.target):
            await sftp.mkdir(transfer.target)
        return
    follow = _Follow(transfer.source, choice.progress)
    was_there = await sftp.exists(transfer.target)
    await sftp.put(
        transfer.source,
        transfer.target,
        preserve=choice.preserve,
        follow_symlinks=True,
        progress_handler=follow,
    )
    if not choice.preserve and not was_there and os.access(transfer.source, os.X_OK):
        await sftp.chmod(transfer.target, stat.S_IMODE(os.stat(transfer.source).st_mode) & 0o755)
    follow.finish()


class _Follow:
    """Passes on how far one file is; small files never report, so the end is reported for them."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress
        self._done = self._total = 0

    def __call__(self, source: bytes, target: bytes, done: int, total: int) -> None:
        self._done, self._total = done, total
        self._progress(self._name, done, total, False)

    def finish(self) -> None:
        self._progress(self._name, self._done, self._total, True)


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
