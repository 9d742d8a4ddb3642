"""The relay where the system has no epoll and splice: the same promises, kept by the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

from teleport.foundation.service import TaskOwner
from teleport.net.handoff import HandedOff
from teleport.net.relay_transfer import EndReason, Transfer
from teleport.net.sockets import tune

OnEnd = Callable[[Transfer], None]


class PortableFlow:
    """Two joined sockets."""

    def __init__(self, idle_limit: float | None, on_end: OnEnd | None) -> None:
        self.sides = (_Side(self), _Side(self))
        self.idle_limit = idle_limit
        self.on_end = on_end
        self.reason: EndReason = "finished"
        self.is_closing = False
        self.last_moved = asyncio.get_running_loop().time()

    @property
    def moved(self) -> int:
        return self.sides[0].received + self.sides[1].received

    def other(self, side: _Side) -> _Side:
        return self.sides[1] if side is self.sides[0] else self.sides[0]

    def close(self, reason: EndReason) -> None:
        if not self.is_closing:
            self.is_closing = True
            self.reason = reason
        for side in self.sides:
            if side.transport is not None:
                side.transport.abort()


class _Side(asyncio.Protocol):
    """One socket; what it receives goes to the other."""

    def __init__(self, flow: PortableFlow) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()
        self.received = 0
        self._flow = flow
        self._has_ended = False
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        other = self._flow.other(self)
        if other.transport is not None:
            other.release()
            self.release()

    def release(self) -> None:
        """Both sides are there: pass on what came before."""
        for data in self._early:
            self._pass_on(data)
        self._early.clear()
        if self._has_ended:
            self._pass_on_end()

    def data_received(self, data: bytes) -> None:
        self.take(data)

    def take(self, data: bytes) -> None:
        if self._flow.other(self).transport is None:
            self._early.append(data)  # only until the other transport is made, in the same turn or the next
        else:
            self._pass_on(data)

    def eof_received(self) -> bool:
        self._has_ended = True
        self._pass_on_end()
        return not self._flow.other(self)._has_ended  # noqa: SLF001 - both ends of one flow

    def connection_lost(self, problem: Exception | None) -> None:
        if problem is not None and not self._flow.is_closing:
            self._flow.reason = "lost"
        self.lost.set()
        other = self._flow.other(self)
        if other.transport is not None and not other.transport.is_closing():
            other.transport.close()  # after what waits to be written

    def pause_writing(self) -> None:
        transport = self._flow.other(self).transport
        if transport is not None:
            transport.pause_reading()

    def resume_writing(self) -> None:
        transport = self._flow.other(self).transport
        if transport is not None and not transport.is_closing():
            transport.resume_reading()

    def _pass_on(self, data: bytes) -> None:
        self.received += len(data)
        self._flow.last_moved = asyncio.get_running_loop().time()
        transport = self._flow.other(self).transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def _pass_on_end(self) -> None:
        other = self._flow.other(self).transport
        if other is not None and not other.is_closing():
            with contextlib.suppress(OSError, RuntimeError):
                other.write_eof()


class PortableRelay:
    """As `net.relay.Relay`, on the loop that runs where `join` is called."""

    def __init__(self) -> None:
        self._tasks = TaskOwner("relay")
        self._flows: set[PortableFlow] = set()
        self._bytes = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._flows)

    @property
    def bytes_moved(self) -> int:
        return self._bytes

    def start(self) -> None:
        """There is nothing to start."""

    def join(
        self, a: HandedOff, b: HandedOff, *, idle_limit: float | None = None, on_end: OnEnd | None = None
    ) -> PortableFlow:
        flow = PortableFlow(idle_limit, on_end)
        self._flows.add(flow)
        self._empty.clear()
        self._tasks.start(self._carry(flow, a, b))
        return flow

    async def carry(self, a: HandedOff, b: HandedOff, *, idle_limit: float | None = None) -> Transfer:
        """`join`, and wait for the end; cancelled, it ends the connection."""
        ended: asyncio.Future[Transfer] = asyncio.get_running_loop().create_future()
        flow = self.join(a, b, idle_limit=idle_limit, on_end=ended.set_result)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            self.end(flow)
            raise

    def end(self, flow: PortableFlow) -> None:
        flow.close("closed")

    async def drain(self, timeout: float) -> bool:
        """Wait for all joined connections to end by themselves; False when some were left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        return not self._flows

    def close(self) -> None:
        for flow in list(self._flows):
            flow.close("closed")

    async def _carry(self, flow: PortableFlow, a: HandedOff, b: HandedOff) -> None:
        try:
            for handed_off, side in ((a, flow.sides[0]), (b, flow.sides[1])):
                tune(handed_off.sock)
                if handed_off.leftover:
                    side.take(handed_off.leftover)
            await self._watch(flow, a, b)
        except OSError:
            flow.close("lost")
        finally:
            a.close()
            b.close()
            self._finish(flow)

    async def _watch(self, flow: PortableFlow, a: HandedOff, b: HandedOff) -> None:
        loop = asyncio.get_running_loop()
        for handed_off, side in ((a, flow.sides[0]), (b, flow.sides[1])):
            await loop.create_connection(lambda side=side: side, sock=handed_off.sock)  # type: ignore[misc]
        if flow.is_closing:
            flow.close(flow.reason)
        for side in flow.sides:
            while not side.lost.is_set():
                limit = flow.idle_limit
                left = None if limit is None else max(0.0, flow.last_moved + limit - loop.time())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(side.lost.wait(), left)
                    continue
                if limit is not None and loop.time() - flow.last_moved >= limit:
                    flow.close("idle")

    def _finish(self, flow: PortableFlow) -> None:
        self._flows.discard(flow)
        if not self._flows:
            self._empty.set()
        transfer = Transfer(flow.sides[0].received, flow.sides[1].received, flow.reason)
        self._bytes += transfer.from_a + transfer.from_b
        if flow.on_end is not None:
            flow.on_end(transfer)
