"""A whole auth service inside a test: memory backend, real files for the log, a moved clock, and callers of any kind.

Calls go through the ASGI application as from a network, with the certificate in the scope where a server puts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from authenticator import SoftwareAuthenticator
from starlette.types import ASGIApp

from teleport.api.client import Client
from teleport.api.routes import login, users
from teleport.api.routes.audit import SEARCH, SearchEvents
from teleport.api.server import PEER_CERTIFICATE
from teleport.auth.bootstrap import LocalIdentity
from teleport.auth.service import AuthService
from teleport.auth.settings import Settings
from teleport.credentials import totp, x509
from teleport.credentials.keys import PrivateKey
from teleport.credentials.keystore.software import SoftwareKeystore
from teleport.foundation.clock import MovedClock
from teleport.model.identity import SystemRole
from teleport.model.resource import Metadata
from teleport.model.resources.role import Role, RoleSpec
from teleport.model.resources.role_conditions import RoleConditions
from teleport.model.resources.user import User, UserSpec
from teleport.storage.audit_log import AuditLog
from teleport.storage.backends.memory import MemoryBackend
from teleport.storage.recording_files import FileRecordings
from teleport.storage.store import Store

CLUSTER = "example"
PASSWORD = "a long enough password"
ORIGIN = "https://proxy.example.com:3080"


@dataclass
class AsgiAnswer:
    status: int
    body: bytes
    headers: dict[str, str]


class AsgiStream:
    """An answer that is still being made."""

    def __init__(self, status: int, pieces: asyncio.Queue[bytes | None]) -> None:
        self.status = status
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


class AsgiTransport:
    """`api.client.Transport` straight into an application."""

    def __init__(self, app: ASGIApp, certificate: bytes = b"", address: str = "192.0.2.1") -> None:
        self._app = app
        self._certificate = certificate
        self._address = address

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> AsgiAnswer:
        async with asyncio.timeout(timeout), self.stream(method, target, headers, body) as answer:
            return AsgiAnswer(answer.status, b"".join([piece async for piece in answer]), {})

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncIterator[AsgiStream]:
        path, _, query = target.partition("?")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": _unquoted(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (b"content-length", str(len(body)).encode()),
                *((name.lower().encode(), value.encode()) for name, value in headers.items()),
            ],
            "client": (self._address, 40000),
            "server": ("auth", 3025),
            "scheme": "https",
        }
        if self._certificate:
            scope[PEER_CERTIFICATE] = self._certificate
        sent = False
        closed = asyncio.Event()

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": body, "more_body": False}
            await closed.wait()
            return {"type": "http.disconnect"}

        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.set_result(message["status"])
            else:
                if message.get("body"):
                    pieces.put_nowait(message["body"])
                if not message.get("more_body", False):
                    pieces.put_nowait(None)

        async def serve() -> None:
            try:
                await self._app(scope, receive, send)
            finally:
                pieces.put_nowait(None)

        task = asyncio.get_running_loop().create_task(serve())
        try:
            task.add_done_callback(lambda _: _settle(status))
            await status
            if not status.result():
                await task
                raise AssertionError("the application answered nothing")
            yield AsgiStream(status.result(), pieces)
        finally:
            closed.set()
            if not task.done():
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def close(self) -> None:
        return None


@dataclass
class Person:
    """A user with a password and an authenticator application."""

    name: str
    secret: str
    clock: MovedClock

    def code(self) -> str:
        return totp.code_at(self.secret, self.clock.now())

    def next_code(self) -> str:
        """A code that was not used: the clock goes one step on."""
        self.clock.advance(timedelta(seconds=30))
        return self.code()


@dataclass
class TestCluster:
    """What a test talks to."""

    __test__ = False

    service: AuthService
    clock: MovedClock
    store: Store
    people: dict[str, Person] = field(default_factory=dict)

    def stranger(self, address: str = "192.0.2.1") -> Client:
        return Client(AsgiTransport(self.service.app, address=address))

    def client(self, certificate_pem: str | bytes, address: str = "192.0.2.1") -> Client:
        return Client(AsgiTransport(self.service.app, x509.to_der(certificate_pem), address))

    async def host(self, role: SystemRole, host_id: str = "", address: str = "192.0.2.9") -> Client:
        """A client with the identity of a host."""
        identity = await self.host_identity(role, host_id)
        return self.client(identity.credentials.tls_certificate, address)

    async def host_identity(self, role: SystemRole, host_id: str = "") -> LocalIdentity:
        from teleport.auth.hosts import HostRequest, Hosts

        tls_key, ssh_key = PrivateKey.generate("ecdsa-p256"), PrivateKey.generate("ed25519")
        request = HostRequest(
            host_id=host_id or str(uuid.uuid4()),
            node_name="somewhere",
            role=role,
            ssh_key=ssh_key.public,
            tls_key=tls_key.public,
            principals=(),
            dns_names=(),
        )
        credentials = await Hosts(self.service.cluster).issue(request, timedelta(days=1))
        return LocalIdentity(credentials=credentials, tls_key=tls_key.pem(), ssh_key=ssh_key.ssh_pem())

    async def admin(self) -> Client:
        return await self.host("Admin")

    async def role(self, name: str, allow: RoleConditions | None = None, deny: RoleConditions | None = None) -> Role:
        role = Role(
            metadata=Metadata(name=name),
            spec=RoleSpec(allow=allow or RoleConditions(), deny=deny or RoleConditions()),
        )
        role.check()
        return await self.store.upsert(role)

    async def user(self, name: str, *roles: str, **traits: list[str]) -> User:
        """A user in the store, without credentials."""
        user = User(metadata=Metadata(name=name), spec=UserSpec(roles=list(roles), traits=dict(traits)))
        user.check()
        return await self.store.upsert(user)

    async def sign_up(self, name: str, *roles: str, **traits: list[str]) -> Person:
        """A user who has chosen a password and an authenticator application."""
        await self.user(name, *roles, **traits)
        admin, stranger = await self.admin(), self.stranger("192.0.2.77")
        granted = await admin.call(users.RESET, users.ResetUser(name=name))
        return await self.answer_link(stranger, name, granted.token)

    async def answer_link(self, stranger: Client, name: str, token: str) -> Person:
        asked = await stranger.call(users.REGISTER_CHALLENGE, users.RegisterChallengeRequest(token=token))
        assert asked.totp is not None
        person = Person(name, asked.totp.secret, self.clock)
        await stranger.call(
            users.SET_PASSWORD,
            users.SetPassword(token=token, password=PASSWORD, second_factor_token=person.code()),
        )
        self.people[name] = person
        return person

    async def log_in(self, person: Person, ttl: timedelta | None = None, address: str = "192.0.2.1") -> Client:
        granted = await self.log_in_for(person, ttl, address)
        return self.client(granted.tls_cert, address)

    async def log_in_for(
        self, person: Person, ttl: timedelta | None = None, address: str = "192.0.2.1"
    ) -> login.LoginGranted:
        keys = key_pair()
        return await self.stranger(address).call(
            login.FINISH,
            login.FinishLogin(
                user=person.name,
                password=PASSWORD,
                totp_code=person.next_code(),
                ssh_pub_key=keys.ssh,
                tls_pub_key=keys.tls,
                ttl=int(ttl.total_seconds() * 1e9) if ttl else 0,
            ),
        )

    async def person(self, name: str, *roles: str, **traits: list[str]) -> Client:
        """A client of a user who signed up and logged in."""
        return await self.log_in(await self.sign_up(name, *roles, **traits))

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """What the audit log holds, oldest first."""
        request = SearchEvents(types=types, order="asc", limit=1000, start=self.clock.now() - timedelta(days=40))
        page = await (await self.admin()).call(SEARCH, request)
        return [msgspec.json.decode(event) for event in page.events]


class PublicKeys(msgspec.Struct, frozen=True):
    ssh: bytes
    tls: bytes


def key_pair() -> PublicKeys:
    """Fresh public keys as clients send them."""
    return PublicKeys(
        ssh=PrivateKey.generate("ed25519").public.ssh().encode(),
        tls=PrivateKey.generate("ecdsa-p256").public.pem.encode(),
    )


def authenticator() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(ORIGIN)


def at(clock: MovedClock, **delta: float) -> datetime:
    return clock.now() + timedelta(**delta)


@contextlib.asynccontextmanager
async def auth_cluster(directory: Path, **settings: Any) -> AsyncIterator[TestCluster]:
    """A cluster that is ready, with its background work."""
    clock = MovedClock()
    backend = MemoryBackend(clock)
    store = Store(backend, clock)
    audit_log = await AuditLog.open(directory / "log", clock)
    chosen: dict[str, Any] = {
        "cluster_name": CLUSTER,
        "host_id": str(uuid.uuid4()),
        "version": "18.0.0",
        "public_addrs": ("proxy.example.com:3080",),
    }
    service = AuthService(
        Settings(**(chosen | settings)),
        store,
        audit_log,
        FileRecordings(directory / "records", clock),
        SoftwareKeystore(),
        clock,
    )
    ready = asyncio.Event()
    task = asyncio.get_running_loop().create_task(service.run(ready.set))
    try:
        async with asyncio.timeout(20):
            while not ready.is_set() and not task.done():
                await asyncio.sleep(0.001)
        if task.done():
            task.result()
        yield TestCluster(service, clock, store)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await audit_log.close()
        await backend.close()


def _settle(status: asyncio.Future[int]) -> None:
    """The application ended: without an answer its status is 0."""
    if not status.done():
        status.set_result(0)


def _unquoted(path: str) -> str:
    from urllib.parse import unquote

    return unquote(path)
