"""Certificates for a live identity, for a person an administrator names, for OpenSSH hosts; and the authorities."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from teleport.api.route import Empty, Route, Shape
from teleport.api.routes.login import HostSigner
from teleport.api.routes.mfa import MfaResponse
from teleport.api.routes.public import AuthoritiesText, ExportAuthorities


class IssueCertificates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Certificates for the caller; for another user (`username`) when the caller may (the auth host's administrator,
    or by a role's `impersonate`). A reissue never outlives and never widens what the caller shows.

    Keys: SSH in authorized_keys form, TLS in PEM; a certificate is made for each key that is sent.
    """

    username: str = ""
    ssh_public_key: bytes = b""
    tls_public_key: bytes = b""
    ttl: timedelta | None = None
    format: str = "standard"
    route_to_cluster: str = ""
    kubernetes_cluster: str = ""
    database_service: str = ""
    database_protocol: str = ""
    database_user: str = ""
    database_name: str = ""
    application_name: str = ""
    usage: tuple[str, ...] = ()
    access_requests: tuple[str, ...] = ()
    drop_access_requests: tuple[str, ...] = ()
    target: str = ""
    """The resource a single-use certificate is for."""
    mfa_response: MfaResponse | None = None


class CertificatesIssued(msgspec.Struct, frozen=True, kw_only=True):
    username: str
    ssh_certificate: bytes = b""
    tls_certificate: bytes = b""
    host_signers: tuple[HostSigner, ...] = ()
    tls_authorities: tuple[bytes, ...] = ()
    """Certificates of the user CA, PEM, for an identity file."""
    expires: datetime | None = None


class IssueHostCertificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An SSH host certificate for a server that is not ours; `ttl` None: without end."""

    ssh_public_key: bytes = b""
    tls_public_key: bytes = b""
    principals: tuple[str, ...]
    ttl: timedelta | None = None


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """An authority's public side. `pins` are of its TLS certificates, active first."""

    type: str
    cluster: str
    phase: str = "standby"
    ssh_keys: tuple[bytes, ...] = ()
    tls_certificates: tuple[bytes, ...] = ()
    jwt_keys: tuple[bytes, ...] = ()
    pins: tuple[str, ...] = ()


class Authorities(msgspec.Struct, frozen=True):
    authorities: tuple[Authority, ...] = ()


ISSUE = Route("POST", "/v1/certificates", IssueCertificates, CertificatesIssued, summary="Issue user certificates")
ISSUE_HOST = Route(
    "POST", "/v1/certificates/host", IssueHostCertificate, CertificatesIssued, summary="Issue a host certificate"
)
AUTHORITIES = Route("GET", "/v1/authorities", Empty, Authorities, summary="Public sides of all authorities")
EXPORT = Route(
    "GET",
    "/v1/authorities/export",
    ExportAuthorities,
    AuthoritiesText,
    shape=Shape.TEXT,
    summary="Authorities in the form a program wants",
)
ROUTES = (ISSUE, ISSUE_HOST, AUTHORITIES, EXPORT)
