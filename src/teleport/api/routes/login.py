"""Logging in with a password and a second factor, or with a passkey alone.

`webauthn_challenge` and its answers are the JSON forms of WebAuthn (`publicKey` options; credential with base64url
fields) and pass through unread here. Every failure reads `invalid username, password or second factor`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.json_value import Json
from teleport.api.route import Audience, Route


class BeginLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`passwordless` asks for a challenge that any passkey of this cluster may answer; user and pass stay empty."""

    user: str = ""
    password: str = msgspec.field(name="pass", default="")
    passwordless: bool = False


class LoginChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """What the second factor may be. Neither: the cluster asks for none."""

    webauthn_challenge: Json | None = None
    totp_challenge: bool = False


class FinishLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`pub_key` is the older form for one SSH key used for both certificates; it is never mixed with the newer two.

    Keys are bytes, base64 in JSON: SSH in authorized_keys form, TLS in PEM. `ttl` is nanoseconds, 0 for the default.
    """

    user: str = ""
    password: str = ""
    totp_code: str = ""
    webauthn_challenge_response: Json | None = None
    pub_key: bytes = b""
    ssh_pub_key: bytes = b""
    tls_pub_key: bytes = b""
    attestation_statement: Json | None = None
    ttl: int = 0
    compatibility: str = ""
    route_to_cluster: str = msgspec.field(name="RouteToCluster", default="")
    kubernetes_cluster: str = msgspec.field(name="KubernetesCluster", default="")


class HostSigner(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster whose hosts the client may trust: SSH keys in authorized_keys form and CA certificates in PEM."""

    domain_name: str
    checking_keys: tuple[bytes, ...] = ()
    tls_certs: tuple[bytes, ...] = ()


class LoginGranted(msgspec.Struct, frozen=True, kw_only=True):
    """`cert` is the SSH certificate line, `tls_cert` PEM; each empty when no key for it was sent."""

    username: str
    cert: bytes = b""
    tls_cert: bytes = b""
    host_signers: tuple[HostSigner, ...] = ()
    expires: datetime | None = None


class FinishSessionLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A browser's login, as the proxy passes it on. One second factor, or a passkey answer without user and pass."""

    user: str = ""
    password: str = msgspec.field(name="pass", default="")
    second_factor_token: str = ""
    webauthn_assertion_response: Json | None = msgspec.field(name="webauthnAssertionResponse", default=None)


class WebSessionGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A web session as a proxy keeps it. `session_id` is the secret of the cookie, `bearer_token` of the page.

    The keys and certificates are what the proxy shows to auth and to agents for this browser.
    """

    username: str
    session_id: str
    bearer_token: str
    bearer_expires: datetime
    expires: datetime
    inactive_timeout: int = 0
    """Milliseconds without a call after which the session ends; 0 is never."""
    tls_certificate: bytes = b""
    tls_key: bytes = b""
    ssh_certificate: bytes = b""
    ssh_key: bytes = b""
    """OpenSSH private key."""
    roles: tuple[str, ...] = ()
    access_requests: tuple[str, ...] = ()
    """Those that were taken on in this session; the certificates carry what they add until `access_ends`."""
    access_ends: datetime | None = None


BEGIN = Route(
    "POST",
    "/webapi/mfa/login/begin",
    BeginLogin,
    LoginChallenge,
    Audience.PUBLIC,
    summary="Ask for the second factor's challenge",
    heavy=True,
)
FINISH = Route(
    "POST",
    "/webapi/mfa/login/finish",
    FinishLogin,
    LoginGranted,
    Audience.PUBLIC,
    summary="Log in and get certificates",
    heavy=True,
)
FINISH_SESSION = Route(
    "POST",
    "/webapi/mfa/login/finishsession",
    FinishSessionLogin,
    WebSessionGrant,
    Audience.PROXY,
    summary="Log a browser in after a challenge",
    heavy=True,
)
CREATE_SESSION = Route(
    "POST",
    "/webapi/sessions/web",
    FinishSessionLogin,
    WebSessionGrant,
    Audience.PROXY,
    summary="Log a browser in with a password and a one-time code",
    heavy=True,
)
ROUTES = (BEGIN, FINISH, FINISH_SESSION, CREATE_SESSION)
