"""Certificates issued through the API by one auth process, with its store and audit log on disk.

People who are logged in ask, over TLS with their own certificates on kept connections, for an SSH and an X.509
certificate each time. Alone: `python -m benchmarks.certificates`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import uvloop

from benchmarks.figures import Figure, absolute, table
from teleport.api.client import Client
from teleport.api.routes.certificates import ISSUE, IssueCertificates
from teleport.auth.bootstrap import LocalIdentity
from teleport.auth.service import AuthService
from teleport.auth.settings import Settings
from teleport.credentials.keys import PrivateKey
from teleport.credentials.keystore.software import SoftwareKeystore
from teleport.credentials.tls_contexts import client_context
from teleport.foundation.clock import SystemClock
from teleport.model.resource import Metadata
from teleport.model.resources.user import User, UserSpec
from teleport.net.address import Address
from teleport.net.http_client import HttpClient
from teleport.process.auth_server import AuthServer
from teleport.storage.audit_log import AuditLog
from teleport.storage.backends.sqlite import SqliteBackend
from teleport.storage.recording_files import FileRecordings
from teleport.storage.store import Store
from teleport.wire.tls_names import auth_server_name

CLUSTER = "bench"
PEOPLE = 8
SECONDS = 3.0
ROUNDS = 5


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        command = [sys.executable, "-m", "benchmarks.certificates", "serve", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline())
                rates = uvloop.run(_ask(directory, port))
            finally:
                server.terminate()
    return [absolute("certificates issued through the API, audit on", rates, ">=", 300, "/s")]


async def _ask(directory: Path, port: int) -> list[float]:
    clients = [await _person(directory, port, number) for number in range(PEOPLE)]
    await _round(clients, 1.0)
    rates = [await _round(clients, SECONDS) for _ in range(ROUNDS)]
    for client, _ in clients:
        await client.close()
    return rates


async def _person(directory: Path, port: int, number: int) -> tuple[Client, IssueCertificates]:
    authority = (directory / "host.pem").read_text()
    admin = _client(port, authority, (directory / "admin.pem").read_text(), (directory / "admin.key").read_text())
    tls, ssh = PrivateKey.generate("ecdsa-p256"), PrivateKey.generate("ed25519")
    keys = IssueCertificates(ssh_public_key=ssh.public.ssh().encode(), tls_public_key=tls.public.pem.encode())
    for_user = IssueCertificates(username=f"user-{number}", tls_public_key=keys.tls_public_key)
    issued = await admin.call(ISSUE, for_user)
    await admin.close()
    return _client(port, authority, issued.tls_certificate.decode(), tls.pem()), keys


def _client(port: int, authority: str, certificate: str, key: str) -> Client:
    context = client_context([authority], chain_pem=certificate, key_pem=key)
    address = Address("127.0.0.1", port)
    return Client(HttpClient(address, tls=context, server_name=auth_server_name(CLUSTER)))


async def _round(clients: list[tuple[Client, IssueCertificates]], seconds: float) -> float:
    issued = 0
    begun = time.perf_counter()

    async def ask(client: Client, request: IssueCertificates) -> None:
        nonlocal issued
        while time.perf_counter() - begun < seconds:
            await client.call(ISSUE, request)
            issued += 1

    await asyncio.gather(*(ask(client, request) for client, request in clients))
    return issued / (time.perf_counter() - begun)


async def _serve(directory: Path) -> None:
    clock = SystemClock()
    backend = await SqliteBackend.open(directory / "state.sqlite", clock)
    store = Store(backend, clock)
    audit_log = await AuditLog.open(directory / "log", clock)

    def save(identity: LocalIdentity) -> None:
        (directory / "admin.pem").write_bytes(identity.credentials.tls_certificate)
        (directory / "admin.key").write_text(identity.tls_key)
        (directory / "host.pem").write_bytes(identity.credentials.tls_authorities[0])

    auth = AuthService(
        Settings(cluster_name=CLUSTER, host_id=str(uuid.uuid4()), version="18.0.0"),
        store,
        audit_log,
        FileRecordings(directory / "records", clock),
        SoftwareKeystore(),
        clock,
        save,
    )
    await auth.prepare()
    for number in range(PEOPLE):
        spec = UserSpec(roles=["access", "editor", "auditor"], traits={"logins": ["root", "deploy"]})
        await store.create(User(metadata=Metadata(name=f"user-{number}"), spec=spec))
    server = AuthServer(auth, Address("127.0.0.1", 0), (), 1.0)
    await server.run(lambda: print(server.bound[0].port, flush=True))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(_serve(Path(sys.argv[2])))
    else:
        print(table(measure()))
