"""60. A session whose role, or cluster, wants a second factor: neither the proxy nor the agent goes without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from proxy_world import World, document, node, role, singletons
from ssh_post import ME, Ran, Site, run, site

from teleport.model.resource import Resource

PROD = "33333333-3333-4333-8333-333333333333"
INSIDE = Ran(0, b"inside\n", b"")
CAREFUL = f"""
kind: role
version: v7
metadata: {{name: careful}}
spec:
  allow: {{logins: [{ME}], node_labels: {{"*": "*"}}}}
  options: {{require_session_mfa: true}}
"""
EVERYWHERE = """
kind: cluster_auth_preference
version: v2
metadata: {name: cluster-auth-preference}
spec: {require_session_mfa: true, second_factor: "on"}
"""


def careful_role() -> Resource:
    spec = {
        "allow": {"logins": ["root"], "node_labels": {"*": "*"}},
        "options": {"require_session_mfa": True},
    }
    return document("role", "careful", spec, version="v7")


async def test_the_proxy_refuses_a_dial_and_tells_how_to_come_again() -> None:
    here = World([node(PROD, "prod1", "10.0.0.3:3022"), careful_role(), role("access"), *singletons()])
    async with here.running(), here.agent(PROD) as agent:
        await agent.wait_connected()
        plain = here.cluster.user("alice", ("careful",))
        for login in ("root", ""):
            refused = await here.dial("prod1", login, user=plain)
            assert refused.connection is None
            assert refused.answer.code == "mfa_required"
            assert "MFA" in refused.answer.message
            assert here.events[-1].uid == refused.answer.event_id
        count = len(here.events)
        asked = await here.dial("prod1", user=plain, asks_mfa=True)
        assert (asked.answer.allowed, asked.answer.code) == (False, "mfa_required")
        assert len(here.events) == count, "asking whether one is needed is no refusal"
        assert asked.connection is None
        proved = here.cluster.user("alice", ("careful",), mfa_verified="device-1")
        assert (await here.dial("prod1", user=proved)).answer.allowed
        assert (await here.dial("prod1", user=here.cluster.user())).answer.allowed


async def test_the_proxy_obeys_the_cluster_s_setting_at_once() -> None:
    here = World([node(PROD, "prod1", "10.0.0.3:3022"), role("access"), *singletons()])
    async with here.running(), here.agent(PROD) as agent:
        await agent.wait_connected()
        assert (await here.dial("prod1")).answer.allowed
        setting = {"require_session_mfa": True, "second_factor": "on"}
        await here.put(document("cluster_auth_preference", "cluster-auth-preference", setting))
        assert (await here.dial("prod1")).answer.code == "mfa_required"


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        await running.apply(CAREFUL)
        yield running


async def test_the_agent_decides_for_itself(post: Site) -> None:
    plain = post.person("alice", roles=("careful",))
    refused = await run(plain.ssh("echo inside"))
    assert (refused.status, refused.out) == (255, b"")
    assert b"MFA required" in refused.err
    proved = post.person("bob", roles=("careful",), mfa_verified="device-1", ttl=timedelta(minutes=1))
    assert await run(proved.ssh("echo inside")) == INSIDE


async def test_the_agent_obeys_the_cluster_s_setting(post: Site) -> None:
    plain = post.person("alice")
    assert await run(plain.ssh("echo inside")) == INSIDE
    await post.apply(EVERYWHERE)
    refused = await run(plain.ssh("echo inside"))
    assert (refused.status, refused.out) == (255, b"")
    assert b"MFA required" in refused.err


async def test_a_certificate_of_a_session_ends_with_its_minute(post: Site) -> None:
    late = post.person("carol", roles=("careful",), mfa_verified="device-1", ttl=timedelta(minutes=1))
    post.clock.advance(timedelta(minutes=3))
    refused = await run(late.ssh("echo inside"))
    assert (refused.status, refused.out) == (255, b"")
