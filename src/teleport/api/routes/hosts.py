"""Hosts: joining with a token, and renewing the identity a host has."""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.json_value import Json
from teleport.api.route import Audience, Route


class Join(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One host asking for one system role. Keys: SSH in authorized_keys form, TLS in PEM.

    `additional_principals` and `dns_names` are names by which clients may reach this host.
    """

    token: str
    host_id: str
    node_name: str
    role: str
    public_ssh_key: bytes
    public_tls_key: bytes
    additional_principals: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    method: str = "token"
    proof: Json | None = None
    """What delegated join methods ask for."""


class HostCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """`tls_authorities` are the host CA's certificates (PEM), `ssh_authorities` its keys; the user CA's likewise."""

    host_id: str
    cluster: str
    role: str
    ssh_certificate: bytes
    tls_certificate: bytes
    tls_authorities: tuple[bytes, ...]
    ssh_authorities: tuple[bytes, ...]
    user_tls_authorities: tuple[bytes, ...] = ()
    user_ssh_authorities: tuple[bytes, ...] = ()
    expires: datetime


class RenewHost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New certificates for the host that calls, by the identity it shows: same host id, same role.

    An `Instance` may ask for any of the system roles its certificate lists.
    """

    host_id: str
    node_name: str
    role: str
    public_ssh_key: bytes
    public_tls_key: bytes
    additional_principals: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()


JOIN = Route(
    "POST",
    "/webapi/host/credentials",
    Join,
    HostCredentials,
    Audience.PUBLIC,
    summary="Join a host to the cluster",
    heavy=True,
)
RENEW = Route("POST", "/v1/host/renew", RenewHost, HostCredentials, summary="Renew the identity of the calling host")
ROUTES = (JOIN, RENEW)
