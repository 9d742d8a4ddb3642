"""Dialling against a small proxy with real TLS: what is asked, what is answered, and the raw connection behind it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import msgspec
import pytest
from client_side import NODE_ID, ClientCluster, allow, echo, small_proxy

from teleport.client import account, dialer
from teleport.client.account import Account, Choice
from teleport.client.dialer import Ambiguous, Wanted, dial
from teleport.foundation.errors import AccessDenied, NotAuthenticated, NotFound, TeleportError, Unavailable
from teleport.net import frames
from teleport.tunnel.messages import Candidate, DialAnswer, DialRequest


def logged_in(cluster: ClientCluster, home: Path, port: int) -> Account:
    cluster.log_in(home, port)
    return account.find(Choice())


def test_the_same_connection_goes_on_raw(known_cluster: ClientCluster, home: Path) -> None:
    with small_proxy(known_cluster) as proxy:
        reached = dial(logged_in(known_cluster, home, proxy.port), Wanted("web-1", "root", cluster="alpha.example"))
        with reached.sock:
            reached.sock.sendall(b"not encrypted any more")
            assert reached.sock.recv(100) == b"not encrypted any more"
        assert (reached.resource_id, reached.resource_name) == (NODE_ID, "web-1")
        assert reached.principal == f"{NODE_ID}.alpha.example"
        assert proxy.requests == [DialRequest(target="web-1", login="root", cluster="alpha.example", asks_mfa=True)]


def test_what_comes_right_behind_the_answer_stays_in_the_socket(known_cluster: ClientCluster, home: Path) -> None:
    def greet(sock: socket.socket) -> None:
        sock.sendall(b"SSH-2.0-early\r\n")
        echo(sock)

    with small_proxy(known_cluster, serve=greet) as proxy:
        who = logged_in(known_cluster, home, proxy.port)
        for _ in range(20):
            with dial(who, Wanted("web-1")).sock as sock:
                assert sock.recv(100) == b"SSH-2.0-early\r\n"


def test_requests_and_answers_are_those_of_the_tunnel() -> None:
    wanted = Wanted("n", "l", 22, (("env", "prod"),), "c", trace_id="t")
    body = dialer.encode_request(wanted)
    decoder = frames.FrameDecoder(msgspec.json.Decoder(DialRequest))
    labels = {"env": "prod"}
    expected = DialRequest(target="n", login="l", port=22, labels=labels, cluster="c", trace_id="t", asks_mfa=True)
    assert decoder.feed(body) == [expected]
    answer = frames.encode(DialAnswer(allowed=True, resource_id="i", resource_name="n", cluster="c"))[4:]
    assert dialer.decode_answer(answer) == ("i", "n", "c", False)


@pytest.mark.parametrize(("code", "kind"), [("access_denied", AccessDenied), ("not_found", NotFound)])
def test_a_refusal_keeps_its_reason_and_event(
    code: str, kind: type[TeleportError], known_cluster: ClientCluster, home: Path
) -> None:
    def refuse(request: DialRequest) -> DialAnswer:
        return DialAnswer(allowed=False, code=code, message="role x does not allow it", event_id="e-1")

    with small_proxy(known_cluster, refuse) as proxy, pytest.raises(kind) as refusal:
        dial(logged_in(known_cluster, home, proxy.port), Wanted("web-1"))
    assert (refusal.value.message, refusal.value.event_id) == ("role x does not allow it", "e-1")


def test_an_ambiguous_name_brings_its_candidates(known_cluster: ClientCluster, home: Path) -> None:
    def refuse(request: DialRequest) -> DialAnswer:
        candidates = [Candidate(name=name, hostname="web", labels={"n": name}) for name in ("a", "b")]
        return DialAnswer(allowed=False, code="bad_parameter", message="two fit", candidates=candidates)

    with small_proxy(known_cluster, refuse) as proxy, pytest.raises(Ambiguous) as refusal:
        dial(logged_in(known_cluster, home, proxy.port), Wanted("web"))
    assert [(each.name, each.labels) for each in refusal.value.candidates] == [("a", {"n": "a"}), ("b", {"n": "b"})]


def test_a_proxy_of_another_authority_is_not_believed(known_cluster: ClientCluster, home: Path) -> None:
    impostor = ClientCluster(known_cluster.name)
    with small_proxy(impostor) as proxy, pytest.raises(NotAuthenticated, match="does not prove"):
        dial(logged_in(known_cluster, home, proxy.port), Wanted("web-1"))


def test_a_certificate_the_proxy_does_not_know(known_cluster: ClientCluster, home: Path) -> None:
    """TLS 1.3 tells it after the handshake only."""
    stranger = ClientCluster(known_cluster.name)
    stranger.host_ca = known_cluster.host_ca
    with small_proxy(known_cluster) as proxy, pytest.raises((NotAuthenticated, Unavailable)):
        dial(logged_in(stranger, home, proxy.port), Wanted("web-1"))


def test_nobody_listens(known_cluster: ClientCluster, home: Path) -> None:
    with socket.create_server(("localhost", 0)) as server:
        port = int(server.getsockname()[1])
    with pytest.raises(Unavailable, match=f"localhost:{port}"):
        dial(logged_in(known_cluster, home, port), Wanted("web-1"))


@pytest.mark.parametrize("answer", [b"", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x04null"])
def test_answers_that_are_none(answer: bytes, known_cluster: ClientCluster, home: Path) -> None:
    context = known_cluster.proxy_context()
    with socket.create_server(("localhost", 0)) as server:

        def serve() -> None:
            sock, _ = server.accept()
            with sock, context.wrap_socket(sock, server_side=True) as tls:
                tls.recv(65536)
                tls.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Unavailable):
            dial(logged_in(known_cluster, home, int(server.getsockname()[1])), Wanted("web-1"))
        thread.join()


def test_a_proxy_that_goes_on_before_we_have_left_is_refused(known_cluster: ClientCluster, home: Path) -> None:
    """Bytes in clear text behind the answer would be taken for the server's."""
    context = known_cluster.proxy_context()
    with socket.create_server(("localhost", 0)) as server:

        def serve() -> None:
            sock, _ = server.accept()
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_side=True)
            for step in (tls.do_handshake, lambda: tls.read(65536)):
                while True:
                    try:
                        step()
                        break
                    except ssl.SSLWantReadError:
                        sock.sendall(outgoing.read())
                        incoming.write(sock.recv(65536))
            tls.write(frames.encode(allow(DialRequest())))
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.unwrap()
            sock.sendall(outgoing.read() + b"SSH-2.0-injected\r\n")
            sock.recv(65536)
            sock.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Unavailable, match="too early"):
            dial(logged_in(known_cluster, home, int(server.getsockname()[1])), Wanted("web-1"))
        thread.join()


def test_through_the_http_proxy_of_the_environment(
    known_cluster: ClientCluster, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from teleport.client.connect import _authorization, http_proxy_for

    environment = {"HTTPS_PROXY": "http://user:pass@cache.example:8080", "NO_PROXY": "internal.example, .corp"}
    assert http_proxy_for("p.example", environment) == ("cache.example", 8080, "user:pass")
    named = {"HTTPS_PROXY": "http://me:p%40ss@cache.example"}
    assert http_proxy_for("p.example", named) == ("cache.example", 3128, "me:p%40ss")
    assert _authorization("me:p%40ss") == "Proxy-Authorization: Basic bWU6cEBzcw==\r\n"
    assert http_proxy_for("a.internal.example", environment) is None
    assert http_proxy_for("x.corp", environment) is None
    assert http_proxy_for("localhost", environment) is None
    assert http_proxy_for("p.example", {}) is None
