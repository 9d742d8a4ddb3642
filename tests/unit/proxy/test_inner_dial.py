"""Dials that the proxy makes for browsers: the same decisions, and nothing left behind by those that fail."""

from __future__ import annotations

import os

import pytest
from data_plane import eventually
from proxy_world import World, node, role, singletons

from teleport.credentials import x509
from teleport.foundation.errors import AccessDenied, Unavailable
from teleport.net.address import Address
from teleport.tunnel.messages import DialRequest

WEB1 = "11111111-1111-4111-8111-111111111111"
CLIENT = Address("203.0.113.7", 40000)


def world() -> World:
    return World([node(WEB1, "web1"), role("access"), *singletons()])


def certificate(here: World) -> bytes:
    return x509.to_der(here.cluster.user()[0])


async def test_a_dial_reaches_the_agent() -> None:
    here = world()
    async with here.running() as proxy, here.agent(WEB1) as agent:
        await agent.wait_connected()
        await eventually(lambda: proxy.registry.is_connected(WEB1), "agent")
        reached = await proxy.inner_dial.open(certificate(here), DialRequest(target="web1", login="root"), CLIENT)
        reached.sock.close()
        assert reached.name == "web1"
        assert reached.principal == f"{WEB1}.{here.cluster.name}"


@pytest.mark.parametrize(("target", "error"), [("web1", Unavailable), ("elsewhere", AccessDenied)])
async def test_a_dial_that_fails_says_why_and_leaves_no_descriptor(target: str, error: type[Exception]) -> None:
    here = world()
    async with here.running() as proxy:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(error) as refused:
                await proxy.inner_dial.open(certificate(here), DialRequest(target=target, login="root"), CLIENT)
            assert refused.value.event_id  # type: ignore[attr-defined]
        await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before, "descriptors are given back")
