"""A profile on disk, and a small proxy on loopback that answers dials with real TLS, real frames and real SSH."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
from authorities import Authority

from teleport.api.routes.login import HostSigner, LoginGranted
from teleport.client import login
from teleport.client.profile import Profile, ProfileStore
from teleport.credentials import ssh_certificates, tls_contexts, x509
from teleport.credentials.keys import PrivateKey
from teleport.credentials.ssh_certificates import Permits
from teleport.foundation.clock import SystemClock
from teleport.model.identity import Identity
from teleport.net import frames
from teleport.tunnel.messages import DialAnswer, DialRequest
from teleport.wire.tls_names import ALPN_DIAL, auth_alpn

NODE_ID = "3d0e9d0c-6a3e-4c46-9f86-3f6b9c1c1a11"
CLUSTER = "alpha.example"


class ClientCluster:
    """Authorities of a cluster that a client logs in to."""

    def __init__(self, name: str = CLUSTER) -> None:
        self.name = name
        self.now = SystemClock().now()
        self.host_ca = Authority("host", name, self.now)
        self.user_ca = Authority("user", name, self.now)

    def user(self, name: str = "alice", logins: tuple[str, ...] = ("root", "alice"), hours: float = 1) -> Identity:
        return Identity(
            username=name,
            cluster=self.name,
            expires=self.now + timedelta(hours=hours),
            roles=("access", "editor"),
            logins=logins,
            traits={"team": ("db", "web")},
        )

    def host(self, host_id: str = NODE_ID, role: str = "Node") -> Identity:
        return Identity(
            username=f"{host_id}.{self.name}",
            host_id=host_id,
            cluster=self.name,
            expires=self.now + timedelta(hours=1),
            system_role=role,  # type: ignore[arg-type]
        )

    def granted(self, identity: Identity, *, one_key: bool = False) -> login.Credentials:
        """What a login answers, with the keys it is for."""
        tls_key = PrivateKey.generate("ecdsa-p256")
        ssh_key = tls_key if one_key else PrivateKey.generate("ed25519")
        then = min(self.now, identity.expires - timedelta(minutes=30))
        answer = LoginGranted(
            username=identity.username,
            cert=ssh_certificates.issue_user(
                identity, ssh_key.public, self.user_ca.ssh, then, permits=Permits(port_forwarding=True)
            ).encode(),
            tls_cert=x509.issue_user(identity, tls_key.public, self.user_ca.tls, then).encode(),
            host_signers=(self.signer,),
            expires=identity.expires,
        )
        return login.Credentials(ssh_key, tls_key, answer)

    @property
    def signer(self) -> HostSigner:
        return HostSigner(
            domain_name=self.name,
            checking_keys=(self.host_ca.ssh_key.public.ssh().encode(),),
            tls_certs=(self.host_ca.tls.certificate.encode(),),
        )

    def log_in(
        self, home: Path, port: int = 3080, identity: Identity | None = None, host: str = "localhost"
    ) -> Profile:
        """A profile as `tsh login` leaves it."""
        return login.save(ProfileStore(str(home)), host, port, self.granted(identity or self.user()))

    def proxy_context(self) -> ssl.SSLContext:
        return self.server_context("proxy-1", "Proxy", ALPN_DIAL)

    def server_context(self, host_id: str, role: str, alpn: str) -> ssl.SSLContext:
        key = PrivateKey.generate("ecdsa-p256")
        certificate = x509.issue_host(self.host(host_id, role), key.public, self.host_ca.tls, self.now)
        return tls_contexts.server_context(
            certificate,
            key.pem(),
            client_ca_pems=[self.user_ca.tls.certificate],
            require_client_certificate=True,
            alpn=[alpn],
        )

    def ssh_host(self, principals: tuple[str, ...] = ("web-1",), ca: Authority | None = None) -> tuple[str, str]:
        """Private key and certificate of a node."""
        key = PrivateKey.generate("ed25519")
        names = [name for principal in principals for name in (principal, f"{principal}.{self.name}")]
        certificate = ssh_certificates.issue_host(
            self.host(), key.public, (ca or self.host_ca).ssh, self.now, [NODE_ID, f"{NODE_ID}.{self.name}", *names]
        )
        return key.ssh_pem(), certificate


Answering = Callable[[DialRequest], DialAnswer]
Serving = Callable[[socket.socket], None]


def allow(request: DialRequest) -> DialAnswer:
    return DialAnswer(allowed=True, resource_id=NODE_ID, resource_name="web-1", cluster=CLUSTER)


class SmallProxy:
    """Accepts dials one after the other: TLS with a client certificate, one frame each way, then the raw socket."""

    def __init__(self, cluster: ClientCluster, answer: Answering = allow, serve: Serving | None = None) -> None:
        self._context = cluster.proxy_context()
        self._answer = answer
        self._serve = serve or echo
        self._listener = socket.create_server(("localhost", 0))
        self.port = int(self._listener.getsockname()[1])
        self.requests: list[DialRequest] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        # a blocked accept is not woken by close, but by a connection
        self._is_closing = True
        socket.create_connection(("localhost", self.port)).close()
        self._thread.join()
        self._listener.close()

    _is_closing = False

    def _run(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._is_closing:
                sock.close()
                return
            try:
                raw = self._hand_off(sock)
            except (OSError, ssl.SSLError):
                sock.close()
                continue
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _hand_off(self, sock: socket.socket) -> socket.socket:
        sock.settimeout(10)
        tls = self._context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False)
        size = frames.body_length(_exactly(tls, 4))
        request = msgspec.json.decode(_exactly(tls, size), type=DialRequest)
        self.requests.append(request)
        tls.sendall(frames.encode(self._answer(request)))
        tls.unwrap()
        raw = socket.socket(fileno=tls.detach())
        raw.setblocking(True)
        return raw


def _exactly(tls: ssl.SSLSocket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = tls.recv(count - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


def echo(sock: socket.socket) -> None:
    with sock:
        while data := sock.recv(65536):
            sock.sendall(data)


@contextmanager
def small_proxy(
    cluster: ClientCluster, answer: Answering = allow, serve: Serving | None = None
) -> Iterator[SmallProxy]:
    proxy = SmallProxy(cluster, answer, serve)
    try:
        yield proxy
    finally:
        proxy.close()


Calls = Callable[[str], tuple[int, object]]
"""The path and query of a GET; status and JSON of its answer."""


class SmallApi:
    """The auth service as a client meets it: TLS with a client certificate, HTTP/1.1, one call after the other."""

    def __init__(self, cluster: ClientCluster, calls: Calls, *, chunked: bool = False) -> None:
        alpn = auth_alpn(cluster.name)
        self._context = cluster.server_context("auth-1", "Auth", alpn)
        self._calls = calls
        self._chunked = chunked
        self._listener = socket.create_server(("localhost", 0))
        self.port = int(self._listener.getsockname()[1])
        self.asked: list[str] = []
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(sock, server_side=True) as tls:
            pending = b""
            while True:
                while b"\r\n\r\n" not in pending:
                    piece = tls.recv(65536)
                    if not piece:
                        return
                    pending += piece
                head, _, pending = pending.partition(b"\r\n\r\n")
                target = head.split(b" ")[1].decode()
                self.asked.append(target)
                status, document = self._calls(target)
                tls.sendall(self._answer(status, json.dumps(document).encode()))

    def _answer(self, status: int, body: bytes) -> bytes:
        if not self._chunked:
            return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
        pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        return b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (status, chunks)


@contextmanager
def small_api(cluster: ClientCluster, calls: Calls, *, chunked: bool = False) -> Iterator[SmallApi]:
    api = SmallApi(cluster, calls, chunked=chunked)
    try:
        yield api
    finally:
        api.close()


class LoopThread:
    """An event loop in a thread of its own, where a server lives while the code under test blocks."""

    def __enter__(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self._loop

    def __exit__(self, *args: object) -> None:
        asyncio.run_coroutine_threadsafe(_end_others(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _end_others() -> None:
    """A pipe that is closed behind the end of its loop is a failure of whichever test comes then."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for _ in range(10):  # what they held closes in the turns that follow
        await asyncio.sleep(0)
