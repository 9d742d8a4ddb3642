"""File and command line to Settings: defaults < file < flags. Whatever is known and not built is refused by name."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.net.address import Address
from teleport.process.config import checks
from teleport.process.config.document import FLAGS, Document, Position, dotted
from teleport.process.config.hosts import host_offers
from teleport.process.config.idle import idle_keys
from teleport.process.config.sections import File, Instance, SshService
from teleport.process.config.services import auth_settings, proxy_settings
from teleport.process.config.settings import (
    ROLES,
    CommandLabelSettings,
    JoinSettings,
    LogSettings,
    NodeSettings,
    Settings,
)
from teleport.process.config.singletons import allows_no_second_factor, check_singletons

DEFAULT_FILE = Path("/etc/teleport.yaml")
SYSTEM_DATA_DIR = Path("/var/lib/teleport")
NODENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")

# Known keys whose meaning is not built: present and not switched off, they are refused by name.
UNBUILT: tuple[Position, ...] = (
    *((name,) for name in (
        "kubernetes_service", "app_service", "db_service", "windows_desktop_service", "discovery_service",
        "okta_service", "jamf_service", "tracing_service", "plugins", "access_graph", "relay_service",
        "debug_service",
    )),
    ("teleport", "relay_server"), ("teleport", "ciphers"), ("teleport", "kex_algos"),
    ("teleport", "mac_algos"), ("teleport", "ciphersuites"), ("teleport", "auth_connection_config"),
    ("teleport", "join_params", "azure"),
    ("teleport", "log", "format", "extra_fields"), ("teleport", "connection_limits", "max_users"),
    ("auth_service", "authentication", "webauthn", "disabled"),
    ("auth_service", "access_monitoring"), ("auth_service", "ca_key_params"), ("auth_service", "load_all_cas"),
    ("auth_service", "authentication", "u2f"), ("auth_service", "tunnel_strategy", "agent_connection_count"),
    ("auth_service", "proxy_protocol"),
    ("proxy_service", "idp"), ("proxy_service", "acme"), ("proxy_service", "kubernetes"),
    ("proxy_service", "listen_addr"), ("proxy_service", "kube_listen_addr"), ("proxy_service", "mysql_listen_addr"),
    ("proxy_service", "postgres_listen_addr"), ("proxy_service", "mongo_listen_addr"),
    ("proxy_service", "peer_listen_addr"), ("proxy_service", "peer_public_addr"),
    ("proxy_service", "ssh_public_addr"), ("proxy_service", "tunnel_public_addr"),
    ("proxy_service", "kube_public_addr"), ("proxy_service", "mysql_public_addr"),
    ("proxy_service", "postgres_public_addr"), ("proxy_service", "mongo_public_addr"),
    ("proxy_service", "proxygroup_id"), ("proxy_service", "proxygroup_gen"), ("proxy_service", "assist"),
    ("proxy_service", "automatic_upgrades_channels"), ("proxy_service", "proxy_protocol_allow_downgrade"),
    ("metrics_service", "mtls"), ("metrics_service", "keypairs"), ("metrics_service", "ca_certs"),
    ("metrics_service", "grpc_server_latency"), ("metrics_service", "grpc_client_latency"),
)  # fmt: skip
# Of them, those that do nothing until `enabled: yes` stands in them.
OFF_BY_DEFAULT: tuple[Position, ...] = (
    ("auth_service", "access_monitoring"), ("proxy_service", "acme"), ("proxy_service", "kubernetes"),
)  # fmt: skip


SWITCHED = frozenset(position for position in UNBUILT if len(position) == 1) | frozenset(OFF_BY_DEFAULT)
_WAYS = {True: "remove it or set enabled: no", False: "remove it"}


@dataclass(frozen=True)
class CommandLine:
    """The flags of `teleport start`; an empty value leaves the file's or the default."""

    config: str = ""
    config_string: str = ""
    roles: tuple[str, ...] = ()
    token: str = ""
    auth_server: str = ""
    ca_pins: tuple[str, ...] = ()
    data_dir: str = ""
    nodename: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    listen_ip: str = ""
    advertise_ip: str = ""
    pid_file: str = ""
    diag_addr: str = ""
    insecure: bool = False
    skip_version_check: bool = False
    debug: bool = False


def load_settings(flags: CommandLine, environment: dict[str, str] | None = None) -> Settings:
    """Raises BadParameter naming file, line and key of what is wrong."""
    environment = dict(os.environ) if environment is None else environment
    document = _document(flags, environment)
    file = document.convert(File)
    if file.version not in ("v1", "v2", "v3"):
        raise document.error(("version",), f"{file.version!r} is not known, expected v1, v2 or v3")
    _refuse_unbuilt(document)
    _check_versions(document, file)
    roles = _roles(flags, file, document)
    join = _join(flags, file, document)
    nodename = flags.nodename or file.teleport.nodename or socket.gethostname()
    if not NODENAME.fullmatch(nodename):
        source = FLAGS if flags.nodename else document
        raise source.error(("teleport", "nodename"), f"{nodename!r} is not a host name")
    advertised = flags.advertise_ip or file.teleport.advertise_ip
    data_dir = Path(flags.data_dir or file.teleport.data_dir or default_data_dir())
    diagnostics = flags.diag_addr or file.teleport.diag_addr
    source = FLAGS if flags.diag_addr else document
    check_ips(flags)
    limits = file.teleport.connection_limits
    settings = Settings(
        nodename=nodename,
        data_dir=data_dir,
        join=join,
        auth=auth_settings(file, document, data_dir, nodename, flags.listen_ip) if "auth" in roles else None,
        proxy=proxy_settings(file, document, flags.listen_ip, advertised) if "proxy" in roles else None,
        node=_node(
            flags,
            file.ssh_service,
            document,
            advertised,
            joins_elsewhere=join.server is not None,
            keeps_tunnel="proxy" in roles or ("auth" not in roles and not join.is_direct),
        )
        if "node" in roles
        else None,
        log=_log(flags, file.teleport, document),
        pid_file=Path(pid) if (pid := flags.pid_file or file.teleport.pid_file) else None,
        diagnostics=checks.address(source, ("teleport", "diag_addr"), diagnostics, 3000) if diagnostics else None,
        metrics=checks.address(document, ("metrics_service", "listen_addr"), file.metrics_service.listen_addr, 3081)
        if file.metrics_service.enabled
        else None,
        max_connections=checks.at_least(
            document, ("teleport", "connection_limits", "max_connections"), limits.max_connections, 1
        ),
        shutdown_delay=checks.duration(document, ("teleport", "shutdown_delay"), file.teleport.shutdown_delay),
        insecure=flags.insecure,
        skip_version_check=flags.skip_version_check,
        idle=idle_keys(document),
    )
    if settings.auth is not None:
        check_singletons(settings.auth, document, allow_no_second_factor=allows_no_second_factor(environment))
    return settings


def check_ips(flags: CommandLine) -> None:
    """Raises BadParameter. An address told to others may be a name."""
    if flags.listen_ip:
        try:
            ipaddress.ip_address(flags.listen_ip)
        except ValueError:
            raise BadParameter(f"--listen-ip: {flags.listen_ip!r} is not an IP address") from None


def default_data_dir() -> Path:
    """The system's directory for root; a directory of one's own for others, where the system's is not writable."""
    if os.access(SYSTEM_DATA_DIR if SYSTEM_DATA_DIR.exists() else SYSTEM_DATA_DIR.parent, os.W_OK):
        return SYSTEM_DATA_DIR
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "teleport"


def _document(flags: CommandLine, environment: dict[str, str]) -> Document:
    encoded = flags.config_string or environment.get("TELEPORT_CONFIG", "")
    if encoded:
        return Document(checks.base64_text(encoded), "configuration string")
    chosen = flags.config or environment.get("TELEPORT_CONFIG_FILE", "")
    path = Path(chosen) if chosen else DEFAULT_FILE
    if not chosen and not path.exists():
        return Document("version: v3\n", "built-in defaults")
    try:
        return Document(path.read_text(encoding="utf-8"), str(path))
    except OSError as problem:
        raise BadParameter(f"configuration file {path}: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise BadParameter(f"configuration file {path}: {problem}") from None


def _refuse_unbuilt(document: Document) -> None:
    for position in UNBUILT:
        value: Any = document.data
        for key in position:
            value = value.get(key, msgspec.UNSET) if isinstance(value, dict) else msgspec.UNSET
        is_on = position not in OFF_BY_DEFAULT
        is_off = isinstance(value, dict) and value.get("enabled", is_on) in (False, None)
        if value in (msgspec.UNSET, None, "", False, 0, []) or is_off:
            continue
        raise document.error(position, f"known, and not built yet in this version: {_WAYS[position in SWITCHED]}")


def _check_versions(document: Document, file: File) -> None:
    instance = file.teleport
    if file.version == "v3" and instance.auth_servers:
        raise document.error(("teleport", "auth_servers"), "not in version v3: use auth_server or proxy_server")
    if file.version != "v3" and (instance.auth_server or instance.proxy_server):
        key = "auth_server" if instance.auth_server else "proxy_server"
        raise document.error(("teleport", key), f"needs version: v3, the file is {file.version}")
    if instance.auth_server and instance.proxy_server:
        raise document.error(("teleport", "proxy_server"), "either auth_server or proxy_server, not both")
    if instance.auth_token and instance.join_params:
        raise document.error(("teleport", "join_params"), "either auth_token or join_params, not both")


def _roles(flags: CommandLine, file: File, document: Document) -> set[str]:
    if flags.roles:
        unknown = [role for role in flags.roles if role not in ROLES]
        if unknown:
            raise BadParameter(
                f"--roles: {unknown[0]!r} is not a role that is built, expected some of {','.join(ROLES)}"
            )
        roles = set(flags.roles)
    else:
        enabled = zip(
            ROLES, (file.auth_service.enabled, file.proxy_service.enabled, file.ssh_service.enabled), strict=True
        )
        roles = {role for role, is_enabled in enabled if is_enabled}
        joins = file.teleport.auth_server or file.teleport.auth_servers or file.teleport.proxy_server
        if joins and "auth_service" not in document.data:
            roles.discard("auth")
        if joins and file.teleport.proxy_server and "proxy_service" not in document.data:
            roles.discard("proxy")
    if flags.auth_server:
        if "auth" in flags.roles:
            raise BadParameter("--auth-server joins another cluster's auth server: remove auth from --roles")
        roles -= {"auth"} | (set() if "proxy" in flags.roles else {"proxy"})
    if not roles:
        raise BadParameter(
            f"{document.name}: no service is enabled: enable auth_service, proxy_service or ssh_service"
        )
    return roles


def _join(flags: CommandLine, file: File, document: Document) -> JoinSettings:
    instance = file.teleport
    text, position, port, is_auth = flags.auth_server, ("teleport", "auth_server"), 3025, None
    if not text:
        text = instance.auth_server or next(iter(instance.auth_servers), "")
        is_auth = True if instance.auth_server else None
        if instance.proxy_server:
            text, position, port, is_auth = instance.proxy_server, ("teleport", "proxy_server"), 3080, False
    params = instance.join_params
    token = flags.token or instance.auth_token or (params.token_name if params else "")
    method = params.method if params else "token"
    if method != "token":
        raise document.error(("teleport", "join_params", "method"), f"{method!r} is not built yet, expected token")
    source = FLAGS if flags.ca_pins else document
    pins = flags.ca_pins or ((instance.ca_pin,) if isinstance(instance.ca_pin, str) else tuple(instance.ca_pin))
    return JoinSettings(
        server=checks.address(FLAGS if flags.auth_server else document, position, text, port) if text else None,
        is_auth=is_auth,
        token=checks.secret(FLAGS if flags.token else document, ("teleport", "token"), token),
        method=method,
        ca_pins=tuple(checks.pin(source, pin) for pin in pins if pin),
    )


def _node(
    flags: CommandLine,
    section: SshService,
    document: Document,
    advertised: str,
    *,
    joins_elsewhere: bool,
    keeps_tunnel: bool,
) -> NodeSettings:
    """A server without a tunnel is reached where it listens; one with a tunnel listens when told to."""
    is_told_where = not joins_elsewhere and "listen_addr" in document.data.get("ssh_service", {})
    listens = section.force_listen or is_told_where or not keeps_tunnel
    at = ("ssh_service", "listen_addr")
    listen = checks.address(document, at, section.listen_addr, 3022, host=flags.listen_ip)
    commands = tuple(
        CommandLabelSettings(
            label.name,
            tuple(label.command),
            checks.duration(document, ("ssh_service", "commands", index, "period"), label.period, at_least=1.0),
        )
        for index, label in enumerate(section.commands)
    )
    public = checks.addresses(document, ("ssh_service", "public_addr"), section.public_addr, 3022)
    if not public and listens and advertised:
        public = (Address(advertised, listen.port),)
    return NodeSettings(
        listen=listen if listens else None,
        public=public,
        labels={**checks.labels(document, ("ssh_service", "labels"), section.labels), **flags.labels},
        commands=commands,
        permit_user_env=section.permit_user_env,
        port_forwarding=section.port_forwarding,
        file_copy=section.ssh_file_copy,
        offers=host_offers(section, document),
    )


def _log(flags: CommandLine, instance: Instance, document: Document) -> LogSettings:
    level = "DEBUG" if flags.debug else instance.log.severity.upper()
    level = {"WARNING": "WARN", "ERR": "ERROR"}.get(level, level)
    if level not in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR"):
        raise document.error(("teleport", "log", "severity"), f"{level!r}: expected DEBUG, INFO, WARN or ERROR")
    form = instance.log.format.output
    if form not in ("text", "json"):
        raise document.error(("teleport", "log", "format", "output"), f"{form!r}: expected text or json")
    return LogSettings(level, "json" if form == "json" else "text", instance.log.output)


__all__ = ["UNBUILT", "CommandLine", "default_data_dir", "dotted", "load_settings"]
