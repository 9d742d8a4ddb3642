"""Joins two sockets so that their bytes pass without the event loop: the proxy's heart.

One thread carries all flows; those with much to carry move to threads of their own, so that a key stroke never waits
behind a file. Where the system has no epoll and splice, `relay_portable` does the same on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable

from teleport.net.handoff import HandedOff
from teleport.net.relay_flow import Flow
from teleport.net.relay_lane import Lane
from teleport.net.relay_transfer import Transfer
from teleport.net.sockets import tune

OnEnd = Callable[[Transfer], None]

_BULK_SAMPLE = 4 << 20  # bytes in a tenth of a second that make a flow bulk
_BULK_GATHER = 0.0003  # seconds: a third of a megabyte at a gigabyte a second
_SWITCH_INTERVAL = 0.0005
_QUIET_SAMPLE = 256 << 10  # and that make it one of many again


class Relay:
    """`start` it once, `close` it at the end; `join` gives it sockets for good."""

    def __init__(self, *, bulk_lanes: int = min(4, os.cpu_count() or 1)) -> None:
        self._lock = threading.Lock()
        self._flows: set[Flow] = set()
        self._bytes = 0
        self.main_lane = Lane("relay", self._ended, self._sampled)
        self._bulk = [
            Lane(f"relay-bulk-{number}", self._ended, self._sampled, gather=_BULK_GATHER)
            for number in range(bulk_lanes)
        ]
        self._empty = threading.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Joined connections."""
        return len(self._flows)

    @property
    def bytes_moved(self) -> int:
        """By flows that have ended."""
        return self._bytes

    def start(self) -> None:
        # a lane that wakes up waits at most this long for a thread busy in Python: with the usual 5 ms, relaying
        # beside a busy event loop fell to a third
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL))
        for lane in (self.main_lane, *self._bulk):
            lane.start()

    def join(
        self, a: HandedOff, b: HandedOff, *, idle_limit: float | None = None, on_end: OnEnd | None = None
    ) -> Flow:
        """Take both sockets and pass bytes between them, leftovers first, until both directions ended.

        A direction's end is passed on (half-close). `idle_limit` seconds without a byte end it too. `on_end` is
        called once on the event loop that runs here.
        """
        flow = Flow(a, b, idle_limit, _on_this_loop(on_end) if on_end else None)
        for side in (a, b):
            side.leftover = b""
            tune(side.sock)
        with self._lock:
            self._flows.add(flow)
            self._empty.clear()
        flow.lane = self.main_lane
        self.main_lane.add(flow)
        return flow

    async def carry(self, a: HandedOff, b: HandedOff, *, idle_limit: float | None = None) -> Transfer:
        """`join`, and wait for the end; cancelled, it ends the connection."""
        ended: asyncio.Future[Transfer] = asyncio.get_running_loop().create_future()
        flow = self.join(a, b, idle_limit=idle_limit, on_end=lambda transfer: _set(ended, transfer))
        try:
            return await ended
        except asyncio.CancelledError:
            self.end(flow)
            raise

    def end(self, flow: Flow) -> None:
        """Close a joined connection now."""
        self.main_lane.end(flow, "closed")

    async def drain(self, timeout: float) -> bool:
        """Wait for all joined connections to end by themselves; False when some were left."""
        return await asyncio.to_thread(self._empty.wait, timeout)

    def close(self) -> None:
        """End all joined connections and the threads."""
        for lane in (self.main_lane, *self._bulk):
            lane.stop()
        for flow in list(self._flows):  # between two lanes as they stopped
            self._ended(flow, flow.end("closed"))

    def _ended(self, flow: Flow, transfer: Transfer) -> None:
        with self._lock:
            self._flows.discard(flow)
            self._bytes += transfer.from_a + transfer.from_b
            if not self._flows:
                self._empty.set()
        if flow.on_end is not None:
            flow.on_end(transfer)

    def _sampled(self, lane: Lane, flow: Flow, moved: int) -> None:
        if lane is self.main_lane:
            if moved >= _BULK_SAMPLE and self._bulk:
                lane.move_to(flow, min(self._bulk, key=len))
        elif moved <= _QUIET_SAMPLE:
            lane.move_to(flow, self.main_lane)


def _on_this_loop(on_end: OnEnd) -> OnEnd:
    loop = asyncio.get_running_loop()

    def tell(transfer: Transfer) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(on_end, transfer)

    return tell


def _set(ended: asyncio.Future[Transfer], transfer: Transfer) -> None:
    if not ended.done():
        ended.set_result(transfer)
