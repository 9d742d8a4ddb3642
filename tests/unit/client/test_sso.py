"""The door where a browser brings the answer of a login: it hears its own cluster and nobody else."""

from __future__ import annotations

import base64
import contextlib
import queue
import socket
import threading
import urllib.error
import urllib.request
from http.server import HTTPServer
from typing import cast

import msgspec
import pytest

from teleport.api.route import Request, Response, Route
from teleport.api.routes import sso as routes
from teleport.api.routes.login import LoginGranted
from teleport.client import sso
from teleport.client.sso import Way
from teleport.credentials.sealing import Box
from teleport.foundation.errors import BadParameter, NotAuthenticated, Unavailable

ASKED = routes.StartLogin(connector_id="company", callback="", seal_key=b"", ssh_pub_key=b"key")
LINK = "https://id.example.com/authorize"


def sealed(key: bytes, answer: routes.SealedAnswer, purpose: str = routes.SEAL_PURPOSE) -> str:
    return base64.urlsafe_b64encode(Box(key).seal(msgspec.json.encode(answer), purpose)).decode()


def visit(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


class Proxy:
    """Answers the two calls of a login; a browser brings `answer` meanwhile, after what strangers bring."""

    def __init__(self, answer: routes.SealedAnswer | None, link: str = LINK) -> None:
        self.answer = answer
        self.link = link
        self.statuses: list[int] = []
        self.tickets: list[str] = []

    def call(self, route: Route[Request, Response], request: Request) -> Response:
        if isinstance(request, routes.StartLogin):
            if self.answer is not None:
                threading.Thread(target=self._browse, args=(request, self.answer), daemon=True).start()
            return cast("Response", routes.LoginStarted(self.link))
        assert isinstance(request, routes.FinishLogin)
        self.tickets.append(request.ticket)
        return cast("Response", LoginGranted(username="alice"))

    def _browse(self, asked: routes.StartLogin, answer: routes.SealedAnswer) -> None:
        base = asked.callback.rpartition("/")[0].rpartition("/")[0]
        stranger = routes.SealedAnswer(ticket="forged")
        good = sealed(asked.seal_key, answer)
        for address in (
            asked.callback,
            f"{asked.callback}?answer=",
            f"{asked.callback}?answer=%ff",
            f"{asked.callback}?answer={sealed(b'x' * 32, stranger)}",
            f"{asked.callback}?answer={sealed(asked.seal_key, stranger, 'another purpose')}",
            f"{base}/callback?answer={good}",
            f"{asked.callback}?answer={good}",
        ):
            self.statuses.append(visit(address))


class Asking(queue.Queue[routes.SealedAnswer]):
    """What the door hands over, and what its visitor had been sent by then."""

    def __init__(self, visitor: socket.socket) -> None:
        super().__init__()
        self.visitor = visitor
        self.page = b""

    def put(self, item: routes.SealedAnswer, block: bool = True, timeout: float | None = None) -> None:
        self.visitor.settimeout(5)
        with contextlib.suppress(TimeoutError):
            self.page = self.visitor.recv(4096)
        super().put(item, block, timeout)


def test_the_browser_has_its_page_before_the_answer_lets_the_process_end() -> None:
    key = b"k" * 32
    visitor, door = socket.socketpair()
    with visitor, door:
        answers = Asking(visitor)
        good = sealed(key, routes.SealedAnswer(error="refused"))
        visitor.sendall(f"GET /path/callback?answer={good} HTTP/1.0\r\n\r\n".encode())
        sso._handler("/path/callback", Box(key), answers)(door, ("127.0.0.1", 1), cast("HTTPServer", None))
        assert answers.get_nowait().error == "refused"
    assert b"The login did not succeed" in answers.page


def test_a_ticket_becomes_certificates_and_what_strangers_bring_is_not_heard(
    capsys: pytest.CaptureFixture[str],
) -> None:
    proxy = Proxy(routes.SealedAnswer(ticket="ticket"))
    assert sso.log_in(proxy, ASKED, Way("none")).username == "alice"
    assert proxy.tickets == ["ticket"]
    assert proxy.statuses[:6] == [404] * 6
    shown = capsys.readouterr().err
    assert LINK in shown
    assert "ticket" not in shown


def test_a_refusal_is_told_with_its_event() -> None:
    proxy = Proxy(routes.SealedAnswer(error="single sign-on failed", event_id="event-1"))
    with pytest.raises(NotAuthenticated, match="single sign-on failed") as refused:
        sso.log_in(proxy, ASKED, Way("none"))
    assert refused.value.event_id == "event-1"
    assert proxy.tickets == []


def test_nobody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sso, "WAIT", 0.05)
    with pytest.raises(Unavailable, match="nobody logged in"):
        sso.log_in(Proxy(None), ASKED, Way("none"))


@pytest.mark.parametrize(
    "address", ["0.0.0.0:0", "192.0.2.1:7777", "7777", "127.0.0.1", "127.0.0.1:x", ":7777", "[::]:1"]
)
def test_the_door_is_on_this_machine_alone(address: str) -> None:
    with pytest.raises(BadParameter, match="bind-addr"):
        sso.log_in(Proxy(None), ASKED, Way("none", address))


@pytest.mark.parametrize("link", ["", "file:///etc/passwd", "javascript:alert(1)", "--help"])
def test_only_a_web_address_is_opened(link: str) -> None:
    with pytest.raises(NotAuthenticated, match="no web address"):
        sso.log_in(Proxy(None, link), ASKED, Way())
