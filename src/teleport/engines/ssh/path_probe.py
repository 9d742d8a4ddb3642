"""Asks the server of files of another host where paths lead, beside a copy that does not speak of that itself."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import asyncssh

from teleport.engines.ssh import remote_paths
from teleport.engines.ssh import sftp_server as sftp
from teleport.engines.ssh.backend import SFTP
from teleport.engines.ssh.file_link import Bases
from teleport.engines.ssh.passing import Broken, Clerk
from teleport.engines.ssh.passing_exchange import PacketCutter
from teleport.engines.ssh.remote_connection import RemoteChannel, RemoteConnection
from teleport.engines.ssh.remote_paths import Answered, Asked, Found, Question, Unresolved
from teleport.foundation.errors import TeleportError, Unavailable

TIMEOUT = 20.0
T = TypeVar("T")
_number = struct.Struct(">I")


class PathProbe(asyncssh.SSHClientSession[bytes]):
    """A `passing.Paths`: one SFTP conversation of our own with the host, opened with the first question."""

    def __init__(self, reach: Callable[[], Awaitable[RemoteConnection]]) -> None:
        self._reach = reach
        self._channel: RemoteChannel | None = None
        self._cutter = PacketCutter("server")
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._greeting: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._turn = asyncio.Lock()
        self._next = 0
        self._is_closed = False

    async def settle(self, clerk: Clerk) -> str:
        """The home of the login, and the clerk knows where the folders are that rules name. Raises Unavailable."""
        home = await self._told(self._home())
        bases = list(clerk.arrive(home))
        answers = await self._told(self._answers([(sftp.REALPATH, sftp.string(os.fsencode(base))) for base in bases]))
        if clerk.is_governed:
            clerk.learn(Bases(remote_paths.read_places(bases, answers)))
        return home

    async def find(self, question: Question) -> Found | str:
        """What is there, or why that is not known."""
        try:
            return await self._told(self._run(question))
        except TeleportError as problem:
            return str(problem)

    async def _told(self, asking: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(TIMEOUT), self._turn:
                return await asking
        except Unresolved as problem:
            raise Unavailable(problem.reason) from problem
        except (sftp.Malformed, Broken, TimeoutError, asyncssh.Error, OSError) as problem:
            reason = getattr(problem, "reason", "") or str(problem) or "no answer"
            raise Unavailable(f"the server does not say where files are: {reason}") from problem

    async def _home(self) -> str:
        ((kind, body),) = await self._answers([(sftp.REALPATH, sftp.string(b"."))])
        return os.fsdecode(remote_paths.read_path(kind, body))

    async def _run(self, question: Question) -> Found:
        asks = next(question)
        while True:
            try:
                asks = question.send(await self._answers(asks))
            except StopIteration as end:
                found: Found = end.value
                return found

    async def _answers(self, asks: Sequence[Asked]) -> list[Answered]:
        await self._open()
        loop = asyncio.get_running_loop()
        awaited: list[asyncio.Future[Answered]] = []
        out = b""
        for kind, body in asks:
            self._next = (self._next + 1) & 0xFFFFFFFF
            self._waiting[self._next] = loop.create_future()
            awaited.append(self._waiting[self._next])
            out += sftp.framed(bytes((kind,)) + _number.pack(self._next) + body)
        assert self._channel is not None
        if out and not self._channel.is_closing():
            self._channel.write(out)
        return [await one for one in awaited]

    async def _open(self) -> None:
        if self._channel is None:
            link = await self._reach()
            self._channel = await link.open_program(
                self, command=None, subsystem=SFTP, variables={}, terminal=None, forwards_agent=False
            )
            self._channel.write(sftp.framed(bytes((sftp.INIT,)) + _number.pack(3)))
            if self._is_closed:
                self._channel.close()
        kind, body = await asyncio.shield(self._greeting)
        if kind != sftp.VERSION or body[:4] != _number.pack(3):
            raise Broken("it does not speak version 3 of SFTP")

    def close(self) -> None:
        self._is_closed = True
        if self._channel is not None:
            self._channel.close()

    # -- what the server says: asyncssh.SSHClientSession

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype is not None:
            return
        self._cutter.put(data)
        try:
            for packet in self._cutter.packets(lambda: self._is_closed):
                self._take(packet)
        except Broken as problem:
            self._lose(problem)
            self.close()

    def _take(self, packet: bytes) -> None:
        if not self._greeting.done():
            self._greeting.set_result((packet[0], packet[1:]))
            return
        if len(packet) < 5:
            raise Broken("it sends a malformed packet")
        waiting = self._waiting.pop(_number.unpack_from(packet, 1)[0], None)
        if waiting is not None and not waiting.done():
            waiting.set_result((packet[0], packet[5:]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(Broken("it has gone"))

    def _lose(self, problem: Broken) -> None:
        for waiting in (self._greeting, *self._waiting.values()):
            if not waiting.done():
                waiting.set_exception(problem)
                waiting.exception()
        self._waiting.clear()
