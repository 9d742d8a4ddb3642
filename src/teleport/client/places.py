"""The two kinds of places that files are copied between: this machine, and a server by SFTP.

Both say the same things in the same way, so that a copy does not care which side is which.
"""

from __future__ import annotations

import glob
import os
import posixpath
import stat
from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

from teleport.client import sftp  # isort: skip
import asyncssh

from teleport.client.sftp import Explained, from_home, safe_name
from teleport.foundation.errors import NotFound

_LOCAL_BLOCK = 256 * 1024
_OPEN_BLOCK = 32 * 1024
"""What every server takes that tells no limit."""

assert sftp


class Attributes(NamedTuple):
    """Of what a path leads to, links followed."""

    size: int
    mode: int
    accessed: float
    modified: float

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_special(self) -> bool:
        """A device, a pipe, a socket: what has no end, or none that a size tells. A server may tell no kind."""
        return stat.S_IFMT(self.mode) not in (0, stat.S_IFREG, stat.S_IFDIR)


class Entry(NamedTuple):
    """A name in a directory. `attributes` is None where its listing does not tell what the name leads to."""

    name: str
    attributes: Attributes | None


class OpenFile(Protocol):
    """A file that is read or written at any position."""

    async def read(self, size: int, offset: int) -> bytes: ...

    async def write(self, data: bytes, offset: int) -> None: ...

    async def close(self) -> None: ...


class Place(Protocol):
    """Raises what `sftp.Explained` understands."""

    block: int
    """How many bytes one request may carry."""

    async def expand(self, path: str) -> list[str]:
        """What a wildcard matches, sorted; a path without one as it is. Raises NotFound."""
        ...

    async def find(self, path: str) -> Attributes | None:
        """None where there is nothing."""
        ...

    def entries(self, path: str) -> AsyncIterator[Entry]:
        """What is within a directory."""
        ...

    async def make_directory(self, path: str) -> None: ...

    async def open(self, path: str, *, writes: bool = False, mode: int = 0o666, keeps: bool = False) -> OpenFile:
        """To read, or to write; `keeps` what is there already. `mode` is for a file that is made."""
        ...

    async def set_attributes(self, path: str, attributes: Attributes) -> None: ...

    def join(self, folder: str, name: str) -> str: ...


class _LocalFile:
    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self._path = path

    async def read(self, size: int, offset: int) -> bytes:
        return os.pread(self._descriptor, size, offset)

    async def write(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            try:
                written = os.pwrite(self._descriptor, view, offset)
            except OSError as problem:
                problem.filename = self._path  # what is written to does not say of itself where it is
                raise
            view, offset = view[written:], offset + written

    async def close(self) -> None:
        os.close(self._descriptor)


class LocalPlace:
    """This machine. Nothing else waits in a process that copies, so files are read and written at once."""

    block = _LOCAL_BLOCK

    async def expand(self, path: str) -> list[str]:
        if os.path.lexists(path):  # noqa: ASYNC240 - see the class
            return [path]
        found = sorted(glob.glob(path))
        if not found:
            raise NotFound(f"{path}: no such file")
        return found

    async def find(self, path: str) -> Attributes | None:
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        return Attributes(found.st_size, found.st_mode, found.st_atime, found.st_mtime)

    async def entries(self, path: str) -> AsyncIterator[Entry]:
        for name in sorted(os.listdir(path)):
            yield Entry(name, None)

    async def make_directory(self, path: str) -> None:
        os.mkdir(path)

    async def open(self, path: str, *, writes: bool = False, mode: int = 0o666, keeps: bool = False) -> OpenFile:
        binary = getattr(os, "O_BINARY", 0)
        if not writes:
            return _LocalFile(os.open(path, os.O_RDONLY | binary), path)
        flags = os.O_WRONLY | os.O_CREAT | binary | (0 if keeps else os.O_TRUNC)
        return _LocalFile(os.open(path, flags, mode & 0o777), path)

    async def set_attributes(self, path: str, attributes: Attributes) -> None:
        os.chmod(path, stat.S_IMODE(attributes.mode))
        os.utime(path, (attributes.accessed, attributes.modified))

    def join(self, folder: str, name: str) -> str:
        return os.path.join(folder, safe_name(name))


class _RemoteFile:
    def __init__(self, file: asyncssh.SFTPClientFile, path: str) -> None:
        self._file = file
        self._path = path

    async def read(self, size: int, offset: int) -> bytes:
        with Explained(self._path):
            return bytes(await self._file.read(size, offset))  # type: ignore[arg-type] # opened without an encoding

    async def write(self, data: bytes, offset: int) -> None:
        with Explained(self._path):
            await self._file.write(data, offset)

    async def close(self) -> None:
        with Explained(self._path):
            await self._file.close()


class RemotePlace:
    """A server."""

    def __init__(self, client: asyncssh.SFTPClient) -> None:
        self._client = client
        limits = client.limits
        self.block = min(_LOCAL_BLOCK, limits.max_read_len or _OPEN_BLOCK, limits.max_write_len or _OPEN_BLOCK)

    async def expand(self, path: str) -> list[str]:
        path = from_home(path) or "."
        if any(mark in path for mark in "*?[") and not await self._client.lexists(path):
            found = sorted(str(name) for name in await self._client.glob(path))
            if not found:
                raise NotFound(f"{path}: no such file")
            return found
        return [path]

    async def find(self, path: str) -> Attributes | None:
        try:
            found = await self._client.stat(path)
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return None
        return _attributes(found)

    async def entries(self, path: str) -> AsyncIterator[Entry]:
        async for entry in self._client.scandir(path):
            name = str(entry.filename)
            if name not in (".", ".."):
                yield Entry(safe_name(name), _attributes(entry.attrs) if _is_final(entry.attrs) else None)

    async def make_directory(self, path: str) -> None:
        await self._client.mkdir(path)

    async def open(self, path: str, *, writes: bool = False, mode: int = 0o666, keeps: bool = False) -> OpenFile:
        flags: int = asyncssh.FXF_READ
        if writes:  # and nothing more: rules may let somebody upload a file and not read it
            flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | (0 if keeps else asyncssh.FXF_TRUNC)
        attributes = asyncssh.SFTPAttrs(permissions=mode & 0o777) if writes else asyncssh.SFTPAttrs()
        with Explained(path):
            file = await self._client.open(path, flags, attributes, encoding=None, block_size=0)
        return _RemoteFile(file, path)

    async def set_attributes(self, path: str, attributes: Attributes) -> None:
        times = asyncssh.SFTPAttrs(
            permissions=stat.S_IMODE(attributes.mode), atime=int(attributes.accessed), mtime=int(attributes.modified)
        )
        with Explained(path):
            await self._client.setstat(path, times)

    def join(self, folder: str, name: str) -> str:
        return posixpath.join(folder, name)


def _attributes(told: asyncssh.SFTPAttrs) -> Attributes:
    return Attributes(told.size or 0, told.permissions or 0, told.atime or 0, told.mtime or 0)


def _is_final(told: asyncssh.SFTPAttrs) -> bool:
    """Whether a listing says all of what a name leads to: of links it tells only that they are some."""
    kind = stat.S_IFMT(told.permissions or 0)
    return told.size is not None and told.mtime is not None and kind not in (0, stat.S_IFLNK)
