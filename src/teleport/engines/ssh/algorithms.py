"""What we speak: AES-GCM first, as it is the fastest here and needs no separate MAC; nothing known to be weak."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Iterable

import asyncssh

from teleport import __version__
from teleport.engines.engine import Limits, SshHostKey

KEY_EXCHANGES = (
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
)
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
SIGNATURES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-256",
    "rsa-sha2-512",
)
VERSION = f"Teleport_{__version__}"
REKEY_BYTES = 1 << 30
REKEY_SECONDS = 3600
WINDOW = 2 << 20


async def server_options(
    host_key: SshHostKey, limits: Limits, keep_alive_seconds: float, keep_alive_count: int
) -> asyncssh.SSHServerConnectionOptions:
    """Options to be shared by connections as long as the host key stays the same."""
    logging.getLogger("asyncssh").setLevel(logging.ERROR)  # it tells strangers' attempts line by line
    key = asyncssh.import_private_key(host_key.private_key)
    certificate = asyncssh.import_certificate(host_key.certificate)
    make = functools.partial(
        asyncssh.SSHServerConnectionOptions,
        server_factory=asyncssh.SSHServer,
        server_host_keys=[(key, certificate)],
        server_version=VERSION,
        send_server_host_keys=False,
        authorized_client_keys=None,
        host_based_auth=False,
        public_key_auth=True,
        password_auth=False,
        kbdint_auth=False,
        gss_host=None,
        kex_algs=list(available(asyncssh.kex.get_kex_algs(), KEY_EXCHANGES)),
        encryption_algs=list(CIPHERS),
        mac_algs=list(MACS),
        signature_algs=list(SIGNATURES),
        compression_algs=["none"],
        rekey_bytes=REKEY_BYTES,
        rekey_seconds=REKEY_SECONDS,
        login_timeout=limits.login_grace.total_seconds(),
        keepalive_interval=keep_alive_seconds,
        keepalive_count_max=keep_alive_count,
        tcp_keepalive=True,
        encoding=None,
        line_editor=False,
        allow_scp=False,
        x11_forwarding=False,
        agent_forwarding=True,
        window=WINDOW,
        config=None,
    )
    return await asyncio.get_running_loop().run_in_executor(None, make)


def available(known: Iterable[bytes], wanted: Iterable[str]) -> list[str]:
    """Those asyncssh was built with."""
    names = {name.decode() for name in known}
    return [name for name in wanted if name in names]
