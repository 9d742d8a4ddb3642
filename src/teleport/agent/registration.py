"""Becoming a host of a cluster: with a token the first time, with what was stored from then on, renewed in time.

A first contact believes nothing: the cluster's authority is fetched and held against the pins, and the token is shown
only to a server that this authority vouches for.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from teleport import __version__
from teleport.agent import identity as identities
from teleport.agent.identity import HostIdentity, HostKeys
from teleport.api.client import Client
from teleport.api.route import Empty
from teleport.api.routes import hosts, public
from teleport.credentials import tls_contexts, x509
from teleport.foundation.clock import Clock
from teleport.foundation.errors import BadParameter, NotAuthenticated, TeleportError, Unsupported
from teleport.foundation.logs import get_logger
from teleport.foundation.versions import numbers
from teleport.net.address import Address
from teleport.net.http_client import HttpClient
from teleport.net.sockets import proxy_for
from teleport.wire.tls_names import ALPN_HTTP, auth_alpn, auth_server_name

log = get_logger("agent")

VERSION_TIMEOUT = 5.0
IDENTITY_FILE = "identity.json"
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True)
class Enrolment:
    """How this host joins: where, by what token, and what it asks to be called.

    `server` is a proxy's or an auth server's address. Without `ca_pins` the server's public certificate has to be one
    that this system trusts, unless `insecure`.
    """

    server: Address
    token: str
    host_id: str
    node_name: str
    role: str = "Node"
    ca_pins: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    insecure: bool = False
    any_version: bool = False
    """Join a cluster that is older than this program, or wants newer ones."""


async def enrol(data_dir: Path, enrolment: Enrolment, clock: Clock) -> HostIdentity:
    """The stored identity while it is good, else a new one by token, stored. Raises what the cluster refuses with."""
    path = data_dir / IDENTITY_FILE
    stored = identities.load(path)
    if stored is not None and not stored.is_expired(clock.now()) and stored.host_id == enrolment.host_id:
        await _check_running_cluster(enrolment, stored)
        return stored
    if not enrolment.token:
        missing = "has no identity here yet" if stored is None else "has an identity that cannot be used any more"
        raise BadParameter(f"this host {missing}: give a token to join the cluster at {enrolment.server}")
    joined = await join(enrolment, clock)
    identities.store(path, joined)
    log.info("joined the cluster", cluster=joined.cluster, host_id=joined.host_id, node=enrolment.node_name)
    return joined


async def join(enrolment: Enrolment, clock: Clock) -> HostIdentity:
    """Ask for credentials by token. Raises NotAuthenticated when the pins do not match, or what the cluster says."""
    cluster, authorities = await _meet(enrolment)
    keys = HostKeys.generate()
    client = Client(_auth_transport(enrolment.server, cluster, tls_contexts.client_context(
        authorities, alpn=(auth_alpn(cluster), ALPN_HTTP)
    )))  # fmt: skip
    try:
        credentials = await client.call(
            hosts.JOIN,
            hosts.Join(
                token=enrolment.token, host_id=enrolment.host_id, node_name=enrolment.node_name, role=enrolment.role,
                public_ssh_key=keys.ssh_public, public_tls_key=keys.tls_public,
                additional_principals=enrolment.principals, dns_names=enrolment.principals,
            ),
        )  # fmt: skip
    finally:
        await client.close()
    return HostIdentity(keys=keys, credentials=credentials, received=clock.now())


async def renew(client: Client, current: HostIdentity, enrolment: Enrolment, clock: Clock) -> HostIdentity:
    """New keys and certificates for the same host, by the identity it has."""
    keys = HostKeys.generate()
    credentials = await client.call(
        hosts.RENEW,
        hosts.RenewHost(
            host_id=current.host_id, node_name=enrolment.node_name, role=enrolment.role,
            public_ssh_key=keys.ssh_public, public_tls_key=keys.tls_public,
            additional_principals=enrolment.principals, dns_names=enrolment.principals,
        ),
    )  # fmt: skip
    return HostIdentity(keys=keys, credentials=credentials, received=clock.now())


def auth_client(server: Address, identity: HostIdentity) -> Client:
    """The API, as this host; through a proxy or straight, whichever `server` is."""
    context = tls_contexts.client_context(
        identity.tls_authorities,
        chain_pem=identity.credentials.tls_certificate.decode(),
        key_pem=identity.keys.tls,
        alpn=(auth_alpn(identity.cluster), ALPN_HTTP),
    )
    return Client(_auth_transport(server, identity.cluster, context))


def _auth_transport(server: Address, cluster: str, context: ssl.SSLContext) -> HttpClient:
    return HttpClient(
        server, tls=context, server_name=auth_server_name(cluster), proxy=proxy_for(server.host, os.environ)
    )


async def _meet(enrolment: Enrolment) -> tuple[str, Sequence[str]]:
    """The cluster's name and its host authority, as far as pins or the server's public certificate vouch for them."""
    unverified = enrolment.insecure or bool(enrolment.ca_pins)
    context = (
        tls_contexts.unverified_client_context(alpn=(ALPN_HTTP,))
        if unverified
        else tls_contexts.system_client_context(alpn=(ALPN_HTTP,))
    )
    server = enrolment.server
    client = Client(HttpClient(server, tls=context, proxy=proxy_for(server.host, os.environ)))
    try:
        found = await client.call(public.FIND, Empty())
        exported = await client.call(public.EXPORT_AUTHORITIES, public.ExportAuthorities(type="tls-host"))
    except NotAuthenticated as error:
        raise NotAuthenticated(
            f"{enrolment.server} shows a certificate this system does not trust ({error.message}): give --ca-pin"
        ) from error
    finally:
        await client.close()
    _check_versions(found, enrolment)
    authorities = _certificates(exported.text)
    if not found.cluster_name or not authorities:
        raise NotAuthenticated(f"{enrolment.server} does not say which cluster it belongs to")
    if enrolment.ca_pins:
        x509.check_pins(authorities, enrolment.ca_pins)
    elif enrolment.insecure:
        log.warning("joining without checking whom", server=enrolment.server)
    return found.cluster_name, authorities


async def _check_running_cluster(enrolment: Enrolment, identity: HostIdentity) -> None:
    """Of a cluster that is away nothing can be said: what was joined before is served on."""
    client = auth_client(enrolment.server, identity)
    try:
        found = await client.call(public.FIND, Empty(), timeout=VERSION_TIMEOUT)
    except TeleportError as error:
        log.debug("the cluster's version is not known", error=error)
        return
    finally:
        await client.close()
    _check_versions(found, enrolment)


def _check_versions(found: public.Find, enrolment: Enrolment) -> None:
    """Raises Unsupported: an agent is not of a later major version than its cluster, nor older than that allows."""
    wrong = ""
    if found.server_version and numbers(__version__)[0] > numbers(found.server_version)[0]:
        wrong = f"newer than the cluster ({found.server_version}): upgrade the cluster first"
    elif found.min_client_version and numbers(__version__) < numbers(found.min_client_version):
        wrong = f"too old for the cluster, which wants {found.min_client_version} or later"
    if wrong and not enrolment.any_version:
        raise Unsupported(f"this program is {__version__}, {wrong}; --skip-version-check goes on all the same")
    if wrong:
        log.warning("versions do not fit", version=__version__, problem=wrong)


def _certificates(text: str) -> list[str]:
    return [f"{_BEGIN}{part.partition(_END)[0]}{_END}\n" for part in text.split(_BEGIN)[1:]]
