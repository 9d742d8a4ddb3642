"""`tsh ssh` over a stream that survives lost connections: sleep, another network, another address.

The SSH connection is made over one end of a socket pair; the other is joined to the stream. When the connection is
lost the same server is dialled again, with the stream's token, until it answers or too long has passed.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import NamedTuple

from teleport.client.account import Account
from teleport.client.dialer import Reached, Wanted, dial
from teleport.client.own_thread import in_own_thread
from teleport.foundation.errors import TeleportError, Unavailable
from teleport.net.resumable import ResumablePipe
from teleport.wire.resumption import GREETING_SIZE, MAGIC

PROTOCOL = "ssh-resumable"
LIMIT = 600.0
"""Seconds after which a server that was lost is given up."""
_GREETING_TIMEOUT = 15.0
_PINGS = 10.0
_SILENCE = 25.0
_LONGEST_PAUSE = 5.0


class Opened(NamedTuple):
    """A fresh stream: what was dialled, with which request, and the server's greeting on it."""

    reached: Reached
    wanted: Wanted
    greeting: bytes


def open_stream(account: Account, wanted: Wanted) -> Opened | None:
    """Blocking. None where the server knows no resumption. Raises what a dial raises."""
    resumable = wanted._replace(protocol=PROTOCOL, resumption=secrets.token_hex(32))
    reached = dial(account, resumable)
    greeting = _greeting(reached.sock)
    if greeting is None:
        reached.sock.close()
        return None
    again = resumable._replace(name=reached.resource_id, labels=(), resumes=True, asks_mfa=False)
    return Opened(reached, again, greeting)


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
        carrier, first = self._opened.reached.sock, self._opened.greeting
        while await self._pipe.carry(carrier, first):
            found = await self._again()
            if found is None:
                return
            carrier, first = found

    async def _again(self) -> tuple[socket.socket, bytes] | None:
        """The next connection; None when there will be none."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + LIMIT, 0.0
        while loop.time() < end:
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2 or 0.25)
            try:
                sock, greeting = await in_own_thread(self._dial)
            except Unavailable:
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
