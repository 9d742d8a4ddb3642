"""What the auth service is told when it is built. Whatever may change while it runs is a resource in the store."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from teleport.model.resource import Resource


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`cluster_name` and `host_id` are fixed at the first start.

    `public_addrs` are the web addresses of the proxies (`host:port`), the first one is used in links; every one is an
    origin of WebAuthn. `configured` are singletons and static tokens from the configuration file, asserted at each
    start; `bootstrap` resources are written only into an empty store; `apply_on_startup` at each start.
    """

    cluster_name: str
    host_id: str
    version: str
    host_name: str = "localhost"
    public_addrs: tuple[str, ...] = ()
    relying_party: str = ""
    configured: tuple[Resource, ...] = ()
    bootstrap: tuple[Resource, ...] = ()
    apply_on_startup: tuple[Resource, ...] = ()
    first_user_logins: tuple[str, ...] = ("root",)
    allow_no_second_factor: bool = False
    min_client_version: str = "16.0.0"

    @property
    def public_addr(self) -> str:
        """For links; empty when no proxy address is known."""
        return self.public_addrs[0] if self.public_addrs else ""


MAX_CERTIFICATE_TTL = timedelta(hours=30)
DEFAULT_SESSION_TTL = timedelta(hours=12)
CLOCK_SKEW = timedelta(minutes=1)

INVITE_TTL, MAX_INVITE_TTL = timedelta(hours=1), timedelta(hours=48)
RESET_TTL, MAX_RESET_TTL = timedelta(hours=8), timedelta(hours=24)
TOKEN_TTL, MAX_TOKEN_TTL = timedelta(minutes=30), timedelta(days=365)

CHALLENGE_TTL = timedelta(minutes=5)
BEARER_TTL = timedelta(minutes=10)
LOGIN_FAILURES = 5
LOGIN_WINDOW = timedelta(minutes=30)
LOGIN_LOCK = timedelta(minutes=30)

HOST_CERTIFICATE_TTL = timedelta(days=90)  # renewed at two thirds of it
ADMIN_CERTIFICATE_TTL = timedelta(days=7)
TRACKER_TTL = timedelta(minutes=30)
UPLOAD_GRACE = timedelta(minutes=30)
STREAM_SILENCE = timedelta(minutes=5)  # hosts give a sign of each streamed recording every half minute
COMPLETER_INTERVAL = timedelta(minutes=1)
HEARTBEAT = timedelta(minutes=5)
NOTICE_INTERVAL = timedelta(minutes=10)
REQUESTS_INTERVAL = timedelta(seconds=20)
