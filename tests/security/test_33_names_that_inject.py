"""Rule 33: names a client chooses stay names: in lookups, in what the agent is told, in events, answers and logs."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from proxy_world import World, node, role, singletons

from teleport.net import frames
from teleport.tunnel.messages import DialRequest

WEB1 = "11111111-1111-4111-8111-111111111111"
NASTY = ["web1\nX: y", "web1\x00", "web1 ", "../web1", "%h", "$(id)", "'; drop", "web1?user=root", "\u202eweb1", "*"]


def world() -> World:
    return World([node(WEB1, "web1"), role("access", ("root",)), *singletons()])


@pytest.mark.parametrize("name", NASTY)
async def test_as_a_target_they_match_nothing(name: str) -> None:
    here = world()
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        dialed = await here.dial(name)
        assert not dialed.answer.allowed
        assert "\n" not in dialed.answer.message
        assert "\x00" not in dialed.answer.message


@pytest.mark.parametrize("field", ["login", "trace_id", "protocol"])
async def test_elsewhere_they_are_bounded(field: str) -> None:
    here = World([node(WEB1, "web1"), role("access", ("root",)), *singletons()])
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        wanted = {"login": "root", field: "x" * 5000 if field != "login" else "root"}
        dialed = await here.dial("web1", wanted.pop("login"), **wanted)
        assert dialed.answer.allowed
        incoming = await asyncio.wait_for(anext(agent), 20)
        assert len(frames.encode(incoming.request)) < 4000


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives_the_frame(target: str, login: str) -> None:
    request = DialRequest(target=target, login=login)
    try:
        data = frames.encode(request)
    except (UnicodeEncodeError, ValueError):
        return  # half of a surrogate pair is no text
    assert frames.FrameDecoder(msgspec.json.Decoder(DialRequest)).feed(data) == [request]
