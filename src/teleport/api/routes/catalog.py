"""Every route of the API on one page."""

from __future__ import annotations

from typing import Any

from teleport.api.route import Route
from teleport.api.routes import (
    access,
    access_lists,
    access_requests,
    agentless,
    alerts,
    audit,
    certificates,
    changes,
    cluster,
    headless,
    hosts,
    leases,
    login,
    mfa,
    public,
    recordings,
    recovery,
    resources,
    sessions,
    sso,
    tokens,
    users,
    webhooks,
)

ROUTES: tuple[Route[Any, Any], ...] = (
    *public.ROUTES,
    *login.ROUTES,
    *sso.ROUTES,
    *users.ROUTES,
    *mfa.ROUTES,
    *headless.ROUTES,
    *recovery.ROUTES,
    *hosts.ROUTES,
    *certificates.ROUTES,
    *agentless.ROUTES,
    *tokens.ROUTES,
    *resources.ROUTES,
    *access.ROUTES,
    *access_lists.ROUTES,
    *alerts.ROUTES,
    *access_requests.ROUTES,
    *webhooks.ROUTES,
    *sessions.ROUTES,
    *leases.ROUTES,
    *audit.ROUTES,
    *recordings.ROUTES,
    *changes.ROUTES,
    *cluster.ROUTES,
)
PUBLIC_ROUTES: tuple[Route[Any, Any], ...] = tuple(route for route in ROUTES if route.public)
"""What a proxy forwards for strangers, with its own certificate and the header `teleport-client-addr`."""
