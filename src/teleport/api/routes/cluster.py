"""The cluster and the caller: status for administrators, who am I for everybody."""

from __future__ import annotations

from datetime import datetime

import msgspec

from teleport.api.route import Empty, Route
from teleport.api.routes.certificates import Authority


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True):
    cluster: str
    version: str
    authorities: tuple[Authority, ...] = ()
    ca_pins: tuple[str, ...] = ()
    proxy_public_addr: str = ""


class WhoAmI(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller's certificate says, and what its roles make of it."""

    username: str
    cluster: str
    roles: tuple[str, ...] = ()
    system_role: str = ""
    traits: dict[str, tuple[str, ...]] = {}
    logins: tuple[str, ...] = ()
    expires: datetime | None = None
    allowed: dict[str, tuple[str, ...]] = {}
    """For each kind the verbs the caller may use, so that a page shows only what will work."""
    unenforced: tuple[str, ...] = ()
    """Restrictions of the caller's roles that refuse access because they are not enforced yet."""


STATUS = Route("GET", "/v1/cluster/status", Empty, ClusterStatus, summary="The cluster, its authorities and pins")
WHO_AM_I = Route("GET", "/v1/whoami", Empty, WhoAmI, summary="The caller and what it may do")
ROUTES = (STATUS, WHO_AM_I)
