"""Role options. None means unset: it is not printed and the default in the comment holds."""

from __future__ import annotations

from typing import Annotated, Literal

from teleport.model.resource import Model, one_of, require
from teleport.model.resources.command_rules import CommandRules
from teleport.model.resources.file_rules import FileRules
from teleport.model.values import Duration, Flag, StringList, choice, meta

DEFAULT_MAX_SESSION_TTL = Duration(hours=30)
ENHANCED_EVENTS = ("command", "disk", "network")

HARDWARE_KEY_POLICIES = ("hardware_key", "hardware_key_touch", "hardware_key_pin", "hardware_key_touch_and_pin")
_MFA_WORDS = {word: word for word in HARDWARE_KEY_POLICIES} | {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "session": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
    "": False,
}


def _session_mfa(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        numbers = (False, True, *HARDWARE_KEY_POLICIES)
        require(0 <= value < len(numbers), f"require_session_mfa is {value}, expected 0 to {len(numbers) - 1}")
        return numbers[value]
    return _MFA_WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


SessionMFA = Annotated[
    bool | Literal["hardware_key", "hardware_key_touch", "hardware_key_pin", "hardware_key_touch_and_pin"],
    meta(_session_mfa),
]
"""False, True, or the key policy a session needs; also the numbers 0 to 5."""

HostUserMode = Annotated[
    Literal["off", "keep", "insecure-drop"],
    meta(
        choice(
            "create_host_user_mode",
            {1: "off", 2: "insecure-drop", 3: "keep", 4: "insecure-drop"},
            {
                "off": "off",
                "drop": "insecure-drop",
                "insecure_drop": "insecure-drop",
                "keep": "keep",
                "false": "off",
                "no": "off",
                False: "off",
            },
        )
    ),
]
DatabaseUserMode = Annotated[
    Literal["off", "keep", "best_effort_drop"],
    meta(
        choice(
            "create_db_user_mode",
            {1: "off", 2: "keep", 3: "best_effort_drop"},
            {
                "off": "off",
                "no": "off",
                "false": "off",
                "keep": "keep",
                "best-effort-drop": "best_effort_drop",
                False: "off",
            },
        )
    ),
]


class SSHPortForwardingDirection(Model):
    enabled: Flag | None = None


class SSHPortForwarding(Model):
    """An unset direction falls back to `port_forwarding`; an explicit false wins over every role."""

    local: SSHPortForwardingDirection | None = None
    remote: SSHPortForwardingDirection | None = None


class RecordSession(Model):
    """`default` and `ssh`: strict ends a session that cannot be recorded, best_effort goes on."""

    default: Literal["", "best_effort", "strict"] = ""
    ssh: Literal["", "best_effort", "strict"] = ""
    desktop: Flag | None = None


class CertExtension(Model, kw_only=True):
    """An additional SSH certificate extension; `value` may be a template."""

    type: Literal["ssh"] = "ssh"
    mode: Literal["extension"] = "extension"
    name: str
    value: str = ""


class IdPSAMLOptions(Model):
    enabled: Flag | None = None


class IdPOptions(Model):
    saml: IdPSAMLOptions | None = None


class RoleOptions(Model):
    """None = unset. The comment gives what unset means; how several roles combine is policy's business."""

    max_session_ttl: Duration | None = None  # 30h (also for zero and less)
    forward_agent: Flag | None = None  # false
    port_forwarding: Flag | None = None  # true
    ssh_port_forwarding: SSHPortForwarding | None = None  # falls back to port_forwarding
    ssh_file_copy: Flag | None = None  # true
    file_rules: FileRules | None = None  # every file
    command_rules: CommandRules | None = None  # every command
    client_idle_timeout: Duration | None = None  # none
    disconnect_expired_cert: Flag | None = None  # false
    max_sessions: int = 0  # unlimited
    max_connections: int = 0  # unlimited
    max_kubernetes_connections: int = 0  # unlimited
    enhanced_recording: StringList | None = None  # command, network
    permit_x11_forwarding: Flag | None = None  # false
    cert_format: Literal["", "standard", "oldssh"] = ""  # standard
    cert_extensions: list[CertExtension] = []
    lock: Literal["", "strict", "best_effort"] = ""  # the cluster's locking_mode
    request_access: Literal["", "optional", "always", "reason"] = ""  # optional
    request_prompt: str = ""
    require_session_mfa: SessionMFA | None = None  # false
    mfa_verification_interval: Duration | None = None  # = max_session_ttl
    device_trust_mode: Literal["", "off", "optional", "required", "required-for-humans"] = ""  # off
    record_session: RecordSession | None = None  # best_effort, desktop true
    desktop_clipboard: Flag | None = None  # true
    desktop_directory_sharing: Flag | None = None  # true
    create_desktop_user: Flag | None = None  # false
    create_host_user_mode: HostUserMode | None = None  # off
    create_host_user: Flag | None = None  # deprecated
    create_host_user_default_shell: str = ""
    create_db_user: Flag | None = None  # false
    create_db_user_mode: DatabaseUserMode | None = None  # off
    pin_source_ip: Flag | None = None  # false
    idp: IdPOptions | None = None  # saml enabled

    @property
    def session_ttl(self) -> Duration:
        """`max_session_ttl`, or 30 hours where it is unset or not positive."""
        ttl = self.max_session_ttl
        return ttl if ttl is not None and ttl > Duration() else DEFAULT_MAX_SESSION_TTL

    def check(self) -> None:
        """Raises BadParameter."""
        for field in ("max_sessions", "max_connections", "max_kubernetes_connections"):
            require(getattr(self, field) >= 0, f"spec.options.{field} is {getattr(self, field)}, expected 0 or more")
        for event in self.enhanced_recording or []:
            one_of(event, ENHANCED_EVENTS, "spec.options.enhanced_recording")
        for field in ("client_idle_timeout", "mfa_verification_interval"):
            value = getattr(self, field)
            require(value is None or value >= Duration(), f"spec.options.{field} is {value}, expected 0 or more")
        if self.file_rules is not None:
            self.file_rules.check()
        if self.command_rules is not None:
            self.command_rules.check()
        for extension in self.cert_extensions:
            require(extension.name, "spec.options.cert_extensions: name is missing")
