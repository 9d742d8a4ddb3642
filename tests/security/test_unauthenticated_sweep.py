"""Every route but the public list refuses whoever shows no certificate; none answers the wrong kind of caller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from auth_cluster import auth_cluster

from teleport.api.client import Client
from teleport.api.route import Audience, Route, Shape
from teleport.api.routes.catalog import ROUTES
from teleport.foundation.errors import AccessDenied, NotAuthenticated, TeleportError


def example(route: Route[Any, Any]) -> msgspec.Struct:
    """A request with something in every field that must be there."""
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(route.request):
        if not field.required:
            continue
        values[field.name] = _some(field.type)
    request: msgspec.Struct = route.request(**values)
    return request


def _some(kind: object) -> object:
    text = str(kind)
    if kind is str:
        return "something"
    if kind is int:
        return 1
    if kind is bytes:
        return b"something"
    if "Raw" in text and "tuple" not in text:
        return msgspec.Raw(b"{}")
    if text.startswith("tuple"):
        return ()
    raise AssertionError(f"no example for {text}")


async def outcome(client: Client, route: Route[Any, Any]) -> TeleportError | None:
    """What it refused with; None when it answered."""
    try:
        await touch(client, route)
    except TeleportError as error:
        return error
    return None


async def touch(client: Client, route: Route[Any, Any]) -> None:
    if route.shape in (Shape.LINES, Shape.DOWNLOAD):
        await anext(client.download(route, example(route)))
    else:
        await client.call(route, example(route))


NOT_PUBLIC = [route for route in ROUTES if route.audience is not Audience.PUBLIC]


async def test_nothing_but_the_public_list_answers_a_stranger(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        for number, route in enumerate(NOT_PUBLIC):
            with pytest.raises(NotAuthenticated):
                await touch(cluster.stranger(f"192.0.2.{number}"), route)


async def test_public_routes_answer_or_refuse_for_a_reason_of_their_own(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        for route in ROUTES:
            if route.audience is not Audience.PUBLIC:
                continue
            refused = await outcome(cluster.stranger(), route)
            assert refused is None or refused.code != "error", (route.path, refused)
            assert not isinstance(refused, NotAuthenticated) or "certificate" not in refused.message


async def test_what_is_for_proxies_answers_nobody_else(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        clients = [await cluster.host("Node"), await cluster.admin(), await cluster.person("alice", "editor")]
        for route in ROUTES:
            if route.audience is not Audience.PROXY:
                continue
            for client in clients:
                with pytest.raises(AccessDenied):
                    await touch(client, route)


async def test_no_call_of_a_person_without_rules_fails_unforeseen(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await cluster.role("none")
        person = await cluster.person("alice", "none")
        for route in NOT_PUBLIC:
            if route.shape is Shape.LINES:
                continue
            refused = await outcome(person, route)
            assert refused is None or refused.code != "error", (route.path, refused)
