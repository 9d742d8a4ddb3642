"""Events of integrations: SAML identity provider, Okta, reports, SPIFFE, SCIM, billing and others."""

from __future__ import annotations

from typing import ClassVar

from teleport.model.events.base import ResourceEvent, UserEvent, variant


class IntegrationEvent(ResourceEvent):
    """What these have in common beyond a resource's name."""

    method: str = ""
    service_provider_entity_id: str = ""
    service_provider_shortcut: str = ""
    source: str = ""
    added: int = 0
    updated: int = 0
    deleted: int = 0
    details: dict[str, object] = {}


class SVIDIssued(UserEvent):
    """A workload got an identity."""

    type: ClassVar[str] = "spiffe.svid.issued"
    code: ClassVar[str] = "TSPIFFE000I"

    spiffe_id: str = ""
    dns_sans: list[str] = []
    ip_sans: list[str] = []
    svid_type: str = ""
    serial_number: str = ""
    hint: str = ""
    jti: str = ""
    audiences: list[str] = []
    attributes: dict[str, object] = {}
    name: str = ""


class SVIDRefused(SVIDIssued):
    code = "TSPIFFE000E"


class Unrecognised(IntegrationEvent):
    """In place of an event that could not be understood; `data` is the raw form."""

    type: ClassVar[str] = "unknown"
    code: ClassVar[str] = "TCC00E"

    unknown_event: str = ""
    unknown_code: str = ""
    data: str = ""


def _each(code: str, letters: str, *names: str, first: int = 1) -> tuple[type[IntegrationEvent], ...]:
    return tuple(
        variant(
            IntegrationEvent,
            "".join(part.title() for part in name.replace("_", ".").split(".")) + ("" if letter == "I" else "Failed"),
            name,
            f"{code % number}{letter}",
        )
        for number, name in enumerate(names, first)
        for letter in letters
    )


SAML_IDP = (
    *_each("TSI%03d", "I", "saml.idp.auth", first=0),
    *_each(
        "TSI%03d", "IW", *(f"saml.idp.service.provider.{v}" for v in ("create", "update", "delete", "delete_all"))
    ),
)
OKTA = (
    *_each("TOK%03d", "I", "okta.groups.update", "okta.applications.update"),
    *_each("TOK%03d", "E", "okta.sync.failure", first=3),
    *_each(
        "TOK%03d",
        "IE",
        *(f"okta.{word}" for word in ("assignment.process", "assignment.cleanup", "access_list.sync", "user.sync")),
        first=4,
    ),
)
REPORTS = _each("SRE%03d", "I", "secreports.audit.query.run", "secreports.report.run")
IDENTITY_CENTER = tuple(
    variant(IntegrationEvent, f"IdentityCenterSync{word.title()}", f"aws_identity_center.resource_sync.{word}", code)
    for word, code in (("success", "TAIC001I"), ("failed", "TAIC001E"))
)
SCIM = _each("TSCIM%03d", "IE", *(f"scim.{verb}" for verb in ("create", "update", "delete", "get", "list", "patch")))
BILLING = _each(
    "TBL%02d",
    "I",
    *(f"billing.{verb}" for verb in ("create_card", "delete_card", "update_card", "update_info")),
    first=0,
)
PATH_CHANGED = _each("TAG%03d", "I", "access_graph.path.changed")
SSM = _each("TDS%02d", "IW", "ssm.run", first=0)
