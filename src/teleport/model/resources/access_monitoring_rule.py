"""Access monitoring rule: tells people, or decides by itself, when a request fulfils a condition."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import StringList


class Notification(Model):
    """`name` is the plugin's."""

    name: str = ""
    recipients: StringList = []


class AutomaticReview(Model):
    integration: str = ""
    decision: Literal["", "APPROVED", "DENIED"] = ""


class AccessMonitoringRuleSpec(Model):
    subjects: StringList = []
    condition: str = ""
    states: StringList = []
    notification: Notification | None = None
    desired_state: Literal["", "reviewed"] = ""
    automatic_review: AutomaticReview | None = None


class AccessMonitoringRule(Resource):
    KIND: ClassVar[str] = "access_monitoring_rule"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: AccessMonitoringRuleSpec = msgspec.field(default_factory=AccessMonitoringRuleSpec)

    def check_spec(self) -> None:
        spec = self.spec
        require(spec.subjects, "spec.subjects is empty")
        require(spec.condition, "spec.condition is missing")
        require(len(spec.condition) <= 8192, "spec.condition is longer than 8192 characters")
        require(spec.notification or spec.automatic_review, "spec needs notification or automatic_review")
        if spec.notification is not None:
            require(spec.notification.name, "spec.notification.name is missing")
        if spec.automatic_review is not None:
            require(spec.desired_state == "reviewed", "spec.automatic_review needs desired_state reviewed")
            require(spec.automatic_review.decision, "spec.automatic_review.decision is missing")
