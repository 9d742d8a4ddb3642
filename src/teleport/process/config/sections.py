"""The sections of `teleport.yaml` as strict structs. Names and defaults are those of the configuration reference.

Sections and keys that are known and not built are in `load.UNBUILT`: set, they are refused by name.
"""

from __future__ import annotations

from typing import Any

import msgspec

Labels = dict[str, str]


class Section(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Part of the file; an unknown key is an error."""


class JoinParams(Section):
    method: str = "token"
    token_name: str = ""
    azure: dict[str, Any] = {}


class ConnectionLimits(Section):
    max_connections: int = 15000
    max_users: int = 0


class LogFormat(Section):
    output: str = "text"
    extra_fields: list[str] = []


class Log(Section):
    output: str = "stderr"
    severity: str = "INFO"
    format: LogFormat = msgspec.field(default_factory=LogFormat)


class Cache(Section):
    enabled: bool = True
    ttl: str = ""


class Storage(Section):
    type: str = "sqlite"
    path: str = ""
    sync: str = "FULL"
    journal: str = "WAL"
    audit_events_uri: str | list[str] = ""
    audit_sessions_uri: str = ""
    # of back ends that are not built, kept so that they can be refused by the name of their type
    peers: Any = msgspec.UNSET
    tls_cert_file: Any = msgspec.UNSET
    tls_key_file: Any = msgspec.UNSET
    tls_ca_file: Any = msgspec.UNSET
    username: Any = msgspec.UNSET
    password_file: Any = msgspec.UNSET
    prefix: Any = msgspec.UNSET
    insecure: Any = msgspec.UNSET
    region: Any = msgspec.UNSET
    table_name: Any = msgspec.UNSET
    conn_string: Any = msgspec.UNSET
    change_feed_conn_string: Any = msgspec.UNSET
    auth_mode: Any = msgspec.UNSET
    project_id: Any = msgspec.UNSET
    collection_name: Any = msgspec.UNSET
    billing_mode: Any = msgspec.UNSET
    retention_period: Any = msgspec.UNSET
    audit_retention_period: Any = msgspec.UNSET


class AuthConnection(Section):
    upper_limit: str = "90s"
    initial: str = ""
    step: str = ""


class Instance(Section):
    """`teleport:` holds what concerns the whole process."""

    nodename: str = ""
    data_dir: str = ""
    pid_file: str = ""
    auth_token: str = ""
    join_params: JoinParams | None = None
    ca_pin: str | list[str] = ""
    advertise_ip: str = ""
    auth_server: str = ""
    auth_servers: list[str] = []
    proxy_server: str = ""
    relay_server: Any = msgspec.UNSET
    cache: Cache = msgspec.field(default_factory=Cache)
    connection_limits: ConnectionLimits = msgspec.field(default_factory=ConnectionLimits)
    log: Log = msgspec.field(default_factory=Log)
    diag_addr: str = ""
    shutdown_delay: str = "0s"
    storage: Storage = msgspec.field(default_factory=Storage)
    auth_connection_config: AuthConnection = msgspec.field(default_factory=AuthConnection)
    ciphers: Any = msgspec.UNSET
    kex_algos: Any = msgspec.UNSET
    mac_algos: Any = msgspec.UNSET
    ciphersuites: Any = msgspec.UNSET
    ca_signature_algo: Any = msgspec.UNSET


class Webauthn(Section):
    rp_id: str = ""
    attestation_allowed_cas: list[str] = []
    attestation_denied_cas: list[str] = []
    disabled: bool = False


class Authentication(Section):
    """`auth_service.authentication` becomes the singleton cluster_auth_preference."""

    type: str = "local"
    local_auth: bool = True
    second_factor: str = ""
    second_factors: list[str] = []
    passwordless: bool | None = None
    headless: bool | None = None
    connector_name: str = ""
    webauthn: Webauthn | None = None
    u2f: dict[str, Any] | None = None
    locking_mode: str = "best_effort"
    require_session_mfa: bool | str = False
    default_session_ttl: str = "12h"
    device_trust: dict[str, Any] = {}
    hardware_key: dict[str, Any] = {}
    signature_algorithm_suite: str = ""


class TunnelStrategy(Section):
    type: str = "agent_mesh"
    agent_connection_count: int = 1


class AuthService(Section):
    enabled: bool = True
    listen_addr: str = ":3025"
    public_addr: str | list[str] = []
    cluster_name: str = ""
    proxy_protocol: bool | str = ""
    tokens: list[str] = []
    session_recording: str = ""
    proxy_checks_host_keys: bool = True
    client_idle_timeout: str = ""
    client_idle_timeout_message: str = ""
    web_idle_timeout: str = ""
    disconnect_expired_cert: bool = False
    keep_alive_interval: str = "5m"
    keep_alive_count_max: int = 3
    ssh_dial_timeout: str = "30s"
    session_control_timeout: str = "2m"
    routing_strategy: str = "unambiguous_match"
    license_file: str = ""
    message_of_the_day: str = ""
    proxy_listener_mode: str = ""
    tunnel_strategy: TunnelStrategy = msgspec.field(default_factory=TunnelStrategy)
    load_all_cas: bool = False
    case_insensitive_routing: bool = False
    access_monitoring: Any = msgspec.UNSET
    ca_key_params: Any = msgspec.UNSET
    authentication: Authentication | None = None


class KeyPair(Section):
    key_file: str
    cert_file: str


class Acme(Section):
    enabled: bool = False
    email: str = ""
    uri: str = ""


class Ui(Section):
    scrollback_lines: int = 1000
    show_resources: str = "requestable"


class ProxyService(Section):
    enabled: bool = True
    web_listen_addr: str = ":3080"
    listen_addr: str = ""
    tunnel_listen_addr: str = ""
    kube_listen_addr: str = ""
    mysql_listen_addr: str = ""
    postgres_listen_addr: str = ""
    mongo_listen_addr: str = ""
    peer_listen_addr: str = ""
    peer_public_addr: str = ""
    kubernetes: Any = msgspec.UNSET
    public_addr: str | list[str] = []
    ssh_public_addr: str | list[str] = []
    tunnel_public_addr: str | list[str] = []
    kube_public_addr: str | list[str] = []
    mysql_public_addr: str | list[str] = []
    postgres_public_addr: str | list[str] = []
    mongo_public_addr: str | list[str] = []
    https_keypairs: list[KeyPair] = []
    https_keypairs_reload_interval: str = "0s"
    https_key_file: str = ""
    https_cert_file: str = ""
    acme: Acme = msgspec.field(default_factory=Acme)
    proxy_protocol: bool | str = ""
    proxy_protocol_allow_downgrade: bool = False
    trust_x_forwarded_for: bool = False
    idp: Any = msgspec.UNSET
    ui: Ui = msgspec.field(default_factory=Ui)
    proxygroup_id: str = ""
    proxygroup_gen: int = 0
    assist: Any = msgspec.UNSET
    automatic_upgrades_channels: Any = msgspec.UNSET


class CommandLabel(Section):
    name: str
    command: list[str]
    period: str = "1m"


class Pam(Section):
    enabled: bool = False
    service_name: str = "sshd"
    use_pam_auth: bool = False
    environment: dict[str, str] = {}


class EnhancedRecording(Section):
    enabled: bool = False
    command_buffer_size: int = 8
    disk_buffer_size: int = 128
    network_buffer_size: int = 8
    cgroup_path: str = "/cgroup2"
    root_path: str = "/teleport"


class X11(Section):
    enabled: bool = False
    display_offset: int = 10
    max_display: int | None = None


class SshService(Section):
    enabled: bool = True
    listen_addr: str = ":3022"
    force_listen: bool = False
    public_addr: str | list[str] = []
    labels: Labels = {}
    commands: list[CommandLabel] = []
    permit_user_env: bool = False
    disable_create_host_user: bool = False
    port_forwarding: bool = True
    ssh_file_copy: bool = True
    pam: Pam = msgspec.field(default_factory=Pam)
    enhanced_recording: EnhancedRecording = msgspec.field(default_factory=EnhancedRecording)
    x11: X11 = msgspec.field(default_factory=X11)


class MetricsService(Section):
    enabled: bool = False
    listen_addr: str = ":3081"
    mtls: bool = False
    keypairs: list[KeyPair] = []
    ca_certs: list[str] = []
    grpc_server_latency: bool = False
    grpc_client_latency: bool = False


class File(Section):
    """The whole file. A section that is absent has its defaults."""

    version: str = "v1"
    teleport: Instance = msgspec.field(default_factory=Instance)
    auth_service: AuthService = msgspec.field(default_factory=AuthService)
    proxy_service: ProxyService = msgspec.field(default_factory=ProxyService)
    ssh_service: SshService = msgspec.field(default_factory=SshService)
    metrics_service: MetricsService = msgspec.field(default_factory=MetricsService)
    kubernetes_service: Any = msgspec.UNSET
    app_service: Any = msgspec.UNSET
    db_service: Any = msgspec.UNSET
    windows_desktop_service: Any = msgspec.UNSET
    discovery_service: Any = msgspec.UNSET
    okta_service: Any = msgspec.UNSET
    jamf_service: Any = msgspec.UNSET
    debug_service: Any = msgspec.UNSET
    tracing_service: Any = msgspec.UNSET
    plugins: Any = msgspec.UNSET
    access_graph: Any = msgspec.UNSET
    relay_service: Any = msgspec.UNSET
