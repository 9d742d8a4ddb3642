"""SAML IdP service provider: an application that trusts this cluster as its identity provider."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import StringList


class SAMLAttribute(Model):
    name: str
    value: str = ""
    name_format: str = ""


class SAMLIdPServiceProviderSpec(Model):
    entity_descriptor: str = ""
    entity_id: str = ""
    acs_url: str = ""
    attribute_mapping: list[SAMLAttribute] = []
    preset: str = ""
    relay_state: str = ""
    launch_urls: StringList = []


class SAMLIdPServiceProvider(Resource):
    KIND: ClassVar[str] = "saml_idp_service_provider"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: SAMLIdPServiceProviderSpec = msgspec.field(default_factory=SAMLIdPServiceProviderSpec)

    def check_spec(self) -> None:
        spec = self.spec
        is_whole = spec.entity_descriptor or (spec.entity_id and spec.acs_url)
        require(is_whole, "spec needs entity_descriptor, or entity_id and acs_url")
        names = [attribute.name for attribute in spec.attribute_mapping]
        require(
            all(names) and len(set(names)) == len(names), "spec.attribute_mapping: names are missing or used twice"
        )
