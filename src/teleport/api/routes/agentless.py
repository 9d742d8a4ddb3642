"""What proxies need to serve servers themselves: a certificate to show for a server, and one to enter it with."""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.route import Audience, Route


class IssueServerCertificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A host certificate with the names of a node that the proxy serves. `node` is its name, the UUID."""

    node: str
    ssh_public_key: bytes


class IssueLoginCertificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A certificate of the openssh authority for one login on one agentless node, for a moment.

    `ssh_certificate` is the one that the person has shown, and has proved to hold the key of.
    """

    node: str
    login: str
    ssh_certificate: bytes
    ssh_public_key: bytes
    client_address: str = ""


class SshCertificateIssued(msgspec.Struct, frozen=True, kw_only=True):
    ssh_certificate: bytes
    expires: datetime


class FindServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Is a node without an agent at one of these names or addresses?"""

    hosts: tuple[str, ...]
    port: int


class ServerFound(msgspec.Struct, frozen=True):
    """Its host name; empty when there is none."""

    hostname: str = ""


FIND_SERVER = Route(
    "POST", "/v1/agentless/find", FindServer, ServerFound,
    summary="Tell a host whether an address is that of a node without an agent",
)  # fmt: skip
ISSUE_SERVER = Route(
    "POST", "/v1/agentless/server", IssueServerCertificate, SshCertificateIssued, Audience.PROXY,
    summary="Certify a proxy to speak for a node that it serves",
)  # fmt: skip
ISSUE_LOGIN = Route(
    "POST", "/v1/agentless/login", IssueLoginCertificate, SshCertificateIssued, Audience.PROXY,
    summary="Certify a login on a node that runs no agent",
)  # fmt: skip
ROUTES = (ISSUE_SERVER, ISSUE_LOGIN, FIND_SERVER)
