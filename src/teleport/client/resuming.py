"""`tsh ssh` over a stream that survives lost connections: sleep, another network, another address.

The SSH connection is made over one end of a socket pair; the other is joined to the stream. When the connection is
lost the same server is dialled again, with the stream's token, until it answers or too long has passed.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from typing import NamedTuple

from teleport.client.account import Account
from teleport.client.dialer import Reached, Wanted, dial
from teleport.client.own_thread import in_own_thread
from teleport.foundation.errors import TeleportError, Unavailable
from teleport.net.resumable import SILENT, ResumablePipe
from teleport.wire.resumption import GREETING_SIZE, MAGIC

PROTOCOL = "ssh-resumable"
LIMIT = 600.0
"""Seconds after which a server that was lost is given up."""
_GREETING_TIMEOUT = 15.0
_PINGS = 10.0
_SILENCE = 25.0
_LONGEST_PAUSE = 5.0


_UNSERVED = 10.0
"""Seconds after which a server is given up that closed the connection and is not there, as the proxy says."""
_SAY_AFTER = 3.0


class Opened(NamedTuple):
    """A fresh stream: what was dialled, with which request, and the server's greeting on it."""

    reached: Reached
    wanted: Wanted
    greeting: bytes


def open_stream(account: Account, wanted: Wanted) -> tuple[Reached, Opened | None]:
    """Blocking. No stream where SSH ends at the proxy, or the server knows none. Raises what a dial raises."""
    resumable = wanted._replace(protocol=PROTOCOL, resumption=secrets.token_hex(32))
    reached = dial(account, resumable)
    if _speaks_ssh(reached.sock):
        return reached, None
    greeting = _greeting(reached.sock)
    if greeting is None:
        reached.sock.close()
        return dial(account, wanted), None
    again = resumable._replace(name=reached.resource_id, labels=(), resumes=True, asks_mfa=False)
    return reached, Opened(reached, again, greeting)


def _speaks_ssh(sock: socket.socket) -> bool:
    """Whether it begins as SSH does. Nothing is taken."""
    sock.settimeout(_GREETING_TIMEOUT)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b"S"
    except OSError:
        return False
    finally:
        sock.settimeout(None)


def _greeting(sock: socket.socket) -> bytes | None:
    """What the server begins with; None when it is none of ours."""
    found = b""
    sock.settimeout(_GREETING_TIMEOUT)
    try:
        while len(found) < GREETING_SIZE:
            piece = sock.recv(GREETING_SIZE - len(found))
            found += piece
            if not piece or not found.startswith(MAGIC[: len(found)]):
                return None
    except OSError:
        return None
    finally:
        sock.settimeout(None)
    return found


class ResumingLink:
    """Keeps a stream going. `sock` is what SSH is spoken over."""

    def __init__(self, account: Account, opened: Opened) -> None:
        self._account = account
        self._opened = opened
        ours, self.sock = socket.socketpair()
        self._pipe = ResumablePipe(ours, pings=_PINGS, silence=_SILENCE)
        self._tasks: list[asyncio.Task[None]] = []
        self.problem = ""
        """Why the stream was given up."""
        self.on_pause: Callable[[], None] = lambda: None
        """The connection is lost, and not back at once."""

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._pipe.run()), loop.create_task(self._keep())]
        self._tasks[1].add_done_callback(lambda _: self._tasks[0].cancel())

    async def close(self) -> None:
        """After the SSH connection was closed: let the other side know, then end."""
        await asyncio.wait({self._tasks[0]}, timeout=2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.sock.close()

    async def _keep(self) -> None:
        carrier, first, is_first = self._opened.reached.sock, self._opened.greeting, True
        while why := await self._pipe.carry(carrier, first, is_first=is_first):
            found = await self._again(was_closed=SILENT not in why)
            if found is None:
                return
            (carrier, first), is_first = found, False

    async def _again(self, *, was_closed: bool) -> tuple[socket.socket, bytes] | None:
        """The next connection; None when there will be none.

        A server that fell silent may come back; one that closed the connection and is gone has ended its sessions.
        """
        loop = asyncio.get_running_loop()
        lost, pause, has_told = loop.time(), 0.0, False
        while loop.time() < lost + LIMIT:
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2 or 0.25)
            if not has_told and loop.time() > lost + _SAY_AFTER:
                has_told = True
                self.on_pause()
            try:
                sock, greeting = await in_own_thread(self._dial)
            except Unavailable as error:
                is_answer = bool(error.event_id)  # the proxy's, which is there
                if was_closed and is_answer and loop.time() > lost + _UNSERVED:
                    self.problem = str(error)
                    return None
                continue
            except TeleportError as refusal:
                self.problem = str(refusal)
                return None
            if greeting is not None:
                return sock, greeting
            sock.close()
            self.problem = "the server did not keep the session"
            return None
        self.problem = f"the server could not be reached for {LIMIT / 60:.0f} minutes"
        return None

    def _dial(self) -> tuple[socket.socket, bytes | None]:
        reached = dial(self._account, self._opened.wanted)
        return reached.sock, _greeting(reached.sock)
