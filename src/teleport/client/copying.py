"""Copies between two places: files and trees, with wildcards; continued where they broke off; not faster than asked.

Small files go several at a time, large ones block after block with many requests under way. Blocks are written in
order, so that a copy that breaks off leaves a beginning, but for the requests that were under way.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from teleport.client import sftp  # isort: skip
from teleport.client.places import Attributes, OpenFile, Place
from teleport.client.sftp import Explained, from_home, safe_name
from teleport.foundation.errors import BadParameter, NotFound

Progress = Callable[[str, int, int, bool], None]
"""Name of the file, bytes so far, bytes in all, and whether it is done."""

Skipped = Callable[[str], None]
"""Told of each path that is left out, when the copy comes to it."""

_MAX_DEPTH = 100
_UNDER_WAY = 4 * 1024 * 1024
_SMALL = 64 * 1024
_SMALL_AT_ONCE = 16

assert sftp


class CopyChoice(NamedTuple):
    """`limit`: bytes per second, 0 for no limit. `resume`: keep what is there of a file and go on behind it."""

    recursive: bool = False
    preserve: bool = False
    progress: Progress = lambda name, done, total, final: None
    resume: bool = False
    limit: float = 0
    skipped: Skipped = lambda path: None


class End(NamedTuple):
    """One side of a copy."""

    place: Place
    path: str


class _Transfer(NamedTuple):
    source: str
    target: str
    attributes: Attributes
    is_end_of_directory: bool = False


async def copy(source: Place, sources: Sequence[str], target: End, choice: CopyChoice) -> None:
    """Raises NotFound, AccessDenied, BadParameter; also where special files were left out, after all the rest."""
    left_out = 0
    with Explained():
        found = [path for one in sources for path in await source.expand(one)]
        goal = from_home(target.path) or "."
        there = await target.place.find(goal)
        into = there is not None and there.is_directory
        if len(found) > 1 and not into:
            raise BadParameter(f"{goal}: not a directory, but there are {len(found)} files to copy")
        async with _Copier(source, target.place, choice) as copier:
            for path in found:
                name = posixpath.basename(path.replace(os.sep, "/").rstrip("/"))
                end = target.place.join(goal, safe_name(name or ".")) if into and name not in ("", ".") else goal
                async for transfer in _tree(source, path, target.place, end, choice.recursive):
                    if transfer.attributes.is_special:
                        choice.skipped(transfer.source)
                        left_out += 1
                    else:
                        await copier.take(transfer)
    if left_out:
        files = "1 file was" if left_out == 1 else f"{left_out} files were"
        raise BadParameter(f"{files} not copied: only regular files and directories can be")


async def _tree(
    source: Place,
    path: str,
    target: Place,
    end: str,
    recursive: bool,
    depth: int = 0,
    attributes: Attributes | None = None,
) -> AsyncIterator[_Transfer]:
    if attributes is None:
        with Explained(path):
            attributes = await source.find(path)
    if attributes is None:
        raise NotFound(f"{path}: no such file")
    if not attributes.is_directory:
        yield _Transfer(path, end, attributes)
        return
    if not recursive:
        raise BadParameter(f"{path}: is a directory (use -r)")
    if depth > _MAX_DEPTH:
        raise BadParameter(f"{path}: directories within directories without end")
    yield _Transfer(path, end, attributes)
    async for name, told in source.entries(path):
        inner = source.join(path, name)
        async for transfer in _tree(source, inner, target, target.join(end, name), recursive, depth + 1, told):
            yield transfer
    yield _Transfer(path, end, attributes, is_end_of_directory=True)


class _Copier:
    """Does what a tree yields. Leaving the block waits for all that is under way."""

    def __init__(self, source: Place, target: Place, choice: CopyChoice) -> None:
        self._source = source
        self._target = target
        self._choice = choice
        self._rate = _Rate(choice.limit)
        self._small: deque[asyncio.Task[None]] = deque()
        self._times: list[_Transfer] = []
        self._block = min(source.block, target.block)
        self._at_once = max(4, _UNDER_WAY // self._block)

    async def __aenter__(self) -> _Copier:
        return self

    async def __aexit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        if problem is not None:
            await _give_up(self._small)
            return
        await self._finish_small(0)
        for transfer in self._times:  # at the end: a file that is written changes its directory's time
            await self._target.set_attributes(transfer.target, transfer.attributes)

    async def take(self, transfer: _Transfer) -> None:
        if transfer.is_end_of_directory:
            if self._choice.preserve:
                self._times.append(transfer)
        elif transfer.attributes.is_directory:
            with Explained(transfer.target):
                there = await self._target.find(transfer.target)
                if there is None:
                    await self._target.make_directory(transfer.target)
                elif not there.is_directory:
                    raise BadParameter(f"{transfer.target}: not a directory")
        elif transfer.attributes.size <= _SMALL:
            await self._finish_small(_SMALL_AT_ONCE - 1)
            self._small.append(asyncio.get_running_loop().create_task(self._copy_file(transfer)))
        else:
            await self._finish_small(0)
            await self._copy_file(transfer)

    async def _finish_small(self, may_go_on: int) -> None:
        while len(self._small) > may_go_on:
            try:
                await self._small[0]
            finally:
                if self._small[0].done():
                    self._small.popleft()

    async def _copy_file(self, transfer: _Transfer) -> None:
        size, name = transfer.attributes.size, transfer.source
        with Explained(transfer.source):
            reading = await self._source.open(transfer.source)
        try:
            with Explained(transfer.target):
                start = await self._kept(reading, transfer) if self._choice.resume else 0
                writing = await self._target.open(
                    transfer.target, writes=True, mode=transfer.attributes.mode, keeps=self._choice.resume
                )
            try:
                self._choice.progress(name, start, size, False)
                await self._carry(reading, writing, start, transfer)
            finally:
                await writing.close()
        finally:
            await reading.close()
        if self._choice.preserve:
            await self._target.set_attributes(transfer.target, transfer.attributes)
        self._choice.progress(name, size, size, True)

    async def _carry(self, reading: OpenFile, writing: OpenFile, start: int, transfer: _Transfer) -> None:
        """Blocks from `start` on, in order, as many under way as the place takes."""
        size = transfer.attributes.size
        loop = asyncio.get_running_loop()
        under_way: deque[asyncio.Task[int]] = deque()
        done, position = start, start
        turn: asyncio.Future[None] | None = None
        try:
            while position < size or under_way:
                if position < size and len(under_way) < self._at_once:
                    count = min(self._block, size - position)
                    await self._rate.take(count)
                    written = loop.create_future()
                    block = self._copy_block(reading, writing, (position, count), turn, written, transfer)
                    under_way.append(loop.create_task(block))
                    turn, position = written, position + count
                    continue
                done += await under_way[0]
                under_way.popleft()
                self._choice.progress(transfer.source, done, size, False)
            if not size:
                await self._carry_unsized(reading, writing, transfer)
        except BaseException:
            await _give_up(under_way)
            raise

    async def _carry_unsized(self, reading: OpenFile, writing: OpenFile, transfer: _Transfer) -> None:
        """All there is to read: files of `/proc` are as good as others, and their size is told as nothing."""
        position = 0
        while data := await reading.read(self._block, position):
            await self._rate.take(len(data))
            with Explained(transfer.target):
                await writing.write(data, position)
            position += len(data)

    async def _copy_block(
        self,
        reading: OpenFile,
        writing: OpenFile,
        extent: tuple[int, int],
        turn: asyncio.Future[None] | None,
        begun: asyncio.Future[None],
        transfer: _Transfer,
    ) -> int:
        position, count = extent
        data = await reading.read(count, position)
        while len(data) < count:
            more = await reading.read(count - len(data), position + len(data))
            if not more:
                raise BadParameter("the file became shorter while it was copied")
            data += more
        if turn is not None:
            await turn
        # the request is under way when the task first waits, so the next may follow
        asyncio.get_running_loop().call_soon(_settle, begun)
        with Explained(transfer.target):
            await writing.write(data, position)
        return count

    async def _kept(self, reading: OpenFile, transfer: _Transfer) -> int:
        """How much of what is there is kept. Raises BadParameter when it is no beginning of the source."""
        there = await self._target.find(transfer.target)
        if there is None or there.size == 0:
            return 0
        if there.size > transfer.attributes.size:
            raise BadParameter(f"{transfer.target}: is longer than {transfer.source}, so it is no beginning of it")
        # requests that were under way when the copy broke off may have left holes: those bytes are sent again
        kept = max(0, there.size - _UNDER_WAY - self._block)
        looked = max(0, kept - self._block) if kept else 0
        present = await self._target.open(transfer.target)
        try:
            ours = await present.read(min(self._block, there.size), looked)
        finally:
            await present.close()
        if kept and ours != await reading.read(len(ours), looked):
            raise BadParameter(f"{transfer.target}: is no beginning of {transfer.source}")
        return kept


class _Rate:
    """Lets so many bytes a second pass; without a limit, all at once."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._free_at = 0.0

    async def take(self, count: int) -> None:
        if not self._limit:
            return
        now = asyncio.get_running_loop().time()
        wait = self._free_at - now
        self._free_at = max(now, self._free_at) + count / self._limit
        if wait > 0:
            await asyncio.sleep(wait)


def _settle(begun: asyncio.Future[None]) -> None:
    if not begun.done():
        begun.set_result(None)


async def _give_up(tasks: deque[asyncio.Task[int]] | deque[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
