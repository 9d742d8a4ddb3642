"""Asks auth whether an address is that of a server without an agent, and remembers the answers for a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from teleport.api.client import Client
from teleport.api.routes import agentless
from teleport.foundation.clock import Clock

KEPT_SECONDS = 30.0
MAX_KEPT = 1024
_TIMEOUT = 5.0


class GovernedServers:
    """`client` is asked for anew by each call."""

    def __init__(self, client: Callable[[], Client], clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[tuple[str, ...], int], tuple[float, str]] = {}

    async def at(self, hosts: Sequence[str], port: int) -> str:
        """What the server at one of these names or addresses is called here; empty for none. Raises TeleportError."""
        asked, now = (tuple(hosts), port), self._clock.monotonic()
        kept = self._known.get(asked)
        if kept is not None and now - kept[0] < KEPT_SECONDS:
            return kept[1]
        question = agentless.FindServer(hosts=asked[0], port=port)
        found = (await self._client().call(agentless.FIND_SERVER, question, timeout=_TIMEOUT)).hostname
        if len(self._known) >= MAX_KEPT:
            self._known.clear()
        self._known[asked] = (now, found)
        return found
