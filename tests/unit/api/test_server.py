"""The server: strict, within limits, and silent about what it did not foresee."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from auth_cluster import AsgiTransport

from teleport.api.client import Client
from teleport.api.openapi import document
from teleport.api.route import Audience, Empty, Route, Shape
from teleport.api.routes.catalog import PUBLIC_ROUTES, ROUTES
from teleport.api.server import Binding, Peer, application, json_lines
from teleport.foundation.errors import AccessDenied, BadParameter, LimitExceeded, NotFound, TeleportError


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    word: str = ""


SAY = Route("POST", "/say", Said, Said, max_body=100, summary="Say")
FAIL = Route("GET", "/fail", Empty, Said, summary="Fail")
COUNT = Route("GET", "/count", Said, Said, shape=Shape.LINES, summary="Count")
BYTES = Route("GET", "/bytes", Empty, Said, shape=Shape.DOWNLOAD, summary="Bytes")
SECRET = "the database password is 12345"


async def admit(peer: Peer, route: Route[Any, Any]) -> str:
    if peer.headers.get("user-agent") == "mallory":
        raise AccessDenied("not you", event_id="e1")
    return peer.address


async def say(caller: str, request: Said) -> Said:
    return Said(f"{caller} said {request.word}")


async def fail(caller: str, request: Empty) -> Said:
    raise RuntimeError(SECRET)


async def count(caller: str, request: Said) -> AsyncIterator[Said]:
    if request.word == "never":
        raise BadParameter("will not count")

    async def numbers() -> AsyncIterator[Said]:
        for number in range(3):
            yield Said(str(number))
        if request.word == "break":
            raise NotFound("lost count")

    return numbers()


async def some_bytes(caller: str, request: Empty) -> AsyncIterator[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return pieces()


BINDINGS: list[Binding[str]] = [
    Binding(SAY, say),
    Binding(FAIL, fail),
    Binding(COUNT, count),
    Binding(BYTES, some_bytes),
]
APP = application(BINDINGS, admit)


def client(**headers: str) -> Client:
    return Client(AsgiTransport(APP), {name.replace("_", "-"): value for name, value in headers.items()})


async def test_answers_a_call() -> None:
    assert (await client().call(SAY, Said("hello"))).word == "192.0.2.1 said hello"


async def test_a_refusal_comes_before_anything_is_read() -> None:
    with pytest.raises(AccessDenied) as refused:
        await client(user_agent="mallory").call(SAY, Said("x" * 1000))
    assert refused.value.event_id == "e1"


async def test_a_body_above_the_limit_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="100"):
        await client().call(SAY, Said("x" * 200))


async def test_what_was_not_foreseen_is_told_to_nobody() -> None:
    with pytest.raises(TeleportError) as failed:
        await client().call(FAIL, Empty())
    assert SECRET not in failed.value.message


async def test_unknown_addresses_and_methods_are_errors_in_the_same_form() -> None:
    with pytest.raises(NotFound):
        await client().call(Route("GET", "/nowhere", Empty, Said), Empty())
    with pytest.raises(BadParameter):
        await client().call(Route("DELETE", "/say", Empty, Said), Empty())


async def test_lines_and_bytes_stream() -> None:
    assert [line.word async for line in client().lines(COUNT, Said())] == ["0", "1", "2"]
    assert b"".join([piece async for piece in client().download(BYTES, Empty())]) == b"onetwo"


async def test_a_stream_that_may_not_begin_is_an_error_and_one_that_breaks_ends_with_it() -> None:
    with pytest.raises(BadParameter):
        await anext(client().lines(COUNT, Said("never")))
    lines = client().lines(COUNT, Said("break"))
    assert [(await anext(lines)).word for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(NotFound, match="lost count"):
        await anext(lines)


async def test_silence_is_filled_with_empty_lines() -> None:
    async def slow() -> AsyncIterator[msgspec.Struct]:
        await asyncio.Event().wait()
        yield Said()

    lines = json_lines(slow(), interval=0.001)
    assert [await anext(lines), await anext(lines)] == [b"\n", b"\n"]
    await lines.aclose()  # type: ignore[attr-defined]


def test_no_address_is_bound_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        application([*BINDINGS, Binding(SAY, say)], admit)


def test_the_document_describes_every_route() -> None:
    found = document(ROUTES, "18.0.0")
    operations = [operation for path in found["paths"].values() for operation in path.values()]
    assert len(operations) == len(ROUTES)
    assert sum(operation["security"] == [] for operation in operations) == len(PUBLIC_ROUTES)
    listing = found["paths"]["/v1/resources/{kind}"]["get"]
    assert {parameter["name"]: parameter["in"] for parameter in listing["parameters"]}["limit"] == "query"
    assert msgspec.json.encode(found)


def test_what_strangers_may_call_is_a_short_list() -> None:
    assert {(route.method, route.path) for route in ROUTES if route.audience is Audience.PUBLIC} == {
        ("GET", "/webapi/ping"),
        ("GET", "/webapi/ping/{connector}"),
        ("GET", "/webapi/find"),
        ("GET", "/webapi/motd"),
        ("GET", "/webapi/auth/export"),
        ("POST", "/webapi/mfa/login/begin"),
        ("POST", "/webapi/mfa/login/finish"),
        ("POST", "/webapi/oidc/login/console"),
        ("POST", "/webapi/oidc/login/finish"),
        ("POST", "/webapi/headless/login"),
        ("POST", "/webapi/recovery/start"),
        ("POST", "/webapi/recovery/challenge"),
        ("POST", "/webapi/recovery/approve"),
        ("POST", "/webapi/recovery/finish"),
        ("GET", "/webapi/users/password/token/{token}"),
        ("POST", "/webapi/mfa/token/{token}/registerchallenge"),
        ("PUT", "/webapi/users/password/token"),
        ("POST", "/webapi/host/credentials"),
        ("POST", "/webapi/plugins/{plugin}/reviews"),
    }
