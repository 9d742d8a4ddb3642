"""SSH connections kept open by the resident client, so that the next command finds one that is logged in already.

A connection belongs to one certificate, one login and one server; it is given only to who asks for exactly that, and
closed when nobody has used it for a while. What the server decides meanwhile (locks, roles) ends it from its side.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from teleport.client import ssh_connection, ssh_library  # isort: skip
import asyncssh

from teleport.client.account import Account
from teleport.client.dialer import Reached, Wanted, dial
from teleport.client.ssh import check_cluster

assert ssh_library

UNUSED_LIMIT = 300.0


class _Key(NamedTuple):
    address: str
    certificate: str
    wanted: Wanted


class Kept:
    """One connection, and when it was last in use."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self.connection = connection
        self.sessions = 0
        self.last_used = time.monotonic()

    @property
    def is_usable(self) -> bool:
        return not self.connection.is_closed()


class WarmConnections:
    """All connections of the resident client."""

    def __init__(self, unused_limit: float = UNUSED_LIMIT) -> None:
        self._unused_limit = unused_limit
        self._kept: dict[_Key, Kept] = {}
        self._opening: dict[_Key, asyncio.Lock] = {}
        self._retired: set[Kept] = set()

    def __len__(self) -> int:
        return len(self._kept)

    async def take(self, account: Account, wanted: Wanted, *, instead_of: Kept | None = None) -> Kept:
        """A connection that may be used until `give_back`, and is not one that did not answer or takes no more
        sessions; those that run on that one go on.
        """
        key = _Key(account.address, account.record.mark, wanted)
        async with self._opening.setdefault(key, asyncio.Lock()):
            kept = self._kept.get(key)
            if kept is not None and (kept is instead_of or not kept.is_usable):
                self._retire(kept)
                kept = None
            if kept is None:
                kept = self._kept[key] = Kept(await connect(account, wanted))
        kept.sessions += 1
        return kept

    def give_back(self, kept: Kept) -> None:
        kept.sessions -= 1
        kept.last_used = time.monotonic()
        if kept in self._retired:
            self._retire(kept)

    def _retire(self, kept: Kept) -> None:
        """Nobody new is led there; closed with its last session."""
        if kept.sessions > 0:
            self._retired.add(kept)
        else:
            self._retired.discard(kept)
            kept.connection.close()

    @property
    def is_busy(self) -> bool:
        return bool(self._retired) or any(kept.sessions for kept in self._kept.values())

    def close_unused(self) -> None:
        """Close those that nobody used for long, and forget those that have ended."""
        now = time.monotonic()
        for key, kept in list(self._kept.items()):
            if not kept.is_usable or (not kept.sessions and now - kept.last_used > self._unused_limit):
                kept.connection.close()
                del self._kept[key]
                self._opening.pop(key, None)

    def close(self) -> None:
        for kept in (*self._kept.values(), *self._retired):
            kept.connection.close()
        self._kept.clear()
        self._retired.clear()


async def connect(account: Account, wanted: Wanted) -> asyncssh.SSHClientConnection:
    reached: Reached = await asyncio.to_thread(dial, account, wanted)
    check_cluster(account, reached)
    return await ssh_connection.connect(reached, wanted, account.ssh())
