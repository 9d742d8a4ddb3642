"""Role options of several roles merged into one value: the one page that says how each combines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Literal, TypeVar

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resources.role import Role
from teleport.model.resources.role_options import DEFAULT_MAX_SESSION_TTL, RoleOptions
from teleport.policy import command_rules, file_rules, templates
from teleport.policy.command_rules import CommandRules
from teleport.policy.file_rules import FileRules
from teleport.policy.templates import Traits

NONE = timedelta()
_Word = TypeVar("_Word", bound=str)

KeyPolicy = Literal["none", "hardware_key", "hardware_key_touch", "hardware_key_pin", "hardware_key_touch_and_pin"]
_TOUCH, _PIN = 1, 2
# which of hardware, touch and PIN a policy asks for; a policy is met by one that asks for all of the same
_KEY_POLICIES: dict[str, tuple[bool, int]] = {
    "": (False, 0),
    "none": (False, 0),
    "hardware_key": (True, 0),
    "hardware_key_touch": (True, _TOUCH),
    "hardware_key_pin": (True, _PIN),
    "hardware_key_touch_and_pin": (True, _TOUCH | _PIN),
    "web_session": (True, _TOUCH | _PIN),  # web sessions are exempt: they prove a device by MFA prompts instead
}
_BY_MARKS: dict[tuple[bool, int], KeyPolicy] = {
    (False, 0): "none",
    (True, 0): "hardware_key",
    (True, _TOUCH): "hardware_key_touch",
    (True, _PIN): "hardware_key_pin",
    (True, _TOUCH | _PIN): "hardware_key_touch_and_pin",
}


def meets(policy: str, required: str) -> bool:
    """Whether an attested key of `policy` is good enough. An unknown policy meets nothing but `none`."""
    is_hardware, marks = _KEY_POLICIES.get(policy, (False, 0))
    needs_hardware, needed = _KEY_POLICIES.get(required, (True, _TOUCH | _PIN))
    return (is_hardware or not needs_hardware) and marks & needed == needed


def satisfies_mfa(policy: str) -> bool:
    """A key that is touched or unlocked for each use counts as a second factor."""
    return _KEY_POLICIES.get(policy, (False, 0))[1] != 0


def strictest(policies: Iterable[str]) -> KeyPolicy:
    """All demands together: touch and PIN of different roles become both."""
    is_hardware, marks = False, 0
    for policy in policies:
        one_hardware, one_marks = _KEY_POLICIES.get(policy, (True, _TOUCH | _PIN))
        is_hardware, marks = is_hardware or one_hardware, marks | one_marks
    return _BY_MARKS[is_hardware, marks]


class SessionMFA(msgspec.Struct, frozen=True):
    """What `require_session_mfa` asks of a session and of the key."""

    per_session: bool
    key_policy: KeyPolicy

    @classmethod
    def of(cls, value: bool | str | None) -> SessionMFA:
        if isinstance(value, str) and value:
            return cls(per_session=True, key_policy=strictest([value]))
        return cls(per_session=bool(value), key_policy="none")


class CertificateExtension(msgspec.Struct, frozen=True):
    name: str
    value: str


class MergedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of all roles of a person. Durations of zero and counts of zero mean no limit."""

    max_session_ttl: timedelta = DEFAULT_MAX_SESSION_TTL.delta
    forward_agent: bool = False
    port_forwarding_local: bool = False
    port_forwarding_remote: bool = False
    port_forwarding_beyond: bool = False
    """Remote forwards may listen on other addresses than loopback."""
    ssh_file_copy: bool = True
    file_rules: FileRules = FileRules()
    command_rules: CommandRules = CommandRules()
    client_idle_timeout: timedelta = NONE
    disconnect_expired_cert: bool = False
    max_sessions: int = 0
    max_connections: int = 0
    max_kubernetes_connections: int = 0
    enhanced_recording: tuple[str, ...] = ()
    permit_x11_forwarding: bool = False
    cert_format: Literal["standard", "oldssh"] = "standard"
    cert_extensions: tuple[CertificateExtension, ...] = ()
    lock: Literal["", "strict", "best_effort"] = ""
    request_access: Literal["optional", "always", "reason"] = "optional"
    request_prompts: tuple[str, ...] = ()
    key_policy: KeyPolicy = "none"
    mfa_verification_interval: timedelta = DEFAULT_MAX_SESSION_TTL.delta
    record_ssh: Literal["best_effort", "strict"] = "best_effort"
    record_default: Literal["best_effort", "strict"] = "best_effort"
    record_desktop: bool = False
    desktop_clipboard: bool = True
    desktop_directory_sharing: bool = True
    create_db_user_mode: Literal["off", "keep", "best_effort_drop"] = "off"
    pin_source_ip: bool = False
    saml_idp_enabled: bool = True

    def idle_timeout(self, cluster: timedelta | None) -> timedelta:
        """The shortest positive of roles and cluster; zero when neither sets one."""
        return shortest([self.client_idle_timeout, cluster or NONE])

    def disconnects_expired(self, cluster: bool) -> bool:
        return self.disconnect_expired_cert or cluster

    def locking_mode(self, cluster: str) -> Literal["strict", "best_effort"]:
        mode = self.lock or cluster
        return "strict" if mode == "strict" else "best_effort"


def shortest(values: Iterable[timedelta]) -> timedelta:
    """The shortest positive one, or zero."""
    return min((value for value in values if value > NONE), default=NONE)


def lowest(values: Iterable[int]) -> int:
    """The lowest non-zero one, or zero."""
    return min((value for value in values if value > 0), default=0)


def merge(roles: Sequence[Role], traits: Traits) -> MergedOptions:
    """The options of the roles a person was given; the implicit role adds only what MergedOptions says by default."""
    every = [role.spec.options for role in roles]
    if not every:
        return MergedOptions()
    ttl = min(options.session_ttl.delta for options in every)
    intervals = [one.mfa_verification_interval.delta for one in every if one.mfa_verification_interval is not None]
    return MergedOptions(
        max_session_ttl=ttl,
        forward_agent=any(one.forward_agent for one in every),
        port_forwarding_local=_forwards(every, "local"),
        port_forwarding_remote=_forwards(every, "remote"),
        port_forwarding_beyond=_forwards(every, "remote", explicitly=True),
        ssh_file_copy=_all(every, lambda one: one.ssh_file_copy),
        file_rules=file_rules.merge(roles, traits),
        command_rules=command_rules.merge(roles, traits),
        client_idle_timeout=shortest(one.client_idle_timeout.delta for one in every if one.client_idle_timeout),
        disconnect_expired_cert=any(one.disconnect_expired_cert for one in every),
        max_sessions=lowest(one.max_sessions for one in every),
        max_connections=lowest(one.max_connections for one in every),
        max_kubernetes_connections=lowest(one.max_kubernetes_connections for one in every),
        enhanced_recording=_enhanced(every),
        permit_x11_forwarding=any(one.permit_x11_forwarding for one in every),
        cert_format="oldssh" if any(one.cert_format == "oldssh" for one in every) else "standard",
        cert_extensions=_extensions(every, traits),
        lock=_first_of([one.lock for one in every], ("strict", "best_effort"), ""),
        request_access=_first_of([one.request_access for one in every], ("reason", "always"), "optional"),
        request_prompts=_distinct(one.request_prompt for one in every),
        key_policy=strictest(SessionMFA.of(one.require_session_mfa).key_policy for one in every),
        mfa_verification_interval=shortest(intervals) or ttl,
        record_ssh="strict" if any(_recording(one, "ssh") == "strict" for one in every) else "best_effort",
        record_default="strict" if any(_recording(one, "default") == "strict" for one in every) else "best_effort",
        record_desktop=any(_records_desktop(one) for one in every),
        desktop_clipboard=_all(every, lambda one: one.desktop_clipboard),
        desktop_directory_sharing=_all(every, lambda one: one.desktop_directory_sharing),
        create_db_user_mode=_first_of([_database_user(one) for one in every], ("keep", "best_effort_drop"), "off"),
        pin_source_ip=any(one.pin_source_ip for one in every),
        saml_idp_enabled=all(_saml(role) for role in roles),
    )


def _all(every: Sequence[RoleOptions], value: Callable[[RoleOptions], bool | None]) -> bool:
    """AND of a flag that is true where it is unset."""
    return all(value(one) is not False for one in every)


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _first_of(found: Sequence[str], ranked: tuple[_Word, ...], otherwise: _Word) -> _Word:
    return next((word for word in ranked if word in found), otherwise)


def _forwards(
    every: Sequence[RoleOptions], direction: Literal["local", "remote"], *, explicitly: bool = False
) -> bool:
    """An explicit false of any role wins; else any role that allows it, by direction or by `port_forwarding`.

    `explicitly`: by direction alone.
    """
    allowed = False
    for one in every:
        side = getattr(one.ssh_port_forwarding, direction, None)
        explicit = side.enabled if side is not None else None
        if explicit is False:
            return False
        allowed = allowed or explicit is True or (not explicitly and one.port_forwarding is not False)
    return allowed


def _enhanced(every: Sequence[RoleOptions]) -> tuple[str, ...]:
    unset = ("command", "network")
    return tuple(sorted({event for one in every for event in _listed(one.enhanced_recording, unset)}))


def _listed(values: Sequence[str] | None, unset: Sequence[str]) -> Sequence[str]:
    return unset if values is None else values


def _extensions(every: Sequence[RoleOptions], traits: Traits) -> tuple[CertificateExtension, ...]:
    """Expanded; one whose value has no text for this person, or cannot be read, is left out."""
    found: dict[CertificateExtension, None] = {}
    for one in every:
        for extension in one.cert_extensions:
            try:
                values = templates.expand([extension.value], traits)
            except BadParameter:
                continue
            found.update({CertificateExtension(extension.name, value): None for value in values[:1]})
    return tuple(found)


def _recording(one: RoleOptions, protocol: Literal["ssh", "default"]) -> str:
    if one.record_session is None:
        return "best_effort"
    return (one.record_session.ssh if protocol == "ssh" else "") or one.record_session.default or "best_effort"


def _records_desktop(one: RoleOptions) -> bool:
    return one.record_session is None or one.record_session.desktop is not False


def _database_user(one: RoleOptions) -> str:
    if one.create_db_user_mode is not None:
        return one.create_db_user_mode
    return "keep" if one.create_db_user else "off"


def _saml(role: Role) -> bool:
    """Version v8 knows the option no more."""
    idp = role.spec.options.idp
    return role.version == "v8" or idp is None or idp.saml is None or idp.saml.enabled is not False
