"""64. One address that floods what needs no certificate is limited; other addresses and those logged in are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from auth_cluster import auth_cluster

from teleport.api.route import Empty
from teleport.api.routes import hosts, login
from teleport.api.routes.public import PING
from teleport.auth.limits import RateLimiter
from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import LimitExceeded, TeleportError
from teleport.model.resources.node import Node


async def test_a_flood_of_joins_is_limited_for_its_address(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        person = await cluster.person("alice", "access")
        flood = cluster.stranger("198.51.100.9")
        request = hosts.Join(token="x", host_id="", node_name="", role="Node", public_ssh_key=b"", public_tls_key=b"")
        codes = []
        for _ in range(45):
            with pytest.raises(TeleportError) as refused:
                await flood.call(hosts.JOIN, request)
            codes.append(refused.value.code)
        assert codes.count("limit_exceeded") == 5
        with pytest.raises(LimitExceeded):
            await flood.call(login.BEGIN, login.BeginLogin(user="alice", password="x"))
        assert (await flood.call(PING, Empty())).cluster_name == "example"
        await person.list(Node)
        with pytest.raises(TeleportError) as other:
            await cluster.stranger("198.51.100.10").call(hosts.JOIN, request)
        assert other.value.code != "limit_exceeded"


def test_addresses_of_one_ipv6_network_share_an_allowance() -> None:
    limiter = RateLimiter(MovedClock(), burst=3)
    for number in range(3):
        limiter.take(f"2001:db8::{number}")
    with pytest.raises(LimitExceeded):
        limiter.take("2001:db8::ffff")
    limiter.take("2001:db8:0:1::1")
    limiter.take("::ffff:192.0.2.1")


def test_memory_does_not_grow_with_addresses() -> None:
    limiter = RateLimiter(MovedClock())
    for number in range(60_000):
        limiter.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(limiter) <= 50_000
