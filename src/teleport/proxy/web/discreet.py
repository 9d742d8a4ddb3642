"""Strangers are told that auth is away, and not where it would be: that is for the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from teleport.api.client import Answer, StreamedAnswer, Transport
from teleport.foundation.errors import Unavailable
from teleport.foundation.logs import get_logger

log = get_logger("web")


class Discreet:
    """A Transport around another one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Answer:
        with _kept_from_strangers():
            return await self._transport.request(method, target, headers, body, timeout=timeout)

    @asynccontextmanager
    async def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncIterator[StreamedAnswer]:
        with _kept_from_strangers():
            async with self._transport.stream(method, target, headers, body) as answer:
                yield answer

    async def close(self) -> None:
        await self._transport.close()


@contextmanager
def _kept_from_strangers() -> Iterator[None]:
    try:
        yield
    except Unavailable as problem:
        log.warning("auth cannot be reached", error=problem)
        raise Unavailable("this proxy cannot reach the auth service now: try again later") from problem
