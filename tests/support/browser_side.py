"""The proxy's web application in front of a whole auth service, and browsers that use it, in one process.

Requests enter as ASGI scopes, headers as they came; auth is reached as over its network, and can be made to be away.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from auth_cluster import PASSWORD, AsgiAnswer, AsgiTransport, Person, TestCluster
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from teleport.api.client import StreamedAnswer
from teleport.api.routes import public
from teleport.credentials import x509
from teleport.foundation.errors import Unavailable
from teleport.net.asgi import AsgiApp
from teleport.proxy.web.app import WebApp
from teleport.proxy.web.pages import Pages

HOST = "proxy.example.com:3080"
ADDRESSES = public.ProxySettings(ssh=public.SshProxySettings(public_addr=HOST))
Headers = Iterable[tuple[str, str]]


@dataclass
class Wire:
    """What lies between the proxy and auth: it can be cut, and remembers the heads of what passed."""

    is_cut: bool = False
    passed: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@dataclass
class Streamed:
    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.pieces


class WiredTransport:
    """A Transport to auth with one certificate, whose answers keep their headers."""

    def __init__(self, app: ASGIApp, certificate: bytes, address: str, wire: Wire) -> None:
        self._app = app
        self._certificate = certificate
        self._address = address
        self._wire = wire

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> AsgiAnswer:
        async with asyncio.timeout(timeout), self.stream(method, target, headers, body) as answer:
            return AsgiAnswer(answer.status, b"".join([piece async for piece in answer]), {})

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncIterator[StreamedAnswer]:
        if self._wire.is_cut:
            raise Unavailable("auth cannot be reached")
        self._wire.passed.append((method, target, dict(headers)))
        back: dict[str, str] = {}

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    back.update({name.decode(): value.decode() for name, value in message["headers"]})
                await send(message)

            await self._app(scope, receive, note)

        transport = AsgiTransport(noted, self._certificate, self._address)
        async with transport.stream(method, target, headers, body) as answer:
            yield Streamed(answer.status, back, aiter(answer))

    async def close(self) -> None:
        return None


@dataclass
class Answer:
    """What a browser got; `headers` in order, names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def cookies(self) -> list[str]:
        return [value for key, value in self.headers if key == "set-cookie"]


@dataclass
class Browser:
    """One person's browser: it keeps cookies as one does, and the page's token."""

    app: AsgiApp
    address: str = "198.51.100.7"
    cookies: dict[str, str] = field(default_factory=dict)
    bearer: str = ""

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Headers = (),
        *,
        cookies: bool = True,
        chunks: list[bytes] | None = None,
    ) -> Answer:
        """As a page of ours asks; `headers` come on top of what it sends. `chunks` is a body without a length."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = [("host", HOST), ("x-csrf-token", self.cookies.get("__Host-csrf", ""))]
        if chunks is None:
            sent.append(("content-length", str(len(content))))
        if cookies and self.cookies:
            sent.append(("cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        if self.bearer:
            sent.append(("authorization", f"Bearer {self.bearer}"))
        replaced = {name for name, _ in headers}
        sent = [pair for pair in sent if pair[0] not in replaced] + list(headers)
        answer = await request(self.app, method, path, sent, chunks or [content], self.address)
        self._keep(answer)
        return answer

    def _keep(self, answer: Answer) -> None:
        for line in answer.cookies:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value

    async def open(self) -> Browser:
        """Load a page, which gives the anti-forgery cookie."""
        await self.ask("GET", "/web/login")
        return self

    async def log_in(self, person: Person) -> Answer:
        await self.open()
        wanted = {"user": person.name, "pass": PASSWORD, "second_factor_token": person.next_code()}
        answer = await self.ask("POST", "/webapi/sessions/web", wanted)
        if answer.status == 200:
            self.bearer = answer.json["token"]
        return answer

    async def renew(self) -> Answer:
        answer = await self.ask("POST", "/webapi/sessions/web/renew")
        if answer.status == 200:
            self.bearer = answer.json["token"]
        return answer


async def request(
    app: AsgiApp, method: str, path: str, headers: list[tuple[str, str]], chunks: list[bytes], address: str
) -> Answer:
    """One request into an ASGI application."""
    raw, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": (address, 40000),
        "server": ("proxy", 3080),
        "scheme": "https",
        "state": {},
    }
    waiting = list(chunks)
    status, back, body = 0, [], b""
    ended = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if waiting:
            piece = waiting.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(waiting)}
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, back, body
        if message["type"] == "http.response.start":
            status = message["status"]
            back = [(name.decode().lower(), value.decode("latin-1")) for name, value in message["headers"]]
        else:
            body += message.get("body", b"")
            if not message.get("more_body", False):
                ended.set()

    async with asyncio.timeout(20):
        with contextlib.suppress(_Crash):
            await app(scope, receive, send)
    return Answer(status, back, body)


class _Crash(Exception):
    """What a test's own transport fails with; servers pass it on after the answer."""


class CrashingTransport:
    """A defect of ours between proxy and auth."""

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> AsgiAnswer:
        raise _Crash("internal detail")

    def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> contextlib.AbstractAsyncContextManager[StreamedAnswer]:
        raise _Crash("internal detail")

    async def close(self) -> None:
        return None


@dataclass
class WebSide:
    """A cluster with a proxy's web application in front."""

    cluster: TestCluster
    web: WebApp
    wire: Wire

    def browser(self, address: str = "198.51.100.7") -> Browser:
        return Browser(self.web.app, address)

    async def entered(self, name: str, *roles: str, address: str = "198.51.100.7") -> Browser:
        """The browser of a new person, logged in."""
        browser = self.browser(address)
        answer = await browser.log_in(await self.cluster.sign_up(name, *(roles or ("access",))))
        assert answer.status == 200, answer.body
        return browser

    async def another_proxy(self, **options: Any) -> WebApp:
        return await web_app(self.cluster, self.wire, **options)


async def web_app(cluster: TestCluster, wire: Wire, **options: Any) -> WebApp:
    """A proxy's web application with a host identity of its own."""
    identity = await cluster.host_identity("Proxy")
    certificate = x509.to_der(identity.credentials.tls_certificate)

    transport = options.pop("transport", None) or WiredTransport(cluster.service.app, certificate, "192.0.2.9", wire)
    return WebApp(transport, ADDRESSES, cluster.clock, **options)


async def web_side(cluster: TestCluster, **options: Any) -> WebSide:
    wire = Wire()
    return WebSide(cluster, await web_app(cluster, wire, **options), wire)


def built_pages(folder: Path) -> Pages:
    """A small application as a build leaves it."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>built</title>" + " " * 500)
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "assets" / "index-abc.js").write_text("export {};\n" * 200)
    (folder / "assets" / "tiny.js").write_text("1")
    return Pages(folder)
