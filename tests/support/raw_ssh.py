"""An SSH client that says what it is told to, in any order, after an honest key exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncssh
from asyncssh.packet import Boolean, Byte, SSHPacket, String, UInt32

DISCONNECT, IGNORE, EXT_INFO, SERVICE_REQUEST, KEXINIT = 1, 2, 7, 5, 20
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_PK_OK = 50, 51, 52, 60
GLOBAL_REQUEST, CHANNEL_OPEN = 80, 90
__all__ = ["Boolean", "Byte", "RawClient", "String", "UInt32", "raw_client"]


class _Listener:
    """Stands where asyncssh keeps its authentication, and lets everything pass."""

    def __init__(self, client: RawClient) -> None:
        self.log_received_packet = client.log_received_packet

    def process_packet(self, *_: Any) -> bool:
        return True

    def cancel(self) -> None:
        """Nothing is under way."""


class RawClient(asyncssh.SSHClientConnection):
    """Keeps the types of all packets it received."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.extra_kex_algs: list[bytes] | None = None
        self._is_strict = False
        super().__init__(*arguments, **options)
        self.heard: list[int] = []
        self.injected: tuple[int, bytes] | None = None
        self._news = asyncio.Event()
        self._auth = cast("Any", _Listener(self))
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def _strict_kex(self) -> bool:
        return self._is_strict and self.extra_kex_algs is None

    @_strict_kex.setter
    def _strict_kex(self, value: bool) -> None:
        self._is_strict = value

    def _get_extra_kex_algs(self) -> list[bytes]:
        return super()._get_extra_kex_algs() if self.extra_kex_algs is None else self.extra_kex_algs

    def _send_kexinit(self) -> None:
        super()._send_kexinit()
        if self.injected is not None and self._session_id == b"":
            self._slip_in(*self.injected)

    def _slip_in(self, kind: int, body: bytes) -> None:
        """As it is, where asyncssh would keep it until keys are exchanged."""
        payload = bytes((kind,)) + body
        padding = 4 + -(len(payload) + 9) % 8
        assert self._transport is not None
        self._transport.write(UInt32(len(payload) + padding + 1) + bytes((padding,)) + payload + bytes(padding))
        self._send_seq += 1

    def send_service_request(self, service: bytes) -> None:
        """Keys are exchanged; the test goes on by itself."""
        self.is_ready.set_result(None)

    def _leave_to_the_test(self, *_: Any) -> None:
        """Heard, and nothing is done about it."""

    _packet_handlers = {
        **asyncssh.SSHClientConnection._packet_handlers,
        **dict.fromkeys((6, USERAUTH_FAILURE, USERAUTH_SUCCESS, 53, 80, 81, 82, 91, 92), _leave_to_the_test),
    }

    def log_received_packet(self, pkttype: int, pktid: int | None, packet: bytes | SSHPacket, note: str = "") -> None:
        self.heard.append(pkttype)
        self._news.set()

    def say(self, kind: int, *parts: bytes) -> None:
        """Send a packet whatever the state."""
        honest, self._auth_complete = self._auth_complete, True
        try:
            self.send_packet(kind, *parts)
        finally:
            self._auth_complete = honest

    async def until(self, *kinds: int, timeout: float = 10) -> int:
        """The first of these packets that came, or DISCONNECT when the server closed."""
        async with asyncio.timeout(timeout):
            while True:
                found = next((kind for kind in self.heard if kind in kinds), None)
                if found is not None:
                    self.heard.remove(found)
                    return found
                if self.is_closed():
                    return DISCONNECT
                self._news.clear()
                waiter = asyncio.ensure_future(self._news.wait())  # noqa: TID251
                closed = asyncio.ensure_future(self.wait_closed())  # noqa: TID251
                try:
                    await asyncio.wait({waiter, closed}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiter.cancel()
                    closed.cancel()


@asynccontextmanager
async def raw_client(
    port: int,
    *,
    extra_kex_algs: list[bytes] | None = None,
    injected: tuple[int, bytes] | None = None,
    **options: Any,
) -> AsyncIterator[RawClient]:
    """Connected, keys exchanged, the authentication service asked for.

    `injected` is said in the midst of the first key exchange, as somebody on the way could.
    """
    loop = asyncio.get_running_loop()
    settings = await asyncssh.SSHClientConnectionOptions.construct(
        known_hosts=None,
        client_keys=None,
        agent_path=None,
        config=None,
        x509_trusted_certs=None,
        username="x",
        **options,
    )

    def make() -> RawClient:
        client = RawClient(loop, settings)
        client.extra_kex_algs, client.injected = extra_kex_algs, injected
        return client

    _, client = await loop.create_connection(make, "127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            await asyncio.wait(
                {client.is_ready, closed := loop.create_task(client.wait_closed())}, return_when="FIRST_COMPLETED"
            )
            closed.cancel()
        client.say(SERVICE_REQUEST, String(b"ssh-userauth"))
        yield client
    finally:
        client.abort()
        await client.wait_closed()
