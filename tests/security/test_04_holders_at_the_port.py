"""Rule 4: a user's certificate opens no tunnel, a host's dials nothing; no authority speaks for the other."""

from __future__ import annotations

import asyncio

import pytest
from proxy_world import World, node, role, singletons

from teleport.credentials.authorities import TrustedAuthority
from teleport.foundation.errors import NotAuthenticated, Unavailable

WEB1 = "11111111-1111-4111-8111-111111111111"


def world() -> World:
    return World([node(WEB1, "web1"), role("access"), *singletons()])


async def test_a_host_does_not_dial() -> None:
    here = world()
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        answer = (await here.dial("web1", user=here.cluster.host("another-host"))).answer
        assert not answer.allowed
        assert answer.message == "hosts do not dial resources"


@pytest.mark.parametrize("claimed", [WEB1, ""], ids=["as a host", "as no host"])
async def test_a_user_opens_no_tunnel(claimed: str) -> None:
    here = world()
    async with here.running() as proxy:
        identity = here.cluster.tunnel_identity(claimed, pair=here.cluster.user(WEB1))
        async with here.agent_as(identity) as agent:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(agent.wait_connected(), 0.7)
        assert not proxy.registry.agents()


async def test_the_host_authority_signs_no_users() -> None:
    """A host certificate with the roles of a person in it, and the authorities' kinds exchanged."""
    here = world()
    exchanged = tuple(
        TrustedAuthority(
            kind="host" if authority.kind == "user" else "user",
            cluster=authority.cluster,
            tls_certificates=authority.tls_certificates,
        )
        for authority in here.cluster.authorities()
    )
    async with here.running(authorities=lambda: exchanged):
        for pair in (here.cluster.user(), here.cluster.host(WEB1)):
            try:
                dialed = await here.dial("web1", user=pair)
            except (NotAuthenticated, Unavailable):
                continue
            assert not dialed.answer.allowed
