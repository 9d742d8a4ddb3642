"""How the auth service is named and reached: its TLS names, behind a proxy's single port or at its own, and an
HTTPS proxy on the way there. Cheap to import: short-lived commands use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.wire.tls_names import auth_alpn, auth_server_name

__all__ = [
    "AUTH_PORT",
    "CLIENT_ADDRESS_HEADER",
    "MFA_HEADER",
    "PROXY_PORT",
    "WEB_SESSION_HEADER",
    "HttpsProxy",
    "auth_alpn",
    "auth_server_name",
    "https_proxy_for",
    "split_address",
]

CLIENT_ADDRESS_HEADER = "teleport-client-addr"
"""Set by a proxy: the address of the stranger it calls for. Believed from proxies only."""
WEB_SESSION_HEADER = "teleport-web-session"
"""Set by a proxy: the secret of the web session whose person it calls for. Believed from proxies only."""
MFA_HEADER = "teleport-mfa-response"
"""Goes with a call that needs a fresh proof: the answer to a challenge (routes.mfa.MfaResponse), base64url JSON."""
AUTH_PORT = 3025
PROXY_PORT = 3080


class HttpsProxy(msgspec.Struct, frozen=True):
    """A CONNECT proxy between us and the cluster; `authorization` is the header value, empty for none."""

    host: str
    port: int
    authorization: str = ""


def https_proxy_for(host: str, environment: Mapping[str, str]) -> HttpsProxy | None:
    """What HTTPS_PROXY says about `host`, unless NO_PROXY excepts it. Raises BadParameter for a URL without host."""
    url = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
    excepted = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if not url or _is_excepted(host, excepted):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if not parts.hostname:
        raise BadParameter("HTTPS_PROXY: expected a URL like http://proxy.example.com:3128")
    return HttpsProxy(parts.hostname, parts.port or 3128, _authorization(parts.username, parts.password))


def _authorization(user: str | None, password: str | None) -> str:
    if user is None:
        return ""
    from base64 import b64encode

    return "Basic " + b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()


def _is_excepted(host: str, excepted: str) -> bool:
    name = host.lower().rstrip(".")
    if name in ("localhost", "127.0.0.1", "::1"):
        return True
    for entry in excepted.lower().split(","):
        suffix = entry.strip().lstrip("*").lstrip(".").split(":")[0]
        if entry.strip() == "*" or (suffix and (name == suffix or name.endswith(f".{suffix}"))):
            return True
    return False


def split_address(address: str, default_port: int) -> tuple[str, int]:
    """`host`, `host:port`, `[v6]:port` or an https URL. Raises BadParameter."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadParameter(f"address {address!r}: {error}") from error
    if not host:
        raise BadParameter(f"address {address!r}: expected host or host:port")
    return host, port or default_port
