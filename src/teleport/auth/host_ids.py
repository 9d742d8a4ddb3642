"""Whose a host id is while its host is away.

A host that has been seen holds its id in its role for as long as it can hold a certificate of it: else a join token
would give a stranger the name, the recordings and the trust of a server that is down for a while. One that asked to
join and never heard the answer holds nothing, and may ask again.
"""

from __future__ import annotations

from datetime import datetime

from teleport.auth.caller import Caller
from teleport.foundation.errors import NotFound
from teleport.storage.store import Store

_PREFIX = "/host_ids/"


class HostIds:
    """Kept in the store, for any auth server."""

    def __init__(self, store: Store) -> None:
        self._backend = store.backend

    async def hold(self, role: str, host_id: str, until: datetime) -> None:
        """From now on, or longer."""
        await self._backend.put(_key(role, host_id), b"", expires=until)

    async def seen(self, caller: Caller) -> None:
        """A host that acts by its certificate."""
        identity = caller.known()
        await self.hold(identity.system_role, identity.host_id, identity.expires)

    async def is_held(self, role: str, host_id: str) -> bool:
        try:
            await self._backend.get(_key(role, host_id))
        except NotFound:
            return False
        return True


def _key(role: str, host_id: str) -> str:
    return f"{_PREFIX}{role}/{host_id}"
