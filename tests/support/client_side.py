"""A profile on disk, and a small proxy on loopback that answers dials with real TLS, real frames and real SSH."""

from __future__ import annotations

import asyncio
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
from teleport.wire.tls_names import ALPN_DIAL

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
        key = PrivateKey.generate("ecdsa-p256")
        certificate = x509.issue_host(self.host("proxy-1", "Proxy"), key.public, self.host_ca.tls, self.now)
        return tls_contexts.server_context(
            certificate,
            key.pem(),
            client_ca_pems=[self.user_ca.tls.certificate],
            require_client_certificate=True,
            alpn=[ALPN_DIAL],
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


class LoopThread:
    """An event loop in a thread of its own, where a server lives while the code under test blocks."""

    def __enter__(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self._loop

    def __exit__(self, *args: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
