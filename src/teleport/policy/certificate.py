"""What a user certificate may say and how long it may live, by the roles of its holder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import msgspec

from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.identity import Identity
from teleport.policy.role_set import RoleSet

MAX_TTL = timedelta(hours=30)
DEFAULT_TTL = timedelta(hours=12)
_PLACEHOLDERS = ("no-login-", "-teleport-")


class CertificateTerms(msgspec.Struct, frozen=True, kw_only=True):
    """`logins` may be empty: whoever issues puts a placeholder principal in their place.

    `extensions` are SSH certificate extensions besides those of the identity.
    """

    ttl: timedelta
    logins: tuple[str, ...]
    port_forwarding: bool
    agent_forwarding: bool
    x11_forwarding: bool
    extensions: Mapping[str, str]
    cert_format: Literal["standard", "oldssh"]
    pin_source_ip: bool
    key_policy: str


def certificate_terms(
    role_set: RoleSet, requested_ttl: timedelta | None, *, default_ttl: timedelta = DEFAULT_TTL
) -> CertificateTerms:
    """The requested lifetime (or the cluster's default), cut to the shortest `max_session_ttl` and to 30 hours.

    Raises BadParameter for a lifetime that is not positive.
    """
    wanted = default_ttl if requested_ttl is None else requested_ttl
    if wanted <= timedelta():
        raise BadParameter(f"the lifetime of a certificate is {wanted}, expected more than nothing")
    options = role_set.options
    # the certificate outlives the hour: which logins are open when is decided at the door
    field = role_set.at_most.field("logins")
    logins = field.values((1 << len(role_set.roles)) - 1)
    return CertificateTerms(
        ttl=min(wanted, options.max_session_ttl, MAX_TTL),
        logins=tuple(login for login in logins if not login.startswith(_PLACEHOLDERS)),
        port_forwarding=options.port_forwarding_local or options.port_forwarding_remote,
        agent_forwarding=options.forward_agent,
        x11_forwarding=options.permit_x11_forwarding,
        extensions={one.name: one.value for one in options.cert_extensions},
        cert_format=options.cert_format,
        pin_source_ip=options.pin_source_ip,
        key_policy=options.key_policy,
    )


def check_reissue(source: Identity, wanted: Identity) -> None:
    """Raises AccessDenied unless `wanted` outlives and widens nothing of the certificate it comes from.

    Roles may become more only by access requests, which are approved apart: pass the source with what they add.
    """
    if source.disallow_reissue:
        raise AccessDenied("this certificate may not be exchanged for another; log in")
    if wanted.expires > source.expires:
        raise AccessDenied("a reissued certificate must not outlive the one it comes from")
    for what, more in _widened(source, wanted):
        if more:
            raise AccessDenied(f"a reissued certificate must not carry more than the one it comes from: {what}")


def _widened(source: Identity, wanted: Identity) -> list[tuple[str, bool]]:
    limits = set(source.allowed_resources)
    return [
        ("another user", wanted.username != source.username),
        ("another cluster", wanted.cluster != source.cluster),
        ("roles", not set(wanted.roles) <= set(source.roles)),
        ("traits", dict(wanted.traits) != dict(source.traits)),
        ("resources", bool(limits) and not (wanted.allowed_resources and set(wanted.allowed_resources) <= limits)),
        ("usage", bool(source.usage) and not (wanted.usage and set(wanted.usage) <= set(source.usage))),
        ("address pin", bool(source.pinned_ip) and wanted.pinned_ip != source.pinned_ip),
        ("impersonator", bool(source.impersonator) and wanted.impersonator != source.impersonator),
        ("device", wanted.device_id not in ("", source.device_id)),
        ("renewable", wanted.renewable and not source.renewable),
        ("bot", wanted.bot_name != source.bot_name),
        ("key policy", wanted.private_key_policy not in ("", source.private_key_policy)),
    ]
