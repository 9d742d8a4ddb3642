"""OIDC connector: claims of an OpenID provider become roles."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.resources.connector_settings import ClientRedirectSettings
from teleport.model.resources.role_conditions import ClaimMapping
from teleport.model.resources.role_rules import check_claims
from teleport.model.sensitive import Secret
from teleport.model.values import Flag, StringList


class OIDCMFASettings(Model):
    """A second client at the provider for MFA checks."""

    enabled: Flag = False
    client_id: str = ""
    client_secret: Secret[str] | None = None
    acr_values: str = ""
    prompt: str = ""
    max_age: str | int = ""


class OIDCConnectorSpec(Model):
    """`redirect_url` is a list: the one of the proxy asked is taken, else the first.

    Auth demands `client_secret` of a new connector; a change may come without, as lists do not show it.
    """

    issuer_url: str = ""
    client_id: str = ""
    client_secret: Secret[str] | None = None
    redirect_url: StringList = []
    display: str = ""
    provider: str = ""
    prompt: str | None = None
    scope: StringList = []
    acr_values: str = ""
    claims_to_roles: list[ClaimMapping] = []
    username_claim: str = ""
    google_service_account: Secret[str] | None = None
    google_service_account_uri: str = ""
    google_admin_email: str = ""
    max_age: str | int = ""
    allow_unverified_email: Flag = False
    client_redirect_settings: ClientRedirectSettings | None = None
    mfa: OIDCMFASettings | None = None
    pkce_mode: str = ""
    user_matchers: StringList = []
    request_object_mode: str = ""


class OIDCConnector(Resource):
    KIND: ClassVar[str] = "oidc"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"

    spec: OIDCConnectorSpec = msgspec.field(default_factory=OIDCConnectorSpec)

    def check_spec(self) -> None:
        spec = self.spec
        for field in ("issuer_url", "client_id"):
            require(getattr(spec, field), f"spec.{field} is missing")
        require(spec.redirect_url and all(spec.redirect_url), "spec.redirect_url needs at least one address")
        both = spec.google_service_account and spec.google_service_account_uri
        require(not both, "spec.google_service_account and spec.google_service_account_uri exclude each other")
        check_claims(spec.claims_to_roles, "spec")
