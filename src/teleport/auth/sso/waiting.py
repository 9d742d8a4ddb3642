"""Logins that are under way: kept in the store for any auth server, good once, few minutes, bounded in number.

The store keeps digests of what the browser and the client show: who reads it cannot go on with anybody's login.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeVar

import msgspec

from teleport.auth.cluster import Cluster
from teleport.auth.limits import network_of
from teleport.credentials.tokens import digest
from teleport.foundation.errors import LimitExceeded, NotFound
from teleport.storage.backend import end_of

AT_PROVIDER = timedelta(minutes=5)
TICKET_TTL = timedelta(minutes=1)
MAX_OPEN = 1000
MAX_OPEN_OF_ADDRESS = 20
_PREFIX = "/sso/"

Stage = Literal["open", "proved"]


class ClientLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What `tsh` wants at the end. `seal_key` closes the answer so that only it can open it."""

    callback: str
    seal_key: bytes
    ssh_key: bytes = b""
    tls_key: bytes = b""
    ttl: int = 0
    compatibility: str = ""
    route_to_cluster: str = ""
    kubernetes_cluster: str = ""


class OpenLogin(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is at the provider. `browser` is the digest of the cookie of a web login; else there is `client`."""

    connector: str
    nonce: str
    verifier: str
    redirect: str
    network: str
    browser: str = ""
    next: str = ""
    client: ClientLogin | None = None


class ProvedLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A client's user is proved; whoever shows the ticket gets the certificates."""

    connector: str
    user: str
    client: ClientLogin
    attributes: dict[str, tuple[str, ...]] = {}
    applied_login_rules: tuple[str, ...] = ()


Waiting = TypeVar("Waiting", OpenLogin, ProvedLogin)
_STAGES: dict[type[msgspec.Struct], tuple[Stage, timedelta]] = {
    OpenLogin: ("open", AT_PROVIDER),
    ProvedLogin: ("proved", TICKET_TTL),
}


class _Place(msgspec.Struct):
    network: str = ""


class WaitingLogins:
    """By the secret that comes back."""

    def __init__(self, cluster: Cluster) -> None:
        self._backend = cluster.store.backend
        self._clock = cluster.clock

    async def require_room(self, address: str) -> None:
        """Raises LimitExceeded while too many are open, of this address or of all."""
        prefix, network = f"{_PREFIX}open/", network_of(address)
        items = await self._backend.range(prefix, end_of(prefix), MAX_OPEN)
        here = sum(msgspec.json.decode(item.value, type=_Place).network == network for item in items)
        if len(items) >= MAX_OPEN or here >= MAX_OPEN_OF_ADDRESS:
            raise LimitExceeded("too many logins have been started and not finished; wait a few minutes")

    async def put(self, secret: str, waiting: OpenLogin | ProvedLogin) -> datetime:
        """Kept until the moment returned."""
        stage, ttl = _STAGES[type(waiting)]
        expires = self._clock.now() + ttl
        await self._backend.create(_key(stage, secret), msgspec.json.encode(waiting), expires=expires)
        return expires

    async def find(self, secret: str, kind: type[Waiting]) -> Waiting | None:
        """Left where it is."""
        try:
            item = await self._backend.get(_key(_STAGES[kind][0], secret))
        except NotFound:
            return None
        return msgspec.json.decode(item.value, type=kind)

    async def take(self, secret: str, kind: type[Waiting]) -> Waiting | None:
        """Removed: a second time it is not there."""
        try:
            item = await self._backend.get(_key(_STAGES[kind][0], secret))
            await self._backend.delete(item.key, item.revision)
        except NotFound:
            return None
        return msgspec.json.decode(item.value, type=kind)


def _key(stage: Stage, secret: str) -> str:
    return f"{_PREFIX}{stage}/{digest(secret)}"
