"""The sections auth_service and proxy_service, checked and turned into settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from teleport.net.address import Address
from teleport.process.config import checks
from teleport.process.config.document import Document
from teleport.process.config.sections import AuthService, File
from teleport.process.config.settings import (
    AuthenticationSettings,
    AuthSettings,
    ProxySettings,
    StorageSettings,
)

TOKEN_ROLES = {
    "node": "Node", "proxy": "Proxy", "auth": "Auth", "app": "App", "db": "Db", "kube": "Kube",
    "windowsdesktop": "WindowsDesktop", "discovery": "Discovery", "trusted_cluster": "Trusted_cluster",
}  # fmt: skip
CLUSTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


def auth_settings(file: File, document: Document, data_dir: Path, nodename: str, listen_ip: str) -> AuthSettings:
    section = file.auth_service
    cluster = section.cluster_name or nodename
    if not CLUSTER_NAME.fullmatch(cluster):
        raise document.error(("auth_service", "cluster_name"), f"{cluster!r} is not a cluster name")
    return AuthSettings(
        listen=checks.address(document, ("auth_service", "listen_addr"), section.listen_addr, 3025, host=listen_ip),
        public=checks.addresses(document, ("auth_service", "public_addr"), section.public_addr, 3025),
        cluster_name=cluster,
        static_tokens=tuple(_static_token(document, index, text) for index, text in enumerate(section.tokens)),
        storage=_storage(file, document, data_dir),
        singletons=AuthenticationSettings(
            preference=_preference(section, document),
            networking=_networking(section, document, file.version),
            recording=_recording(section, document),
        ),
    )


def proxy_settings(file: File, document: Document, listen_ip: str, advertised: str = "") -> ProxySettings:
    section = file.proxy_service
    at = ("proxy_service", "web_listen_addr")
    listen = checks.address(document, at, section.web_listen_addr, 3080, host=listen_ip)
    tunnel = None
    if section.tunnel_listen_addr or file.version == "v1":
        at = ("proxy_service", "tunnel_listen_addr")
        tunnel = checks.address(document, at, section.tunnel_listen_addr or ":3024", 3024, host=listen_ip)
    pairs = [(Path(pair.cert_file), Path(pair.key_file)) for pair in section.https_keypairs]
    if section.https_cert_file or section.https_key_file:
        if pairs or not (section.https_cert_file and section.https_key_file):
            message = "give https_cert_file and https_key_file together, or https_keypairs"
            raise document.error(("proxy_service", "https_cert_file"), message)
        pairs = [(Path(section.https_cert_file), Path(section.https_key_file))]
    public = checks.addresses(document, ("proxy_service", "public_addr"), section.public_addr, listen.port)
    if not public and advertised:
        public = (Address(advertised, listen.port),)
    if section.ui.show_resources != "requestable":
        message = f"{section.ui.show_resources!r} is not built yet, expected requestable"
        raise document.error(("proxy_service", "ui", "show_resources"), message)
    reload = ("proxy_service", "https_keypairs_reload_interval")
    return ProxySettings(
        listen=listen,
        tunnel_listen=None if tunnel in (None, listen) else tunnel,
        public=public,
        keypairs=tuple(pairs),
        keypairs_reload=checks.duration(document, reload, section.https_keypairs_reload_interval),
        proxy_protocol=_proxy_protocol(document, section.proxy_protocol),
        trust_forwarded_for=section.trust_x_forwarded_for,
        scrollback_lines=checks.at_least(
            document, ("proxy_service", "ui", "scrollback_lines"), section.ui.scrollback_lines, 0
        ),
    )


def _proxy_protocol(document: Document, value: bool | str) -> Literal["on", "off", "unset"]:
    if value in (True, "on"):
        return "on"
    if value in (False, "off"):
        return "off"
    if value in ("", "unspecified"):
        return "unset"
    raise document.error(("proxy_service", "proxy_protocol"), f"{value!r}: expected on or off")


def _static_token(document: Document, index: int, text: str) -> tuple[tuple[str, ...], str]:
    roles, colon, token = text.partition(":")
    position = ("auth_service", "tokens", index)
    if not colon or not token:
        raise document.error(position, "expected the form role,role:secret")
    names = [role.strip().lower() for role in roles.split(",")]
    unknown = [name for name in names if name not in TOKEN_ROLES]
    if unknown:
        raise document.error(position, f"{unknown[0]!r} is not a role, expected some of {', '.join(TOKEN_ROLES)}")
    return tuple(TOKEN_ROLES[name] for name in names), checks.secret(document, position, token)


def _storage(file: File, document: Document, data_dir: Path) -> StorageSettings:
    section = file.teleport.storage
    if section.type not in ("sqlite", "dir"):
        known = section.type in ("etcd", "dynamodb", "firestore", "postgresql", "cockroachdb")
        message = f"{section.type!r} is {'known, and not built yet' if known else 'not a back end'}"
        raise document.error(("teleport", "storage", "type"), f"{message}; expected sqlite")
    sync = section.sync.upper()
    if sync not in ("FULL", "NORMAL"):
        raise document.error(("teleport", "storage", "sync"), f"{section.sync!r}: expected FULL or NORMAL")
    if section.journal.upper() != "WAL":
        raise document.error(("teleport", "storage", "journal"), f"{section.journal!r}: expected WAL")
    return StorageSettings(
        path=Path(section.path) if section.path else data_dir / "backend",
        synchronous="NORMAL" if sync == "NORMAL" else "FULL",
        events=_file_uri(document, "audit_events_uri", section.audit_events_uri, data_dir / "log"),
        recordings=_file_uri(
            document, "audit_sessions_uri", section.audit_sessions_uri, data_dir / "log" / "records"
        ),
    )


def _file_uri(document: Document, key: str, value: str | list[str], default: Path) -> Path:
    uris = [value] if isinstance(value, str) else value
    uris = [uri for uri in uris if uri]
    if not uris:
        return default
    parts = urlsplit(uris[0])
    if len(uris) > 1 or parts.scheme not in ("file", "") or not parts.path:
        message = f"{', '.join(uris)}: one file:///path is built, others are known and not built yet"
        raise document.error(("teleport", "storage", key), message)
    return Path(parts.path)


def _preference(section: AuthService, document: Document) -> dict[str, object] | None:
    given = section.authentication
    texts = {"message_of_the_day": section.message_of_the_day}
    spec: dict[str, object] = {key: value for key, value in texts.items() if value}
    if section.disconnect_expired_cert:
        spec["disconnect_expired_cert"] = True
    if given is None:
        return spec or None
    raw: dict[str, Any] = dict(document.data["auth_service"]["authentication"])
    renamed = {"local_auth": "allow_local_auth", "passwordless": "allow_passwordless", "headless": "allow_headless"}
    for old, new in renamed.items():
        if old in raw:
            raw[new] = raw.pop(old)
    if isinstance(raw.get("webauthn"), dict):  # set to true, `disabled` is refused by name
        raw["webauthn"] = {key: value for key, value in raw["webauthn"].items() if key != "disabled"}
    return {**spec, **raw}


def _networking(section: AuthService, document: Document, version: str) -> dict[str, object] | None:
    keys = (
        "client_idle_timeout", "web_idle_timeout", "keep_alive_interval", "keep_alive_count_max",
        "ssh_dial_timeout", "session_control_timeout", "routing_strategy", "proxy_listener_mode",
        "case_insensitive_routing",
    )  # fmt: skip
    raw: dict[str, Any] = document.data.get("auth_service") or {}
    spec: dict[str, object] = {key: raw[key] for key in keys if key in raw}
    if "tunnel_strategy" in raw:
        if section.tunnel_strategy.type != "agent_mesh":
            message = f"{section.tunnel_strategy.type!r} is known, and not built yet; expected agent_mesh"
            raise document.error(("auth_service", "tunnel_strategy", "type"), message)
        spec["tunnel_strategy"] = {"agent_mesh": {}}
    if section.client_idle_timeout_message:
        spec["idle_timeout_message"] = section.client_idle_timeout_message
    if version != "v1" and spec:
        spec.setdefault("proxy_listener_mode", "multiplex")
    return spec or None


def _recording(section: AuthService, document: Document) -> dict[str, object] | None:
    raw: dict[str, Any] = document.data.get("auth_service") or {}
    spec: dict[str, object] = {}
    if section.session_recording:
        spec["mode"] = section.session_recording
    if "proxy_checks_host_keys" in raw:
        spec["proxy_checks_host_keys"] = section.proxy_checks_host_keys
    return spec or None
