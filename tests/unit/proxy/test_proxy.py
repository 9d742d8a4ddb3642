"""A whole proxy: clients dial, agents answer, and what passes between them is raw."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import msgspec
import pytest
from data_plane import echo_server, eventually
from proxy_world import World, document, node, role, singletons

from teleport.foundation import metrics
from teleport.foundation.errors import NotAuthenticated, Unavailable
from teleport.model.resource import Resource
from teleport.net import frames
from teleport.net.address import Address
from teleport.net.connection_limits import ConnectionLimits
from teleport.net.handoff import HandedOff
from teleport.net.http_client import HttpClient
from teleport.net.sockets import connect
from teleport.net.tls import TlsConnection
from teleport.proxy.gateways.auth import AuthAcceptor
from teleport.proxy.service import ProxyLimits
from teleport.tunnel.messages import DialAnswer, DialRequest
from teleport.wire.proxy_protocol import encode_v1, encode_v2
from teleport.wire.tls_names import ALPN_DIAL, PROXY_SERVER_NAME, auth_alpn, auth_server_name

Result = TypeVar("Result")

WEB1 = "11111111-1111-4111-8111-111111111111"
WEB2 = "22222222-2222-4222-8222-222222222222"
SECRET = "33333333-3333-4333-8333-333333333333"
CAPITALS = {WEB1: "Web-1", WEB2: "twin", SECRET: "TWIN"}


def world() -> World:
    return World(
        [
            node(WEB1, "web1", "10.0.0.1:3022", env="dev", tier="web"),
            node(WEB2, "web2", "10.0.0.2:3022", env="dev", tier="db"),
            node(SECRET, "vault", "10.0.0.3:3022", env="prod"),
            role("access", ("root", "deploy"), env="dev"),
            *singletons(ssh_dial_timeout="5s"),
        ]
    )


async def receive(connection: HandedOff, size: int) -> bytes:
    data = connection.leftover
    async with asyncio.timeout(20):
        while len(data) < size:
            more = await asyncio.get_running_loop().sock_recv(connection.sock, size - len(data))
            if not more:
                break
            data += more
    return data


async def test_a_client_reaches_an_agent_and_bytes_flow_raw_both_ways() -> None:
    here = world()
    async with here.running() as proxy, here.agent(WEB1) as agent:
        await agent.wait_connected()
        dialed = await here.dial("web1", trace_id="trace-1")
        assert dialed.answer == DialAnswer(allowed=True, resource_id=WEB1, resource_name="web1", cluster="example")
        assert dialed.connection is not None
        async with asyncio.timeout(20):
            incoming = await anext(agent)
        assert incoming.request.user == "alice"
        assert incoming.request.resource_id == WEB1
        assert incoming.request.login_hint == "root"
        assert incoming.request.trace_id == "trace-1"
        assert incoming.request.client_addr.startswith("127.0.0.1:")
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(dialed.connection.sock, b"SSH-2.0-client\r\n")
        assert await receive(incoming.connection, 16) == b"SSH-2.0-client\r\n"
        await loop.sock_sendall(incoming.connection.sock, b"SSH-2.0-agent\r\n")
        assert await receive(dialed.connection, 15) == b"SSH-2.0-agent\r\n"
        dialed.connection.sock.shutdown(socket.SHUT_WR)
        assert await receive(incoming.connection, 1) == b""
        await loop.sock_sendall(incoming.connection.sock, b"goodbye")
        incoming.connection.close()
        assert await receive(dialed.connection, 100) == b"goodbye"
        await eventually(lambda: len(proxy.relay) == 0 and proxy.relay.bytes_moved == 38, "the relay is done")
        assert b"proxy_ssh_sessions_total 0.0" in metrics.exposition()
        assert b"teleport_reverse_tunnels_connected 1.0" in metrics.exposition()
        event = here.events[-1]
        assert (event.type, event.code) == ("session.connect", "T2010I")
        assert getattr(event, "server_addr", "") == "10.0.0.1:3022"


async def test_bytes_right_behind_the_clients_close_reach_the_agent_first() -> None:
    """The client does not wait: close_notify and its first raw bytes leave in one segment."""
    here = world()
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        sock = await connect(here.address)
        context = here.cluster.client_context(here.cluster.user(), ALPN_DIAL)
        incoming_bytes, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming_bytes, outgoing, server_hostname=PROXY_SERVER_NAME)
        loop = asyncio.get_running_loop()

        async def step(operation: Callable[[], Result]) -> Result:
            while True:
                try:
                    return operation()
                except ssl.SSLWantReadError:
                    await loop.sock_sendall(sock, outgoing.read())
                    incoming_bytes.write(await loop.sock_recv(sock, 65536))

        await step(tls.do_handshake)
        tls.write(frames.encode(DialRequest(target="web1", login="root")))
        answer = await step(lambda: tls.read(65536))
        assert msgspec.json.decode(answer[4:], type=DialAnswer).allowed
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        await loop.sock_sendall(sock, outgoing.read() + b"first raw bytes")
        incoming = await asyncio.wait_for(anext(agent), 20)
        assert await receive(incoming.connection, 15) == b"first raw bytes"


@pytest.mark.parametrize("target", [WEB1, "web1", "10.0.0.1"])
async def test_a_node_is_found_by_uuid_name_and_address(target: str) -> None:
    here = world()
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        assert (await here.dial(target)).answer.resource_id == WEB1


async def test_a_node_is_found_by_labels_when_they_are_unique() -> None:
    here = world()
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        assert (await here.dial("", labels={"tier": "web"})).answer.resource_id == WEB1
        ambiguous = (await here.dial("", labels={"env": "dev"})).answer
        assert ambiguous.code == "bad_parameter"
        assert {candidate.name for candidate in ambiguous.candidates} == {WEB1, WEB2}


async def test_what_may_not_be_seen_looks_like_what_is_not_there() -> None:
    here = world()
    async with here.running(), here.agent(SECRET) as agent:
        await agent.wait_connected()
        hidden = (await here.dial("vault")).answer
        absent = (await here.dial("absnt")).answer
        assert not hidden.allowed
        assert (hidden.code, hidden.candidates) == (absent.code, absent.candidates)
        assert hidden.message.replace("vault", "absnt") == absent.message
        by_label = (await here.dial("", labels={"env": "prod"})).answer
        assert not by_label.allowed
        assert not by_label.candidates


async def test_a_hidden_twin_does_not_make_a_name_ambiguous() -> None:
    here = world()
    here.resources += (node("44444444-4444-4444-8444-444444444444", "web1", env="prod"),)
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        assert (await here.dial("web1")).answer.allowed


async def test_of_several_the_most_recent_is_taken_where_the_cluster_says_so() -> None:
    here = World(
        [
            document("node", WEB1, {"hostname": "twin"}, expires="2030-01-01T00:00:00Z"),
            document("node", WEB2, {"hostname": "twin"}, expires="2030-01-01T00:00:05Z"),
            role("access"),
            *singletons(routing_strategy="most_recent"),
        ]
    )
    async with here.running(), here.agent(WEB2) as agent:
        await agent.wait_connected()
        assert (await here.dial("twin")).answer.resource_id == WEB2


@pytest.mark.parametrize("setting", [False, True])
async def test_small_letters_find_capital_ones_where_the_cluster_says_so(setting: bool) -> None:
    named = [document("node", uuid, {"hostname": name, "use_tunnel": True}) for uuid, name in CAPITALS.items()]
    here = World([*named, role("access"), *singletons(case_insensitive_routing=setting)])
    found = {}
    async with here.running(), here.agent(WEB1) as first, here.agent(WEB2) as second, here.agent(SECRET) as third:
        for agent in (first, second, third):
            await agent.wait_connected()
        for target in ("Web-1", "web-1", "WEB-1", "twin", "TWIN", "tWin"):
            found[target] = (await here.dial(target)).answer.resource_id
    assert found == {
        "Web-1": WEB1,
        "web-1": WEB1 if setting else "",
        "WEB-1": "",
        "twin": WEB2,
        "TWIN": SECRET,
        "tWin": SECRET if setting else "",
    }


async def test_a_server_without_a_tunnel_has_as_long_as_the_cluster_says() -> None:
    with contextlib.ExitStack() as sockets:
        silent = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):  # what waits to be accepted leaves no room for another
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        here = World([node(WEB1, "web1", address), role("access"), *singletons(ssh_dial_timeout="300ms")])
        async with here.running():
            answer = (await here.dial("web1")).answer
    assert answer.code == "unavailable"
    assert f"{address}: no connection within 0.3 s" in answer.message


async def test_a_login_that_no_role_allows_is_refused_with_its_reason_and_an_event() -> None:
    here = world()
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        answer = (await here.dial("web1", login="oracle")).answer
        assert answer.code == "access_denied"
        assert '"access"' in answer.message
        assert "oracle" in answer.message
        event = here.events[-1]
        assert (event.code, event.uid, event.success) == ("T3007W", answer.event_id, False)


async def test_an_agent_that_is_not_connected_is_told_to_who_may_reach_it() -> None:
    here = world()
    async with here.running():
        answer = (await here.dial("web1")).answer
        assert answer.code == "unavailable"
        assert answer.event_id


async def test_a_lock_refuses_at_once_and_says_so() -> None:
    here = world()
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        assert (await here.dial("web1")).answer.allowed
        await here.put(document("lock", "l1", {"target": {"user": "alice"}, "message": "left the company"}))
        answer = (await here.dial("web1")).answer
        assert answer.code == "access_denied"
        assert "left the company" in answer.message
        assert answer.event_id


async def test_a_changed_role_decides_the_next_dial() -> None:
    here = world()
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        assert (await here.dial("web1")).answer.allowed
        await here.put(role("access", ("root",), env="prod"))
        assert not (await here.dial("web1")).answer.allowed


@pytest.mark.parametrize("who", ["nobody", "a host", "an expired user", "a stranger"])
async def test_only_users_of_this_cluster_dial(who: str) -> None:
    here = world()
    past = here.cluster.now - timedelta(hours=1)
    pairs = {
        "nobody": ("", ""),
        "a host": here.cluster.host(WEB2),
        "an expired user": here.cluster.user(issued=past - timedelta(hours=1), expires=past),
        "a stranger": World([]).cluster.user(),
    }
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        try:
            dialed = await here.dial("web1", user=pairs[who])
        except (NotAuthenticated, Unavailable):
            return  # TLS itself refused the certificate
        assert not dialed.answer.allowed
        assert dialed.connection is None


async def test_a_client_that_leaves_while_it_is_dialled_for_leaks_nothing() -> None:
    here = world()
    async with here.running() as proxy, here.agent(WEB1, spares=0) as agent:
        await agent.wait_connected()
        await eventually(lambda: proxy.registry.is_connected(WEB1), "agent")
        for _ in range(5):
            sock = await connect(here.address)
            context = here.cluster.client_context(here.cluster.user(), ALPN_DIAL)
            tls = await TlsConnection.connect(sock, context, PROXY_SERVER_NAME)
            await tls.write(frames.encode(DialRequest(target="web1", login="root")))
            tls.abort()
            incoming = await asyncio.wait_for(anext(agent), 20)
            assert await receive(incoming.connection, 1) == b"", "the agent learns that nobody is there"
            incoming.connection.close()
        await eventually(lambda: proxy.counter.open == 1, "only the control connection is left")
        assert len(proxy.relay) == 0


async def test_the_agent_restarts_and_is_reached_again() -> None:
    here = world()
    async with here.running():
        for _ in range(3):
            async with here.agent(WEB1) as agent:
                await agent.wait_connected()
                dialed = await here.dial("web1")
                assert dialed.connection is not None
                incoming = await asyncio.wait_for(anext(agent), 20)
                incoming.connection.sock.send(b"up")
                assert await receive(dialed.connection, 2) == b"up"


async def test_the_proxy_is_gone_and_comes_back() -> None:
    here = world()
    async with here.running() as first:
        port = first.bound[0].port
        agent = here.agent(WEB1)
        await agent.__aenter__()
        await agent.wait_connected()
    try:
        await eventually(lambda: not agent.connected, "the agent noticed")
        with pytest.raises(Unavailable):
            await here.dial("web1")
        async with here.running(addresses=[Address("127.0.0.1", port)]):
            await agent.wait_connected()
            assert (await here.dial("web1")).answer.allowed
    finally:
        await agent.__aexit__(None, None, None)


async def test_joined_connections_outlive_the_order_to_stop_and_end_with_the_drain() -> None:
    here = world()
    async with here.running() as proxy, here.agent(WEB1) as agent:
        await agent.wait_connected()
        dialed = await here.dial("web1")
        assert dialed.connection is not None
        incoming = await asyncio.wait_for(anext(agent), 20)
        stopping = asyncio.get_running_loop().create_task(proxy.registry.drain())
        await stopping
        incoming.connection.sock.send(b"still here")
        assert await receive(dialed.connection, 10) == b"still here"


async def test_the_web_answers_over_tls() -> None:
    here = world()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    async with here.running():
        client = HttpClient(here.address, tls=tls)
        answer = await client.request("GET", "/web", {})
        assert answer.body == b"hello 127.0.0.1 /web"
        await client.close()


async def test_plain_http_is_told_to_use_https() -> None:
    here = world()
    async with here.running():
        answer = await HttpClient(here.address).request("GET", "/", {})
        assert answer.status == 400
        assert b"https://" in answer.body


async def test_auth_is_reached_blindly_by_alpn_and_by_name() -> None:
    here = world()
    async with echo_server() as auth, here.running(auth=lambda: [auth]) as proxy:
        for name, alpn in (
            ("", auth_alpn("example")),
            (auth_server_name("example"), "http/1.1"),
        ):
            sock = await connect(here.address)
            hello = client_hello(name, alpn)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sock, hello)
            assert await receive(HandedOff(sock), len(hello)) == hello, "auth sees the very bytes"
            sock.close()
        await eventually(lambda: len(proxy.relay) == 0, "joined connections ended")


async def test_auth_in_the_same_process_is_given_the_socket() -> None:
    given: list[tuple[HandedOff, Address]] = []

    def accept(connection: HandedOff, client: Address, release: object) -> None:
        given.append((connection, client))

    here = world()
    async with here.running(auth=AuthAcceptor(accept)):
        sock = await connect(here.address)
        hello = client_hello("", auth_alpn("example"))
        await asyncio.get_running_loop().sock_sendall(sock, hello)
        await eventually(lambda: bool(given), "accepted")
        assert given[0][1].port == sock.getsockname()[1]
        assert await receive(given[0][0], len(hello)) == hello


async def test_auth_away_ends_the_connection_with_an_alert() -> None:
    here = world()
    async with here.running(auth=list):
        sock = await connect(here.address)
        await asyncio.get_running_loop().sock_sendall(sock, client_hello("", auth_alpn("example")))
        assert await receive(HandedOff(sock), 7) == bytes.fromhex("15 0303 0002 02 50")  # fatal, internal_error
        assert await receive_or_reset(sock) == b""


@pytest.mark.parametrize("encode", [encode_v1, encode_v2])
async def test_the_client_behind_a_balancer_is_known(encode: object) -> None:
    assert callable(encode)
    here = world()
    async with here.running(proxy_protocol="on"):
        sock = await connect(here.address)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, encode(("203.0.113.9", 1234), ("198.51.100.1", 443)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        tls = await TlsConnection.connect(sock, context, "localhost")
        await tls.write(b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        answer = b""
        while piece := await tls.read():
            answer += piece
        assert b"hello 203.0.113.9 /x" in answer


@pytest.mark.parametrize(("setting", "code"), [("on", "unavailable"), ("unset", "access_denied")])
async def test_a_pinned_certificate_needs_an_address_that_is_sure(setting: str, code: str) -> None:
    """Where it is sure the dial goes on to the agent, of which there is none."""
    here = world()
    pinned = here.cluster.user(pinned_ip="203.0.113.9", login_ip="203.0.113.9")
    async with here.running(proxy_protocol=setting):
        sock = await connect(here.address)
        await asyncio.get_running_loop().sock_sendall(sock, encode_v1(("203.0.113.9", 1), ("198.51.100.1", 443)))
        tls = await TlsConnection.connect(sock, here.cluster.client_context(pinned, ALPN_DIAL), PROXY_SERVER_NAME)
        await tls.write(frames.encode(DialRequest(target="web1", login="root")))
        length = frames.body_length(await tls.read_exactly(4))
        answer = msgspec.json.decode(await tls.read_exactly(length), type=DialAnswer)
        assert answer.code == code, answer.message
        tls.abort()


async def test_clients_behind_a_balancer_have_limits_of_their_own() -> None:
    here = world()
    few = ProxyLimits(connections=ConnectionLimits(unproven_per_ip=2), drain=0.5)
    async with here.running(proxy_protocol="on", limits=few) as proxy:
        socks = []
        for number in range(6):
            sock = await connect(here.address)
            header = encode_v1((f"203.0.113.{number // 2}", 1), ("198.51.100.1", 443))
            await asyncio.get_running_loop().sock_sendall(sock, header)
            socks.append(sock)
            await eventually(lambda count=number + 1: proxy.counter.unproven == count, "it is counted")  # type: ignore[misc]
        assert proxy.counter.refused == 0
        sock = await connect(here.address)
        await asyncio.get_running_loop().sock_sendall(sock, encode_v1(("203.0.113.0", 1), ("198.51.100.1", 443)))
        assert await receive_or_reset(sock) == b""
        assert proxy.counter.refused == 1
        for sock in socks:
            sock.close()


@pytest.mark.parametrize(
    ("setting", "header"), [("on", False), ("off", True)], ids=["missing where required", "present where forbidden"]
)
async def test_a_header_where_it_does_not_belong_ends_the_connection(setting: str, header: bool) -> None:
    here = world()
    async with here.running(proxy_protocol=setting):
        sock = await connect(here.address)
        start = encode_v1(("203.0.113.9", 1234), ("198.51.100.1", 443)) if header else b""
        await asyncio.get_running_loop().sock_sendall(sock, start + b"GET / HTTP/1.1\r\n\r\n")
        assert await receive_or_reset(sock) == b""


@pytest.mark.parametrize("start", [b"SSH-2.0-x\r\n", bytes.fromhex("0000000804d2162f"), b"\x00\x01\x02\x03" * 9])
async def test_what_is_not_served_is_closed(start: bytes) -> None:
    here = world()
    async with here.running() as proxy:
        sock = await connect(here.address)
        await asyncio.get_running_loop().sock_sendall(sock, start)
        assert await receive_or_reset(sock) == b""
        await eventually(lambda: proxy.counter.open == 0, "its place is free")


async def receive_or_reset(sock: socket.socket) -> bytes:
    try:
        return await receive(HandedOff(sock), 1)
    except ConnectionError:
        return b""


def client_hello(server_name: str, alpn: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_alpn_protocols([alpn])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name or None)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


SESSION = "0b7b4d9d-1111-4222-8333-944455556666"


def running_session(owner_roles: list[str], host: str = WEB1) -> Resource:
    spec = {"session_id": SESSION, "kind": "ssh", "host_user": "olga", "host_roles": owner_roles, "host_id": host}
    return document("session_tracker", SESSION, {**spec, "state": "running"}, "v1")


def joiner(*owner_roles: str) -> Resource:
    policy = {"name": "p", "roles": list(owner_roles), "kinds": ["ssh"], "modes": ["observer"]}
    return document("role", "access", {"allow": {"join_sessions": [policy]}}, "v7")


async def test_a_session_leads_to_its_host_whoever_may_join_it_and_nobody_else() -> None:
    resources = [node(WEB1, "web1", env="prod"), joiner("dev*"), running_session(["developer"]), *singletons()]
    here = World(resources)
    async with here.running(), here.agent(WEB1) as agent:
        await agent.wait_connected()
        dialed = await here.dial(SESSION, "-teleport-internal-join", kind="session")
        assert dialed.answer == DialAnswer(allowed=True, resource_id=WEB1, resource_name="web1", cluster="example")
        assert (await anext(agent)).request.kind == "node"
        assert not (await here.dial("web1")).answer.allowed
        absent = (await here.dial(WEB2, kind="session")).answer
        await here.put(joiner("others"))
        refused = (await here.dial(SESSION, kind="session")).answer
        assert (refused.allowed, refused.code, refused.message) == (False, absent.code, absent.message)


async def test_a_lock_keeps_from_joining() -> None:
    resources = [node(WEB1, "web1"), joiner("dev"), running_session(["dev"]), *singletons()]
    here = World(resources)
    async with here.running(), here.agent(WEB1):
        await here.put(document("lock", "l", {"target": {"user": "alice"}}))
        answer = (await here.dial(SESSION, kind="session")).answer
        assert not answer.allowed
        assert "lock" in answer.message
