"""Web session: what a browser's cookie stands for on the server side. Its name is the secret."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from teleport.model.resource import Model, Resource, require
from teleport.model.sensitive import Secret
from teleport.model.values import Duration, Instant, StringList


class AssumedAccess(Model):
    """Access requests that were taken on: their certificates stand in for the session's own until they end."""

    requests: StringList
    tls_certificate: str
    ssh_certificate: str
    expires: Instant


class WebSessionSpec(Model):
    """The session's own user identity (PEM, OpenSSH lines). Without `idle_timeout` the cluster's holds.

    The keys are for `assumed` too.
    """

    user: str
    ssh_key: Secret[str] | None = None
    ssh_certificate: str = ""
    tls_key: Secret[str] | None = None
    tls_certificate: str = ""
    bearer_token: Secret[str] | None = None
    bearer_token_expires: Instant | None = None
    login_time: Instant | None = None
    last_active: Instant | None = None
    idle_timeout: Duration | None = None
    assumed: AssumedAccess | None = None
    has_device_extensions: bool = False
    client_addr: str = ""
    user_agent: str = ""


class WebSession(Resource):
    KIND: ClassVar[str] = "web_session"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    SUB_KINDS: ClassVar[tuple[str, ...]] = ("", "app_session", "snowflake_session", "saml_session")
    NAME_IS_SECRET: ClassVar[bool] = True

    spec: WebSessionSpec

    def is_idle(self, now: datetime) -> bool:
        """Whether nothing was heard for `idle_timeout`."""
        last, limit = self.spec.last_active, self.spec.idle_timeout
        return bool(last and limit and now - last >= limit)

    def assumed_at(self, now: datetime) -> AssumedAccess | None:
        """What was taken on, while it lasts."""
        assumed = self.spec.assumed
        return assumed if assumed is not None and assumed.expires > now else None

    def tls_certificate_at(self, now: datetime) -> str:
        return (self.assumed_at(now) or self.spec).tls_certificate

    def ssh_certificate_at(self, now: datetime) -> str:
        return (self.assumed_at(now) or self.spec).ssh_certificate

    def check_spec(self) -> None:
        require(self.spec.user, "spec.user is missing")
        require(self.metadata.expires, "metadata.expires is missing, a web session always ends")


WebSessionKind = Literal["", "app_session", "snowflake_session", "saml_session"]
