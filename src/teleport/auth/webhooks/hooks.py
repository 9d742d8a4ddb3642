"""A webhook as a `plugin` resource of type `webhook` configures it.

Settings: `url` (https; http only to this machine), `events` (comma list of created, reviewed, resolved; all by
default), `notify` (`all`, or `rules`: only what access monitoring rules name this plugin for), `reviewer` (the user
whose roles decide what reviews that come in may do; without one none are taken), `ca_cert` (PEM that is trusted for
the url in addition). `credentials` is the secret that both sides sign with.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import msgspec

from teleport.credentials.webhook_signatures import check_secret
from teleport.foundation.errors import BadParameter
from teleport.model.resources.integration import Plugin
from teleport.net.address import Address

TYPE = "webhook"
EVENTS = ("created", "reviewed", "resolved")
_SETTINGS = ("url", "events", "notify", "reviewer", "ca_cert")
_MAX_URL = 2048


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """`address` None: nothing goes out. `target` is path and query of the url."""

    name: str
    secret: str
    address: Address | None
    target: str
    is_tls: bool
    events: tuple[str, ...]
    by_rules: bool
    reviewer: str
    ca_cert: str

    @property
    def is_here(self) -> bool:
        """Whether it may be on this machine, as the url says itself."""
        return self.address is not None and _is_loopback(self.address.host)


def webhook_of(plugin: Plugin) -> Webhook | None:
    """None for plugins of other types. Raises BadParameter."""
    if plugin.spec.type != TYPE:
        return None
    settings = plugin.spec.settings
    if unknown := sorted(set(settings) - set(_SETTINGS)):
        raise BadParameter(f"spec.settings.{unknown[0]} is not known; expected {', '.join(_SETTINGS)}")
    secret = plugin.spec.credentials.reveal() if plugin.spec.credentials else ""
    check_secret(secret)
    events = tuple(word.strip() for word in settings.get("events", "").split(",") if word.strip()) or EVENTS
    if bad := sorted(set(events) - set(EVENTS)):
        raise BadParameter(f"spec.settings.events: {bad[0]!r}: expected {', '.join(EVENTS)}")
    if settings.get("notify", "all") not in ("all", "rules"):
        raise BadParameter(f"spec.settings.notify is {settings['notify']!r}, expected all or rules")
    address, target, is_tls = _destination(settings.get("url", ""))
    return Webhook(
        name=plugin.name,
        secret=secret,
        address=address,
        target=target,
        is_tls=is_tls,
        events=events,
        by_rules=settings.get("notify") == "rules",
        reviewer=settings.get("reviewer", ""),
        ca_cert=settings.get("ca_cert", ""),
    )


def _destination(url: str) -> tuple[Address | None, str, bool]:
    if not url:
        return None, "", False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise BadParameter(f"spec.settings.url: {problem}") from None
    host = parts.hostname or ""
    is_clean = len(url) <= _MAX_URL and url.isascii() and url.isprintable() and " " not in url
    if not is_clean or parts.scheme not in ("https", "http") or not host or parts.username or parts.fragment:
        raise BadParameter("spec.settings.url: expected https://host[:port]/path, without user or fragment")
    is_tls = parts.scheme == "https"
    if not is_tls and not _is_loopback(host):
        raise BadParameter("spec.settings.url: http is for this machine alone, use https")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(host, port or (443 if is_tls else 80)), target, is_tls


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_reachable(ip: str, *, is_here: bool) -> bool:
    """Whether messages may go to this address: never where machines ask for credentials or talk to themselves."""
    found = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback:
        return is_here
    return not (found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved)
