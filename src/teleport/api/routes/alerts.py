"""Cluster alerts: what concerns the caller, and for administrators making and hiding them."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from teleport.api.route import Empty, Route


class ListAlerts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`labels`: what each alert has. `everything`: also those that are acknowledged or superseded."""

    labels: dict[str, str] = {}
    everything: bool = False


class ShownAlert(msgspec.Struct, frozen=True, kw_only=True):
    """`acknowledged`: hidden by an acknowledgement."""

    alert: msgspec.Raw
    acknowledged: bool = False


class Alerts(msgspec.Struct, frozen=True):
    """The most severe first, then the newest."""

    alerts: tuple[ShownAlert, ...] = ()


class CreateAlert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without labels, everybody sees it at login. `ttl`: how long it lasts, a day where nothing is said."""

    message: str
    severity: str = ""
    ttl: timedelta | None = None
    labels: dict[str, str] = {}


class AcknowledgeAlert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hide an alert for everybody; it need not be there yet. `ttl`: how long, a day where nothing is said."""

    id: str
    reason: str = ""
    ttl: timedelta | None = None


class AlertId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    reason: str
    acknowledged_by: str
    expires: datetime


class Acknowledgements(msgspec.Struct, frozen=True):
    acknowledgements: tuple[Acknowledgement, ...] = ()


LIST = Route("GET", "/v1/alerts", ListAlerts, Alerts, summary="List cluster alerts")
CREATE = Route("POST", "/v1/alerts", CreateAlert, ShownAlert, summary="Create a cluster alert")
ACKNOWLEDGEMENTS = Route(
    "GET", "/v1/alertacknowledgements", Empty, Acknowledgements, summary="List acknowledged cluster alerts"
)
ACKNOWLEDGE = Route(
    "PUT", "/v1/alertacknowledgements/{id}", AcknowledgeAlert, Acknowledgement, summary="Hide a cluster alert"
)
CLEAR = Route("DELETE", "/v1/alertacknowledgements/{id}", AlertId, Empty, summary="Show a hidden cluster alert again")
ROUTES = (LIST, CREATE, ACKNOWLEDGEMENTS, ACKNOWLEDGE, CLEAR)
