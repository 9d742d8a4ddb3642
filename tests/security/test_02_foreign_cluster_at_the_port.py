"""Rule 2: an authority of another cluster that names ours opens no door; a cluster must be that of its CA."""

from __future__ import annotations

import asyncio

import pytest
from authorities import Authority
from data_plane import Cluster
from proxy_world import World, node, role, singletons

from teleport.credentials import x509
from teleport.credentials.authorities import TrustedAuthority
from teleport.foundation.errors import NotAuthenticated, Unavailable

WEB1 = "11111111-1111-4111-8111-111111111111"


def world() -> World:
    return World([node(WEB1, "web1"), role("access"), *singletons()])


async def dial_is_refused(here: World, pair: tuple[str, str]) -> bool:
    try:
        dialed = await here.dial("web1", user=pair)
    except (NotAuthenticated, Unavailable):
        return True
    return not dialed.answer.allowed


async def test_a_user_of_a_cluster_with_our_name_and_its_own_authority() -> None:
    here, impostor = world(), Cluster("example")
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        assert (await here.dial("web1")).answer.allowed
        assert await dial_is_refused(here, impostor.user())


async def test_a_user_of_a_trusted_cluster_is_no_user_of_ours() -> None:
    """Its authority is trusted by TLS and by name; what it signs belongs to the other cluster."""
    here, leaf = world(), Cluster("leaf")
    trusted = (*here.cluster.authorities(), leaf.user_ca.trusted)
    here.cluster.extra_client_cas = (leaf.user_ca.tls.certificate,)
    async with here.running(authorities=lambda: trusted), here.agent(WEB1) as agent:
        await agent.wait_connected()
        assert (await here.dial("web1")).answer.allowed
        assert await dial_is_refused(here, leaf.user())


async def test_a_trusted_cluster_cannot_sign_for_ours() -> None:
    here, leaf = world(), Cluster("leaf")
    forged = Cluster("example")  # names ours in every certificate
    forged.user_ca = Authority("user", "example", here.cluster.now)
    claimed = TrustedAuthority(kind="user", cluster="leaf", tls_certificates=(forged.user_ca.tls.certificate,))
    trusted = (*here.cluster.authorities(), claimed, leaf.host_ca.trusted)
    here.cluster.extra_client_cas = (forged.user_ca.tls.certificate,)
    async with here.running(authorities=lambda: trusted), here.agent(WEB1) as agent:
        await agent.wait_connected()
        assert await dial_is_refused(here, forged.user())


async def test_an_agent_of_a_trusted_cluster_opens_no_tunnel_here() -> None:
    here, leaf = world(), Cluster("leaf")
    trusted = (*here.cluster.authorities(), leaf.host_ca.trusted)
    here.cluster.extra_client_cas = (leaf.host_ca.tls.certificate,)
    async with here.running(authorities=lambda: trusted) as proxy:
        identity = here.cluster.tunnel_identity(WEB1, pair=leaf.host(WEB1))
        async with here.agent_as(identity) as agent:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(agent.wait_connected(), 1)
        assert not proxy.registry.agents()


def test_the_certificates_are_what_they_claim() -> None:
    """The tests above would pass with broken certificates too."""
    leaf = Cluster("leaf")
    assert x509.read_identity(leaf.user()[0], "user").cluster == "leaf"
