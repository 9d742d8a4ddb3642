"""Cluster alert: a message for those whom its labels name; and the acknowledgement that hides it for a time."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Instant, choice, meta, utc

PREFIX = "teleport.internal/"
ON_LOGIN = "teleport.internal/alert-on-login"
PERMIT_ALL = "teleport.internal/alert-permit-all"
VERB_PERMIT = "teleport.internal/alert-verb-permit"
SUPERSEDES = "teleport.internal/alert-supersedes"
LINK = "teleport.internal/link"
LINK_TEXT = "teleport.internal/link-text"
ACCESS_LIST = "teleport.internal/access-list"
"""The list that the alert is about: its owners see it whatever their roles say."""
YES = "yes"
MAX_MESSAGE = 1024
MAX_REASON = 256
_MAX_LABELS, _MAX_LABEL = 20, 1024
_LINK_HOST = "goteleport.com"
_VERB = re.compile(r"[a-z_*]+:[a-z_*]+\Z")

Severity = Annotated[
    Literal["LOW", "MEDIUM", "HIGH"],
    meta(
        choice(
            "severity",
            {0: "LOW", 5: "MEDIUM", 10: "HIGH"},
            {word.lower(): word for word in ("LOW", "MEDIUM", "HIGH")},
        )
    ),
]
SEVERITIES: tuple[Literal["LOW", "MEDIUM", "HIGH"], ...] = ("LOW", "MEDIUM", "HIGH")


class ClusterAlertSpec(Model, kw_only=True):
    """Severities are also the numbers 0, 5 and 10."""

    severity: Severity = "LOW"
    message: str
    created: Instant | None = None


class ClusterAlert(Resource):
    KIND: ClassVar[str] = "cluster_alert"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: ClusterAlertSpec

    def check_spec(self) -> None:
        message = self.spec.message
        require(message.strip(), "spec.message is empty")
        require(len(message) <= MAX_MESSAGE, f"spec.message is longer than {MAX_MESSAGE} characters")
        is_text = all(character.isprintable() or character == "\n" for character in message)
        require(is_text, "spec.message has characters that cannot be printed")
        self.spec.created = utc(self.spec.created, "spec.created")
        self._check_labels()

    def _check_labels(self) -> None:
        labels = self.metadata.labels
        require(len(labels) <= _MAX_LABELS, f"metadata.labels: more than {_MAX_LABELS} labels")
        for key, value in labels.items():
            is_fit = len(value) <= _MAX_LABEL and value.isprintable()
            require(is_fit, f"metadata.labels.{key}: longer than {_MAX_LABEL} characters, or not printable")
        if permit := labels.get(VERB_PERMIT):
            is_fit = all(_VERB.match(one) for one in permit.split("|"))
            require(is_fit, f"metadata.labels.{VERB_PERMIT} is {permit!r}, expected kind:verb|kind:verb")
        if link := labels.get(LINK):
            require(_is_link(link), f"metadata.labels.{LINK} is {link!r}, expected an https URL at {_LINK_HOST}")


class AlertAcknowledgementSpec(Model, kw_only=True):
    reason: str = ""
    acknowledged_by: str = ""
    created: Instant | None = None


class AlertAcknowledgement(Resource):
    """Its name is the alert's, which need not exist; it ends by itself."""

    KIND: ClassVar[str] = "cluster_alert_ack"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: AlertAcknowledgementSpec

    def check_spec(self) -> None:
        reason = self.spec.reason
        require(len(reason) <= MAX_REASON, f"spec.reason is longer than {MAX_REASON} characters")
        require(reason.isprintable(), "spec.reason has characters that cannot be printed")
        self.spec.created = utc(self.spec.created, "spec.created")


def _is_link(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" and not parts.username and (host == _LINK_HOST or host.endswith(f".{_LINK_HOST}"))
