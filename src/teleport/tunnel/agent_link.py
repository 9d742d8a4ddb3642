"""One agent's control connection as the proxy sees it, with its spare data connections and those who wait for one."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from teleport.foundation.errors import LimitExceeded, Unavailable
from teleport.net.frame_stream import FrameStream
from teleport.net.handoff import HandedOff
from teleport.net.sockets import state_of
from teleport.tunnel.messages import AgentHello, Connect, FromAgent

Spare = tuple[str, HandedOff]


class AgentLink:
    """Spares are taken newest first: the oldest are the likeliest to be forgotten by a middlebox."""

    __slots__ = (
        "_max_spares",
        "_max_waiting",
        "_task",
        "_waiting",
        "control_id",
        "host_id",
        "is_draining",
        "services",
        "spares",
        "stream",
        "version",
    )

    def __init__(
        self, hello: AgentHello, control_id: str, stream: FrameStream[FromAgent], max_spares: int, max_waiting: int
    ) -> None:
        self.host_id = hello.host_id
        self.services = hello.services
        self.version = hello.version
        self.control_id = control_id
        self.stream = stream
        self.spares: deque[Spare] = deque()
        self.is_draining = False
        self._waiting: deque[asyncio.Future[Spare]] = deque()
        self._max_spares = max_spares
        self._max_waiting = max_waiting
        self._task = asyncio.current_task()

    def cancel(self) -> None:
        """End the task that serves this control connection."""
        if self._task is not None:
            self._task.cancel()

    def offer(self, data_id: str, connection: HandedOff) -> None:
        """A new data connection: for who waits longest, else a spare, else closed."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result((data_id, connection))
                return
        if len(self.spares) < self._max_spares and not self.is_draining:
            self.spares.append((data_id, connection))
        else:
            connection.close()

    async def take(self) -> Spare:
        """A live data connection, asking the agent for one if none is spare. The caller sets the time limit.

        Raises Unavailable when the agent goes, LimitExceeded when too many wait for it.
        """
        while self.spares:
            data_id, connection = self.spares.pop()
            if state_of(connection.sock) == "idle":
                return data_id, connection
            connection.close()
        if len(self._waiting) >= self._max_waiting:
            raise LimitExceeded("too many connections to this agent are being opened: try again")
        waiting: asyncio.Future[Spare] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await self.stream.send(Connect(1))
            return await waiting
        except BaseException:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self.offer(*waiting.result())  # it came just as the caller left: the next one may have it
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiting)

    def drop_dead_spares(self) -> None:
        """Close the spares that the agent closed, or on which it spoke unasked."""
        for spare in [spare for spare in self.spares if state_of(spare[1].sock) != "idle"]:
            self.spares.remove(spare)
            spare[1].close()

    def close_spares(self) -> None:
        while self.spares:
            self.spares.pop()[1].close()

    def close(self) -> None:
        """The control connection ended: whoever waits is told, spares go."""
        self.is_draining = True
        self.close_spares()
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(Unavailable("the agent disconnected: try again"))
