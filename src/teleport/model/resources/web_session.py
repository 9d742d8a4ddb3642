"""Web session: what a browser's cookie stands for on the server side. Its name is the secret."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from teleport.model.resource import Model, Resource, require
from teleport.model.sensitive import Secret
from teleport.model.values import Duration, Instant


class WebSessionSpec(Model):
    """The session's own user identity (PEM, OpenSSH lines). Without `idle_timeout` the cluster's holds."""

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
    consumed_access_request_id: str = ""
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

    def check_spec(self) -> None:
        require(self.spec.user, "spec.user is missing")
        require(self.metadata.expires, "metadata.expires is missing, a web session always ends")


WebSessionKind = Literal["", "app_session", "snowflake_session", "saml_session"]
