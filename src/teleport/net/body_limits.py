"""Bounds the bodies of requests to an ASGI application, in bytes and in time."""

from __future__ import annotations

import asyncio

from teleport.net.asgi import AsgiApp, Message, Receive, Scope, Send


class _BodyRefused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


def limit_bodies(app: AsgiApp, max_body: int, idle: float) -> AsgiApp:
    """`app`, answered 413 for it when a body exceeds `max_body`, 408 when its next piece takes longer than `idle`."""

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            declared = _declared_length(scope)
            if declared is not None and declared > max_body:
                raise _BodyRefused(413)
            await app(scope, _counted(receive, max_body, idle), watched_send)
        except _BodyRefused as refused:
            if started:
                raise
            await _answer(send, refused.status)

    return bounded


def _counted(receive: Receive, max_body: int, idle: float) -> Receive:
    size = 0
    is_whole = False

    async def counted() -> Message:
        nonlocal size, is_whole
        if is_whole:
            return await receive()  # waits for the client to leave: no limit
        try:
            async with asyncio.timeout(idle):
                message = await receive()
        except TimeoutError:
            raise _BodyRefused(408) from None
        size += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if size > max_body:
            raise _BodyRefused(413)
        return message

    return counted


def _declared_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # the parser accepted it as a number
    return None


async def _answer(send: Send, status: int) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
