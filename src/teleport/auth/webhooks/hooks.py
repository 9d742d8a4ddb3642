"""A webhook as a `plugin` resource of type `webhook` configures it.

Settings: `url` (https; http only to this machine), `events` (comma list of created, reviewed, resolved; all by
default), `notify` (`all`, or `rules`: only what access monitoring rules name this plugin for), `reviewer` (the user
whose roles decide what reviews that come in may do; without one none are taken), `ca_cert` (PEM that is trusted for
the url in addition). `credentials` is the secret that both sides sign with.
"""

from __future__ import annotations

import msgspec

from teleport.auth.outgoing import Destination
from teleport.credentials.webhook_signatures import check_secret
from teleport.foundation.errors import BadParameter
from teleport.model.resources.integration import Plugin

TYPE = "webhook"
EVENTS = ("created", "reviewed", "resolved")
_SETTINGS = ("url", "events", "notify", "reviewer", "ca_cert")


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """`destination` None: nothing goes out."""

    name: str
    secret: str
    destination: Destination | None
    events: tuple[str, ...]
    by_rules: bool
    reviewer: str
    ca_cert: str


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
    url = settings.get("url", "")
    destination = Destination.read(url, "spec.settings.url") if url else None
    return Webhook(
        name=plugin.name,
        secret=secret,
        destination=destination,
        events=events,
        by_rules=settings.get("notify") == "rules",
        reviewer=settings.get("reviewer", ""),
        ca_cert=settings.get("ca_cert", ""),
    )
