"""Logging in at an OpenID provider. The browser goes there and comes back to the proxy; `tsh` waits at its address.

What went wrong reads the same to everybody; an administrator finds the reason in the audit log.
"""

from __future__ import annotations

import msgspec

from teleport.api.route import Audience, Route
from teleport.api.routes.login import LoginGranted, WebSessionGrant


class StartLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client's login. Keys and `ttl` as of another login. `callback` is the client's own address, http to its own
    machine; the answer comes there in `answer`, sealed with `seal_key` (32 bytes) so that only the client reads it.

    `proxy_host` is the proxy as the client calls it: it picks the connector's address for the way back.
    """

    connector_id: str
    callback: str
    seal_key: bytes
    ssh_pub_key: bytes = b""
    tls_pub_key: bytes = b""
    ttl: int = 0
    compatibility: str = ""
    route_to_cluster: str = msgspec.field(name="RouteToCluster", default="")
    kubernetes_cluster: str = msgspec.field(name="KubernetesCluster", default="")
    proxy_host: str = ""


class StartWebLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A browser's login. `browser` is the secret of a cookie that must come back with the provider's answer."""

    connector_id: str
    browser: str
    next: str = ""
    proxy_host: str = ""


class LoginStarted(msgspec.Struct, frozen=True):
    """Where to send the browser."""

    redirect_url: str


class ProviderAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came back in the browser, with its cookie if it has one."""

    state: str = ""
    code: str = ""
    error: str = ""
    issuer: str = ""
    browser: str = ""


class LoginAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A web login ends in a session; a client's at the client's own address, for better or worse."""

    redirect_url: str
    session: WebSessionGrant | None = None


class SealedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed for the client: a ticket for its certificates, or why there is none."""

    ticket: str = ""
    error: str = ""
    event_id: str = ""


class FinishLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ticket: str


SEAL_PURPOSE = "single sign-on answer"
START = Route(
    "POST",
    "/webapi/oidc/login/console",
    StartLogin,
    LoginStarted,
    Audience.PUBLIC,
    summary="Start a client's login at a provider",
    heavy=True,
)
FINISH = Route(
    "POST",
    "/webapi/oidc/login/finish",
    FinishLogin,
    LoginGranted,
    Audience.PUBLIC,
    summary="Certificates for a client's ticket",
    heavy=True,
)
START_WEB = Route(
    "POST",
    "/webapi/oidc/login/web",
    StartWebLogin,
    LoginStarted,
    Audience.PROXY,
    summary="Start a browser's login at a provider",
    heavy=True,
)
CALLBACK = Route(
    "POST",
    "/webapi/oidc/callback",
    ProviderAnswer,
    LoginAnswer,
    Audience.PROXY,
    summary="What a provider answered in the browser",
    heavy=True,
)
ROUTES = (START, FINISH, START_WEB, CALLBACK)
