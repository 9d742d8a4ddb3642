"""An SSH connection to an agent over a dialled socket: our certificate shown, the host's certificate checked.

Only certificates of the host authority of the cluster that was asked for are accepted, and only for the name that was
asked for (or the resource's id where a label, an address or an alias led there). Nothing is learned or remembered.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from teleport.client import ssh_library  # isort: skip
import asyncssh

from teleport.client.account import SshTexts
from teleport.client.dialer import Reached, Wanted
from teleport.client.own_agent import OwnAgent
from teleport.foundation.errors import AccessDenied, NotAuthenticated, TeleportError, Unavailable

_HOST_KEYS = ["ssh-ed25519-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com"]
_CIPHERS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes128-ctr"]
_KEY_EXCHANGES = ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"]
_MACS = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"]
_MAX_BANNER = 4096
_KEEPALIVE = 60
_KEEPALIVE_COUNT = 3

assert ssh_library


class _Client(asyncssh.SSHClient):
    """Keeps what the server says before it lets us in: the reason of a refusal."""

    def __init__(self) -> None:
        self.banner = ""
        self.problem: Exception | None = None
        self.agent: OwnAgent | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.problem = exc
        self.close_agent()

    def close_agent(self) -> None:
        if self.agent is not None:
            self.agent.close()
            self.agent = None

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.banner = (self.banner + msg[:_MAX_BANNER])[:_MAX_BANNER]


async def connect(
    reached: Reached,
    wanted: Wanted,
    texts: SshTexts,
    *,
    forward_agent: bool = False,
    insecure: bool = False,
    alive_interval: float | None = None,
    alive_count: int | None = None,
) -> asyncssh.SSHClientConnection:
    """Raises AccessDenied, NotAuthenticated or Unavailable. The socket belongs to the connection afterwards.

    `alive_interval`: seconds after which a silent server is asked whether it is there, 0 for never.
    """
    client = _Client()
    name = expected_principal(reached, wanted)
    reached.sock.setblocking(False)
    where = f"{wanted.login}@{reached.resource_name or wanted.name}"
    pair = _keypair(texts)
    forwarding: bool | str = forward_agent
    if reached.asks_key_agent and not forward_agent:
        client.agent = OwnAgent(*pair, wanted.login)
        await client.agent.start()
        forwarding = client.agent.path
    try:
        connection, _ = await asyncssh.create_connection(
            lambda: client,
            name,
            sock=reached.sock,
            config=None,
            username=wanted.login,
            client_keys=[pair],
            known_hosts=None if insecure else ([], host_authorities(texts, reached.cluster), []),
            server_host_key_algs=_HOST_KEYS,
            encryption_algs=_CIPHERS,
            kex_algs=_KEY_EXCHANGES,
            mac_algs=_MACS,
            compression_algs=None,
            x509_trusted_certs=None,
            preferred_auth=["publickey"],
            gss_host=None,
            agent_path=os.environ.get("SSH_AUTH_SOCK") if forward_agent else None,
            agent_identities=[],
            agent_forwarding=forwarding,
            login_timeout=reached.patience,
            keepalive_interval=_KEEPALIVE if alive_interval is None else alive_interval,
            keepalive_count_max=_KEEPALIVE_COUNT if alive_count is None else alive_count,
        )
    except (asyncssh.Error, OSError) as problem:
        client.close_agent()
        reached.sock.close()
        raise explain(problem, where, client.banner) from problem
    connection.set_extra_info(parting=lambda: client.problem)
    return connection


def end_of(connection: asyncssh.SSHClientConnection) -> Exception | None:
    """Why a connection made by `connect` is over; None when it is not, or when we ended it ourselves."""
    parting: Callable[[], Exception | None] = connection.get_extra_info("parting")
    return parting()


def expected_principal(reached: Reached, wanted: Wanted) -> str:
    """The name the host must prove: the one asked for, so that nobody on the way can lead to another host."""
    short = wanted.name.removesuffix(f".{reached.cluster}")
    if short and short in (reached.resource_name, reached.resource_id):
        return short
    return reached.principal


def host_authorities(texts: SshTexts, cluster: str) -> list[asyncssh.SSHKey]:
    """The keys that sign hosts of this cluster. Raises NotAuthenticated when none is known."""
    keys = []
    for line in texts.host_authorities:
        words = line.split()
        if words[:1] == ["@cert-authority"] and len(words) >= 4 and cluster in words[1].split(","):
            keys.append(asyncssh.import_public_key(f"{words[2]} {words[3]}"))
    if not keys:
        raise NotAuthenticated(f"no host authority of the cluster {cluster!r} is known here, run `tsh login`")
    return keys


def _keypair(texts: SshTexts) -> tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]:
    try:
        return asyncssh.import_private_key(texts.key), asyncssh.import_certificate(texts.certificate)
    except (asyncssh.KeyImportError, ValueError):
        raise NotAuthenticated("the stored SSH key cannot be read, run `tsh login`") from None


def explain(problem: Exception, where: str, banner: str = "") -> TeleportError:
    """What an SSH error means to a person."""
    reason = " ".join(banner.split())
    match problem:
        case asyncssh.PermissionDenied():
            return AccessDenied(f"{where}: {reason or 'access denied'}")
        case asyncssh.HostKeyNotVerifiable():
            return NotAuthenticated(f"{where}: the server does not prove to be what was asked for ({problem.reason})")
        case asyncssh.ConnectionLost():
            lost = "no answer in time" if "timeout" in problem.reason.lower() else "the connection was lost"
            return Unavailable(f"{where}: {reason or lost}")
        case asyncssh.DisconnectError():
            return AccessDenied(f"{where}: {reason or problem.reason}")
        case asyncssh.ChannelOpenError():
            return AccessDenied(f"{where}: {reason or problem.reason}")
        case asyncio.TimeoutError():
            return Unavailable(f"{where}: no answer in time")
        case _:
            return Unavailable(f"{where}: {reason or problem}")
