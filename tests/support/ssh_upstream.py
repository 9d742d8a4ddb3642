"""A stock sshd behind a `Site`: the engine goes on as its client, as a proxy does for hosts that run no agent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from harness.ports import free_port
from ssh_post import CLUSTER, HOST_ID, Site

from teleport.credentials.authorities import SshAuthority, TrustedAuthority
from teleport.credentials.keys import PublicKey
from teleport.credentials.ssh_certificates import Permits, issue_user
from teleport.model.identity import Identity
from teleport.net.handoff import HandedOff

SSHD = "/usr/sbin/sshd"
PERMITS = Permits(port_forwarding=True, agent_forwarding=True, x11_forwarding=True)


class StockServer:
    """An `Upstream` that is sshd of this machine, run by whoever runs the tests."""

    names: Sequence[str] = (HOST_ID, "web1")
    checks_host = True
    asks_key_agent = False

    def __init__(self, site: Site, port: int) -> None:
        self._site = site
        self.port = port

    def host_authorities(self) -> Sequence[TrustedAuthority]:
        return [TrustedAuthority(kind="host", cluster=CLUSTER, ssh_keys=(self._site.host_ca.public.ssh(),))]

    async def connect(self, login: str, user: str, client_address: str) -> HandedOff:
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return HandedOff(sock)

    async def certify(self, shown: str, login: str, key: PublicKey, client_ip: str) -> str:
        site = self._site
        identity = Identity(
            username="alice",
            cluster=CLUSTER,
            roles=("access",),
            logins=(login,),
            expires=site.clock.now() + timedelta(minutes=2),
        )
        signer = SshAuthority(kind="user", cluster=CLUSTER, signer=site.user_ca)
        return issue_user(identity, key, signer, site.clock.now() - timedelta(hours=1), permits=PERMITS)


@asynccontextmanager
async def stock_server(site: Site, certificate: bytes = b"", **settings: str) -> AsyncIterator[StockServer]:
    """It runs, and the site's post is that host's. `certificate` instead of a good one."""
    folder = site.directory / "sshd"
    folder.mkdir()
    key = site.post.host_key()
    _secret(folder / "host", key.private_key)
    (folder / "host-cert.pub").write_bytes((certificate or key.certificate) + b"\n")
    (folder / "user_ca.pub").write_text(site.user_ca.public.ssh() + "\n")
    port = free_port()
    lines = {
        "Port": str(port), "ListenAddress": "127.0.0.1", "PidFile": "none", "HostKey": f"{folder}/host",
        "HostCertificate": f"{folder}/host-cert.pub", "TrustedUserCAKeys": f"{folder}/user_ca.pub",
        "AuthorizedKeysFile": "none", "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no",
        "UsePAM": "no", "StrictModes": "no", "PermitRootLogin": "prohibit-password", "PermitUserRC": "no",
        "SetEnv": f"HOME={folder}", "Subsystem": "sftp internal-sftp", "AcceptEnv": "LANG", "X11Forwarding": "yes",
        **settings,
    }  # fmt: skip
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(SSHD, "-D", "-e", "-f", f"{folder}/sshd_config", stderr=log)
    server = StockServer(site, port)
    try:
        async with asyncio.timeout(20):
            while b"Server listening" not in (folder / "log").read_bytes():
                assert process.returncode is None, (folder / "log").read_text()
                await asyncio.sleep(0.01)
        site.post.upstream = server
        yield server
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def _secret(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
