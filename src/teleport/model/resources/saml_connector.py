"""SAML connector: attributes of an identity provider become roles."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.resources.connector_settings import AttributeMapping, ClientRedirectSettings, check_roles
from teleport.model.sensitive import Secret
from teleport.model.values import Flag, StringList


class AsymmetricKeyPair(Model):
    """PEM."""

    private_key: Secret[str] | None = None
    cert: str = ""


class SAMLMFASettings(Model):
    enabled: Flag = False
    entity_descriptor: str = ""
    entity_descriptor_url: str = ""
    force_reauth: Flag | None = None
    issuer: str = ""
    sso: str = ""
    cert: str = ""


class SAMLConnectorSpec(Model):
    """`audience` and `service_provider_issuer` default to `acs`."""

    acs: str = ""
    attributes_to_roles: list[AttributeMapping] = []
    issuer: str = ""
    sso: str = ""
    cert: str = ""
    entity_descriptor: str = ""
    entity_descriptor_url: str = ""
    audience: str = ""
    service_provider_issuer: str = ""
    display: str = ""
    provider: str = ""
    signing_key_pair: AsymmetricKeyPair | None = None
    assertion_key_pair: AsymmetricKeyPair | None = None
    allow_idp_initiated: Flag = False
    single_logout_url: str = ""
    force_authn: Flag | Literal["", "yes", "no", "unspecified"] | None = None
    preferred_request_binding: Literal["", "http-post", "http-redirect"] = ""
    client_redirect_settings: ClientRedirectSettings | None = None
    mfa: SAMLMFASettings | None = None
    user_matchers: StringList = []
    include_subject: Flag = False


class SAMLConnector(Resource):
    KIND: ClassVar[str] = "saml"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"

    spec: SAMLConnectorSpec = msgspec.field(default_factory=SAMLConnectorSpec)

    def check_spec(self) -> None:
        spec = self.spec
        require(spec.acs, "spec.acs is missing")
        described = spec.entity_descriptor or spec.entity_descriptor_url
        require(
            described or (spec.issuer and spec.sso),
            "spec needs entity_descriptor, entity_descriptor_url, or issuer and sso",
        )
        require(spec.attributes_to_roles, "spec.attributes_to_roles is empty, nobody could log in")
        for number, row in enumerate(spec.attributes_to_roles):
            where = f"spec.attributes_to_roles[{number}]"
            require(row.name and row.value, f"{where}: name and value are needed")
            check_roles(row.roles, where)
