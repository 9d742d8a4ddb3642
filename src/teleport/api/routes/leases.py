"""Leases: what a user may have only so often in the whole cluster, counted by the hosts that serve it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.route import Empty, Route


class HoldLease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of at most `limit` leases of `kind` on `name`; with an id that is held already, a renewal."""

    kind: str
    name: str
    lease_id: str
    limit: int


class LeaseHeld(msgspec.Struct, frozen=True):
    expires: datetime


class ReleaseLease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: str
    name: str
    lease_id: str


HOLD = Route("POST", "/v1/leases/hold", HoldLease, LeaseHeld, summary="Take or renew a lease, for hosts")
RELEASE = Route("POST", "/v1/leases/release", ReleaseLease, Empty, summary="Give a lease back, for hosts")
ROUTES = (HOLD, RELEASE)
