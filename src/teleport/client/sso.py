"""Logging in at a provider: a browser goes there, and its answer comes to a door of this process on its own machine.

The answer is a ticket, sealed with a key that this process made: whoever else reads the address learns nothing, and
whoever knocks with something else is not heard.
"""

from __future__ import annotations

import base64
import binascii
import queue
import secrets
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

import msgspec

from teleport.api.route import Request, Response, Route
from teleport.api.routes import sso as routes
from teleport.api.routes.login import LoginGranted
from teleport.credentials.sealing import Box, new_key
from teleport.foundation.errors import BadParameter, NotAuthenticated, Unavailable

WAIT = 180.0
ANY_PORT = "127.0.0.1:0"
_LOOPBACK = ("127.0.0.1", "localhost")
_DONE = "You are logged in. Go back to your terminal; this page can be closed."
_FAILED = "The login did not succeed. Your terminal says more; this page can be closed."


class Calling(Protocol):
    """Who calls the public API."""

    def call(self, route: Route[Request, Response], request: Request) -> Response: ...


class Way(NamedTuple):
    """`browser` "none" prints the link and opens nothing. `bind_addr` is where the answer comes."""

    browser: str = ""
    bind_addr: str = ""


def log_in(client: Calling, asked: routes.StartLogin, way: Way) -> LoginGranted:
    """Shows the link, waits for the browser. Raises NotAuthenticated, and Unavailable when nobody comes."""
    seal_key = new_key()
    with _door(way.bind_addr or ANY_PORT, Box(seal_key)) as door:
        started = client.call(routes.START, msgspec.structs.replace(asked, callback=door.address, seal_key=seal_key))
        _show(started.redirect_url, way.browser)
        answer = door.wait()
    if not answer.ticket:
        raise NotAuthenticated(answer.error or "the login was refused", event_id=answer.event_id)
    return client.call(routes.FINISH, routes.FinishLogin(ticket=answer.ticket))


def _show(link: str, browser: str) -> None:
    if not link.startswith(("https://", "http://")):
        raise NotAuthenticated("the cluster sent no web address to log in at")
    if browser not in ("", "none"):
        raise BadParameter(f"--browser={browser}: expected none")
    is_opened = not browser and webbrowser.open(link)
    lead = "Log in in the browser window that opens, or open this link" if is_opened else "Open this link to log in"
    print(f"{lead}:\n\n  {link}\n", file=sys.stderr, flush=True)


class _Door:
    """Where the browser brings the answer."""

    def __init__(self, address: str, answers: queue.Queue[routes.SealedAnswer]) -> None:
        self.address = address
        self._answers = answers

    def wait(self) -> routes.SealedAnswer:
        try:
            return self._answers.get(timeout=WAIT)
        except queue.Empty:
            raise Unavailable(f"nobody logged in within {WAIT:g} s; run the command again") from None


@contextmanager
def _door(bind_addr: str, box: Box) -> Iterator[_Door]:
    host, port = _loopback(bind_addr)
    path = f"/{secrets.token_hex(16)}/callback"
    answers: queue.Queue[routes.SealedAnswer] = queue.Queue()
    try:
        server = ThreadingHTTPServer((host, port), _handler(path, box, answers))
    except OSError as problem:
        raise BadParameter(f"--bind-addr={bind_addr}: {problem.strerror or problem}") from None
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield _Door(f"http://127.0.0.1:{server.server_address[1]}{path}", answers)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _loopback(bind_addr: str) -> tuple[str, int]:
    host, _, port = bind_addr.rpartition(":")
    if host not in _LOOPBACK or not port.isdecimal() or int(port) > 65535:
        raise BadParameter(
            f"--bind-addr={bind_addr}: expected 127.0.0.1:PORT; the answer comes to this machine alone"
        )
    return "127.0.0.1", int(port)


def _handler(path: str, box: Box, answers: queue.Queue[routes.SealedAnswer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            answer = _opened(parse_qs(parts.query).get("answer", [""])[0], box) if parts.path == path else None
            if answer is None:
                self.send_error(404)
                return
            try:
                self._show(_DONE if answer.ticket else _FAILED)
            finally:
                answers.put(answer)  # last: the process may end as soon as it has the answer

        def _show(self, text: str) -> None:
            body = f"{text}\n".encode()
            self.send_response(200)
            for name, value in (
                ("content-type", "text/plain; charset=utf-8"),
                ("content-length", str(len(body))),
                ("cache-control", "no-store"),
                ("referrer-policy", "no-referrer"),
                ("connection", "close"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """The terminal is for the person."""

    return Handler


def _opened(text: str, box: Box) -> routes.SealedAnswer | None:
    """None for whatever was not sealed for this login."""
    try:
        sealed = base64.b64decode(text, altchars=b"-_", validate=True)
        return msgspec.json.decode(box.open(sealed, routes.SEAL_PURPOSE), type=routes.SealedAnswer)
    except (binascii.Error, ValueError, NotAuthenticated, msgspec.DecodeError):
        return None
