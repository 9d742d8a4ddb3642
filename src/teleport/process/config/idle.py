"""Idle keys of `teleport.yaml`: those that are known, harmless, and change nothing here. Each that is set is told."""

from __future__ import annotations

from teleport.process.config.document import Document, Position, dotted

_OTHER_BACK_END = "belongs to another back end than sqlite"
_STORAGE = (
    "peers", "tls_cert_file", "tls_key_file", "tls_ca_file", "username", "password_file", "prefix", "insecure",
    "region", "table_name", "conn_string", "change_feed_conn_string", "auth_mode", "project_id", "collection_name",
    "billing_mode", "retention_period", "audit_retention_period",
)  # fmt: skip

# For each key: the value that says what is done anyhow, and why any other changes nothing.
IDLE: dict[Position, tuple[object, str]] = {
    ("teleport", "cache", "enabled"): (True, "every service always keeps a copy of what it decides by"),
    ("teleport", "cache", "ttl"): ("", "copies are kept up to date by events, without a time of life"),
    ("teleport", "ca_signature_algo"): ("", "the kind of an authority's key says how it signs"),
    **{("teleport", "storage", key): (None, _OTHER_BACK_END) for key in _STORAGE},
    ("auth_service", "license_file"): ("", "no license is needed"),
    ("auth_service", "proxy_listener_mode"): (
        "multiplex", "the one port serves everything; proxy_service.tunnel_listen_addr opens another for agents",
    ),
}  # fmt: skip


def idle_keys(document: Document) -> tuple[str, ...]:
    """A line for each idle key that is set to something else than what is done."""
    return tuple(
        f"{document.name}:{document.line(position)}: {dotted(position)} changes nothing here: {why}"
        for position, (done, why) in IDLE.items()
        if document.value(position) not in (done, None, "", [])
    )
