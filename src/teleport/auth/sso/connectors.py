"""OIDC connectors: what one may say, and what of it this cluster does.

A field that would restrict logins and is not enforced yet refuses by name: nobody shall think that it holds.
"""

from __future__ import annotations

from datetime import timedelta

from teleport.auth.cluster import Cluster
from teleport.auth.outgoing import Destination
from teleport.foundation.errors import BadParameter, NotFound, Unsupported
from teleport.model.resources.oidc_connector import OIDCConnector, OIDCConnectorSpec
from teleport.model.resources.role import Role
from teleport.model.values import Duration
from teleport.policy import claims

CALLBACK_PATHS = ("/v1/webapi/oidc/callback", "/webapi/oidc/callback")


async def check_connector(cluster: Cluster, connector: OIDCConnector) -> None:
    """Raises BadParameter, Unsupported."""
    spec = connector.spec
    _refuse_unenforced(spec)
    Destination.read(spec.issuer_url, "spec.issuer_url")
    if "?" in spec.issuer_url:
        raise BadParameter("spec.issuer_url has a query; an issuer has none")
    for address in spec.redirect_url:
        if not Destination.read(address, "spec.redirect_url").target.endswith(CALLBACK_PATHS):
            raise BadParameter(f"spec.redirect_url: expected https://<proxy>{CALLBACK_PATHS[0]}, found {address!r}")
    max_age_of(spec)
    claims.check_mappings(spec.claims_to_roles)
    for row in spec.claims_to_roles:
        for role in row.roles:
            if "$" not in role and await cluster.store.find(Role, role) is None:
                raise BadParameter(f"spec.claims_to_roles: role {role!r} does not exist")


def max_age_of(spec: OIDCConnectorSpec) -> timedelta | None:
    """How long ago the provider may have seen the user. Raises BadParameter."""
    if spec.max_age in ("", 0):
        return None
    try:
        found = Duration.parse(spec.max_age).delta
    except BadParameter as problem:
        raise BadParameter(f"spec.max_age: {problem.message}") from None
    if found < timedelta():
        raise BadParameter("spec.max_age is negative")
    return found


async def all_connectors(cluster: Cluster) -> list[OIDCConnector]:
    """In order of names."""
    return [one async for one in cluster.store.iterate(OIDCConnector)]


async def connector_of(cluster: Cluster, name: str) -> OIDCConnector:
    """The one of this name; without a name the cluster's default, else the first. Raises NotFound."""
    connectors = await all_connectors(cluster)
    if not name:
        preference = (await cluster.preference()).spec
        name = preference.connector_name if preference.type == "oidc" else ""
    found = next((one for one in connectors if not name or one.name == name), None)
    if found is None:
        known = ", ".join(one.name for one in connectors) or "none"
        raise NotFound(f"connector {name!r} is not found; there are: {known}")
    return found


def redirect_url(spec: OIDCConnectorSpec, host: str) -> str:
    """That of the proxy asked (`host` with or without port), else the first."""
    for address in spec.redirect_url:
        netloc = address.partition("://")[2].partition("/")[0].lower()
        if host and netloc in (host.lower(), host.lower().removesuffix(":443")):
            return address
    return spec.redirect_url[0]


def _refuse_unenforced(spec: OIDCConnectorSpec) -> None:
    unenforced = {
        "user_matchers": bool(spec.user_matchers),
        "request_object_mode": spec.request_object_mode not in ("", "none"),
        "mfa": spec.mfa is not None and spec.mfa.enabled,
        "google_service_account": spec.google_service_account is not None,
        "google_service_account_uri": bool(spec.google_service_account_uri),
        "google_admin_email": bool(spec.google_admin_email),
    }
    for field, is_set in unenforced.items():
        if is_set:
            raise Unsupported(f"spec.{field} is not offered here yet; leave it out")
    if spec.pkce_mode not in ("", "enabled"):
        raise Unsupported(f"spec.pkce_mode {spec.pkce_mode!r}: every login uses PKCE here; leave it out or enable it")
