"""Rule 15: no connection through the proxy to a server that the person's roles do not allow, however it is named."""

from __future__ import annotations

import pytest
from data_plane import eventually
from proxy_world import World, node, role, singletons

from teleport.tunnel.messages import DialRequest

DEV = "11111111-1111-4111-8111-111111111111"
PROD = "33333333-3333-4333-8333-333333333333"


def world() -> World:
    return World(
        [
            node(DEV, "dev1", "10.0.0.1:3022", env="dev"),
            node(PROD, "prod1", "10.0.0.3:3022", env="prod"),
            role("access", ("root",), env="dev"),
            *singletons(),
        ]
    )


@pytest.mark.parametrize(
    "wanted",
    [
        DialRequest(target=PROD, login="root"),
        DialRequest(target="prod1", login="root"),
        DialRequest(target="PROD1", login="root"),
        DialRequest(target="10.0.0.3", login="root"),
        DialRequest(target="10.0.0.3", port=3022, login="root"),
        DialRequest(labels={"env": "prod"}, login="root"),
        DialRequest(target=PROD),  # no login: the agent would decide it, the server is decided here
        DialRequest(target="", login="root"),
        DialRequest(target=DEV, login="nobody-allows-this"),
        DialRequest(target=PROD, login="root", kind="db"),
        DialRequest(target=PROD, login="root", cluster="another"),
    ],
    ids=str,
)
async def test_is_refused_and_the_agent_hears_nothing(wanted: DialRequest) -> None:
    here = world()
    async with here.running() as proxy, here.agent(PROD) as prod, here.agent(DEV) as dev:
        await prod.wait_connected()
        await dev.wait_connected()
        await eventually(lambda: sum(agent.spares for agent in proxy.registry.agents()) == 4, "spares")
        dialed = await here.dial(
            wanted.target, wanted.login, labels=wanted.labels, kind=wanted.kind, cluster=wanted.cluster
        )
        assert not dialed.answer.allowed
        assert dialed.connection is None
        assert dialed.answer.event_id
        assert sum(agent.spares for agent in proxy.registry.agents()) == 4
        assert prod._incoming.empty()
        assert dev._incoming.empty()


async def test_what_is_allowed_is_reached() -> None:
    here = world()
    async with here.running(), here.agent(DEV) as dev:
        await dev.wait_connected()
        assert (await here.dial("dev1")).answer.allowed
        assert (await here.dial("dev1", login="")).answer.allowed
