"""Cluster alert: a message for those whom its labels name; and its acknowledgement."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Instant, choice, meta, utc

ON_LOGIN = "teleport.internal/alert-on-login"
PERMIT_ALL = "teleport.internal/alert-permit-all"
VERB_PERMIT = "teleport.internal/alert-verb-permit"
SUPERSEDES = "teleport.internal/alert-supersedes"
LINK = "teleport.internal/link"
MAX_MESSAGE = 1024

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


class ClusterAlertSpec(Model, kw_only=True):
    """Severities are also the numbers 0, 5 and 10."""

    severity: Severity = "LOW"
    message: str
    created: Instant | None = None


class Acknowledgement(Model, kw_only=True):
    reason: str = ""
    expires: Instant
    acknowledged_by: str = ""


class ClusterAlertStatus(Model):
    acknowledgement: Acknowledgement | None = None


class ClusterAlert(Resource):
    KIND: ClassVar[str] = "cluster_alert"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: ClusterAlertSpec
    status: ClusterAlertStatus | None = None

    def check_spec(self) -> None:
        message = self.spec.message
        require(message.strip(), "spec.message is empty")
        require(len(message) <= MAX_MESSAGE, f"spec.message is longer than {MAX_MESSAGE} characters")
        is_text = all(character.isprintable() or character == "\n" for character in message)
        require(is_text, "spec.message has characters that cannot be printed")
        self.spec.created = utc(self.spec.created, "spec.created")
