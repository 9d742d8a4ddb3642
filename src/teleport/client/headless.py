"""Working without a profile: a login that its user approves elsewhere, for one command. Nothing touches the disk.

Keys and certificates exist in this process alone; where the system allows, its memory is kept out of swap and dumps.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal, NamedTuple

from teleport.api.routes import headless as routes
from teleport.api.routes.login import LoginGranted
from teleport.api.sync_client import SyncClient
from teleport.client import login, login_record, public_api
from teleport.client.account import Account, SshTexts
from teleport.client.profile import join_address
from teleport.client.tls import TlsTexts
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import NotAuthenticated, Unsupported
from teleport.model.resources.headless_authentication import headless_id

WAIT = 190.0
"""Seconds; the cluster itself gives up after three minutes."""
MLOCK_MODES = ("off", "auto", "best_effort", "strict")
MlockMode = Literal["off", "auto", "best_effort", "strict"]


class HeadlessChoice(NamedTuple):
    """Who wants to work, through which proxy. `ca_pins` vouch for a proxy whose web certificate nobody knows."""

    proxy: str
    user: str
    cluster: str = ""
    insecure: bool = False
    ca_pins: Sequence[str] = ()


def account(choice: HeadlessChoice) -> Account:
    """Says on the error output where to approve, and waits. Raises AccessDenied, Unsupported, Unavailable."""
    host, port = public_api.find_proxy(choice.proxy)
    authorities = public_api.pinned_authorities(host, port, choice.ca_pins) if choice.ca_pins else []
    tls_key, ssh_key = PrivateKey.generate("ecdsa-p256"), PrivateKey.generate("ed25519")
    with public_api.connect(host, port, insecure=choice.insecure, authorities=authorities, timeout=WAIT) as client:
        if not public_api.ping(client).auth.allow_headless:
            raise Unsupported(f"{host} does not offer headless login: it needs WebAuthn devices")
        granted = _wait(client, choice, join_address(host, port), ssh_key, tls_key)
    certificate = granted.tls_cert.decode()
    record = login_record.of_certificate(certificate)
    tls = TlsTexts(
        certificate, tls_key.pem(), [pem.decode() for signer in granted.host_signers for pem in signer.tls_certs]
    )
    ssh = SshTexts(
        ssh_key.ssh_pem(), granted.cert.decode(), tuple(login.known_hosts_lines(host, granted.host_signers))
    )
    made = Account(host, port, choice.cluster or record.cluster, record, tls, record.cluster)
    return made.holding(record, tls, ssh)


def _wait(
    client: SyncClient, choice: HeadlessChoice, address: str, ssh_key: PrivateKey, tls_key: PrivateKey
) -> LoginGranted:
    line = ssh_key.public.ssh().encode()
    name = headless_id(line)
    print(
        f"Approve this login in your web browser:\n\n  https://{address}/web/headless/{name}\n\n"
        "or with your own tsh:\n\n"
        f"  tsh headless approve --user={choice.user} --proxy={address} {name}\n",
        file=sys.stderr,
        flush=True,
    )
    granted = client.call(
        routes.LOGIN,
        routes.HeadlessLogin(
            user=choice.user,
            headless_id=name,
            ssh_pub_key=line,
            tls_pub_key=tls_key.public.pem.encode(),
            route_to_cluster=choice.cluster,
        ),
    )
    if not granted.cert or not granted.tls_cert or not granted.host_signers:
        raise NotAuthenticated("the cluster answered without certificates")
    return granted


def keep_in_memory(mode: str) -> None:
    """No core dumps and, unless the mode is off, no swapping of this process. Raises Unsupported in strict mode."""
    if mode not in MLOCK_MODES:
        raise Unsupported(f"--mlock={mode}: expected one of {', '.join(MLOCK_MODES)}")
    problem = _forbid_dumps() or ("" if mode == "off" else _lock_pages())
    if problem and mode == "strict":
        raise Unsupported(f"the keys cannot be kept in memory alone: {problem}; use --mlock=best_effort")
    if problem and mode == "best_effort":
        print(f"WARNING: memory may be swapped to disk: {problem}", file=sys.stderr)


def _forbid_dumps() -> str:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError) as error:
        return str(error)
    return ""


def _lock_pages() -> str:
    """Why not; empty when all pages, present and future, are locked."""
    try:
        import ctypes
        import os
        import resource

        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY and os.geteuid() != 0:
            return "the limit of locked memory is too low"
        library = ctypes.CDLL(None, use_errno=True)
        if library.mlockall(1 | 2):
            return os.strerror(ctypes.get_errno())
    except (ImportError, OSError, AttributeError) as error:
        return str(error)
    return ""
