"""What a client asks before it has a certificate: who are you, how do I log in, is there a message of the day."""

from __future__ import annotations

import msgspec

from teleport.api.route import Audience, Empty, Route, Shape


class LocalLogin(msgspec.Struct, frozen=True):
    name: str = ""


class WebauthnSettings(msgspec.Struct, frozen=True):
    rp_id: str = ""


class ConnectorSettings(msgspec.Struct, frozen=True):
    """A provider's login: `name` for `--auth`, `display` for people."""

    name: str
    display: str = ""


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to log in here. `second_factor` is the older single word, `second_factors` the list of newer clients."""

    type: str = "local"
    second_factor: str = "on"
    second_factors: tuple[str, ...] = ()
    preferred_local_mfa: str = ""
    allow_passwordless: bool = False
    allow_headless: bool = False
    local: LocalLogin = LocalLogin()
    oidc: ConnectorSettings | None = None
    """The connector that is asked for, or that is the default."""
    connectors: tuple[ConnectorSettings, ...] = ()
    """All that the login page offers."""
    webauthn: WebauthnSettings | None = None
    private_key_policy: str = "none"
    has_motd: bool = False
    default_session_ttl: str = ""
    signature_algorithm_suite: str = ""


class SshProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    listen_addr: str = ""
    tunnel_listen_addr: str = ""
    web_listen_addr: str = ""
    public_addr: str = ""
    ssh_tunnel_public_addr: str = ""
    dial_timeout: int = 0
    """Nanoseconds that the proxy takes at most to reach a server."""


class KubeProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool = False
    public_addr: str = ""
    listen_addr: str = ""


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect. The auth service leaves addresses empty; the proxy fills in its own."""

    ssh: SshProxySettings = SshProxySettings()
    kube: KubeProxySettings = KubeProxySettings()
    tls_routing_enabled: bool = True


class Ping(msgspec.Struct, frozen=True, kw_only=True):
    auth: AuthSettings = AuthSettings()
    proxy: ProxySettings = ProxySettings()
    server_version: str = ""
    min_client_version: str = ""
    cluster_name: str = ""
    edition: str = "community"
    fips: bool = False


class Find(msgspec.Struct, frozen=True, kw_only=True):
    proxy: ProxySettings = ProxySettings()
    server_version: str = ""
    min_client_version: str = ""
    cluster_name: str = ""


class ConnectorName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connector: str


class MessageOfTheDay(msgspec.Struct, frozen=True):
    text: str = ""


class ExportAuthorities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`type` as `tctl auth export --type`: host, user, tls, tls-host, tls-user, tls-user-der, windows, db, db-der,
    db-client, db-client-der, openssh, saml-idp, jwt, github, spiffe. Empty: user and host SSH keys together.
    `compat` 1.0 prints user keys as bare keys.
    """

    type: str = ""
    compat: str = ""
    fingerprint: str = ""


class AuthoritiesText(msgspec.Struct, frozen=True):
    text: str


PING = Route("GET", "/webapi/ping", Empty, Ping, Audience.PUBLIC, summary="Describe the cluster and its login")
PING_CONNECTOR = Route(
    "GET", "/webapi/ping/{connector}", ConnectorName, Ping, Audience.PUBLIC, summary="Describe login by a connector"
)
FIND = Route("GET", "/webapi/find", Empty, Find, Audience.PUBLIC, summary="Where the proxy listens")
MOTD = Route("GET", "/webapi/motd", Empty, MessageOfTheDay, Audience.PUBLIC, summary="Message of the day")
EXPORT_AUTHORITIES = Route(
    "GET",
    "/webapi/auth/export",
    ExportAuthorities,
    AuthoritiesText,
    Audience.PUBLIC,
    Shape.TEXT,
    "Public keys of the cluster's authorities",
)
ROUTES = (PING, PING_CONNECTOR, FIND, MOTD, EXPORT_AUTHORITIES)
