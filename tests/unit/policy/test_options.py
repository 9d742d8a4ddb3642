"""How each option of several roles combines: one row a rule of the reference, section 3.2."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from roles import role, role_set

from teleport.policy.command_rules import CommandRules
from teleport.policy.file_rules import FileRules
from teleport.policy.options import MergedOptions, meets, strictest

HOUR = timedelta(hours=1)


def merged(*options: dict[str, Any], **traits: list[str]) -> MergedOptions:
    forward = role_set(*[role(f"r{number}", options=one) for number, one in enumerate(options)], **traits).options
    backward = role_set(*[role(f"r{9 - n}", options=one) for n, one in enumerate(options)], **traits).options
    for field in MergedOptions.__struct_fields__:
        if field not in ("cert_extensions", "request_prompts"):
            assert getattr(forward, field) == getattr(backward, field), f"{field} depends on the order of roles"
    return forward


ON, OFF = {"enabled": True}, {"enabled": False}
FORWARD_OFF = {"ssh_port_forwarding": {"local": OFF}}
DISK = {"enhanced_recording": ["disk"]}

TABLE: list[tuple[list[dict[str, Any]], str, object]] = [
    ([{}], "max_session_ttl", 30 * HOUR),
    ([{"max_session_ttl": "0s"}], "max_session_ttl", 30 * HOUR),
    ([{"max_session_ttl": "8h"}, {"max_session_ttl": "4h"}, {}], "max_session_ttl", 4 * HOUR),
    ([{"max_session_ttl": "40h"}, {}], "max_session_ttl", 30 * HOUR),
    ([{}], "forward_agent", False),
    ([{"forward_agent": False}, {"forward_agent": True}], "forward_agent", True),
    ([{}], "port_forwarding_local", True),
    ([{"port_forwarding": False}], "port_forwarding_local", False),
    ([{"port_forwarding": False}, {}], "port_forwarding_remote", True),
    ([{"ssh_port_forwarding": {"local": OFF}}, {"port_forwarding": True}], "port_forwarding_local", False),
    ([{"ssh_port_forwarding": {"local": OFF}}, {"port_forwarding": True}], "port_forwarding_remote", True),
    ([{"ssh_port_forwarding": {"remote": ON}, "port_forwarding": False}], "port_forwarding_remote", True),
    ([{"ssh_port_forwarding": {"remote": ON}, "port_forwarding": False}], "port_forwarding_local", False),
    ([{"port_forwarding": True}], "port_forwarding_beyond", False),
    ([{"port_forwarding": True}, {"ssh_port_forwarding": {"remote": ON}}], "port_forwarding_beyond", True),
    (
        [{"ssh_port_forwarding": {"remote": OFF}}, {"ssh_port_forwarding": {"remote": ON}}],
        "port_forwarding_beyond",
        False,
    ),
    (
        [{"ssh_port_forwarding": {"local": OFF}}, {"ssh_port_forwarding": {"local": ON}}],
        "port_forwarding_local",
        False,
    ),
    ([{}], "ssh_file_copy", True),
    ([{"ssh_file_copy": True}, {"ssh_file_copy": False}], "ssh_file_copy", False),
    ([{}], "file_rules", FileRules()),
    ([{}], "command_rules", CommandRules()),
    ([{}], "client_idle_timeout", timedelta()),
    ([{"client_idle_timeout": "never"}, {"client_idle_timeout": "2h"}], "client_idle_timeout", 2 * HOUR),
    ([{"client_idle_timeout": "1h"}, {"client_idle_timeout": "2h"}], "client_idle_timeout", HOUR),
    ([{}, {"disconnect_expired_cert": True}], "disconnect_expired_cert", True),
    ([{}], "max_sessions", 0),
    ([{"max_sessions": 5}, {"max_sessions": 3}, {"max_sessions": 0}], "max_sessions", 3),
    ([{"max_connections": 2}, {"max_connections": 9}], "max_connections", 2),
    ([{"max_kubernetes_connections": 7}, {}], "max_kubernetes_connections", 7),
    ([{}], "enhanced_recording", ("command", "network")),
    ([{"enhanced_recording": []}], "enhanced_recording", ()),
    (
        [{"enhanced_recording": ["disk"]}, {"enhanced_recording": ["command"]}],
        "enhanced_recording",
        ("command", "disk"),
    ),
    ([{}, {"permit_x11_forwarding": True}], "permit_x11_forwarding", True),
    ([{}], "cert_format", "standard"),
    ([{"cert_format": "standard"}, {"cert_format": "oldssh"}], "cert_format", "oldssh"),
    ([{}], "lock", ""),
    ([{"lock": "best_effort"}, {}], "lock", "best_effort"),
    ([{"lock": "best_effort"}, {"lock": "strict"}], "lock", "strict"),
    ([{}], "request_access", "optional"),
    ([{"request_access": "always"}, {}], "request_access", "always"),
    ([{"request_access": "always"}, {"request_access": "reason"}], "request_access", "reason"),
    ([{"request_prompt": "Why?"}, {}, {"request_prompt": "Ticket?"}], "request_prompts", ("Why?", "Ticket?")),
    ([{"require_session_mfa": True}], "key_policy", "none"),
    ([{"require_session_mfa": "hardware_key"}, {"require_session_mfa": True}], "key_policy", "hardware_key"),
    (
        [{"require_session_mfa": "hardware_key_pin"}, {"require_session_mfa": "hardware_key_touch"}],
        "key_policy",
        "hardware_key_touch_and_pin",
    ),
    ([{"max_session_ttl": "8h"}], "mfa_verification_interval", 8 * HOUR),
    (
        [{"mfa_verification_interval": "2h"}, {"mfa_verification_interval": "1h"}, {}],
        "mfa_verification_interval",
        HOUR,
    ),
    ([{}], "record_ssh", "best_effort"),
    ([{"record_session": {"default": "strict"}}, {}], "record_ssh", "strict"),
    ([{"record_session": {"default": "strict", "ssh": "best_effort"}}], "record_ssh", "best_effort"),
    ([{"record_session": {"ssh": "strict"}}, {"record_session": {"ssh": "best_effort"}}], "record_ssh", "strict"),
    ([{}], "record_desktop", True),
    ([{"record_session": {"desktop": False}}], "record_desktop", False),
    ([{"record_session": {"desktop": False}}, {"record_session": {"desktop": True}}], "record_desktop", True),
    ([{}], "desktop_clipboard", True),
    ([{"desktop_clipboard": True}, {"desktop_clipboard": False}], "desktop_clipboard", False),
    ([{"desktop_directory_sharing": False}, {}], "desktop_directory_sharing", False),
    ([{}], "create_db_user_mode", "off"),
    ([{"create_db_user": True}, {}], "create_db_user_mode", "keep"),
    ([{"create_db_user_mode": "best_effort_drop"}, {}], "create_db_user_mode", "best_effort_drop"),
    (
        [{"create_db_user_mode": "best_effort_drop"}, {"create_db_user_mode": "keep"}],
        "create_db_user_mode",
        "keep",
    ),
    ([{}, {"pin_source_ip": True}], "pin_source_ip", True),
    ([{}], "saml_idp_enabled", True),
    ([{"idp": {"saml": {"enabled": False}}}, {"idp": {"saml": {"enabled": True}}}], "saml_idp_enabled", False),
]


@pytest.mark.parametrize(("options", "field", "expected"), TABLE)
def test_merging(options: list[dict[str, Any]], field: str, expected: object) -> None:
    assert getattr(merged(*options), field) == expected


def test_every_option_has_a_row() -> None:
    tested = {field for _, field, _ in TABLE} | {"cert_extensions", "record_default"}
    assert tested == set(MergedOptions.__struct_fields__)


def test_extensions_of_all_roles_are_expanded() -> None:
    extensions = [
        {"type": "ssh", "mode": "extension", "name": "login@github.com", "value": "{{external.github}}"},
        {"type": "ssh", "mode": "extension", "name": "gone@example.com", "value": "{{external.absent}}"},
    ]
    plain = [{"type": "ssh", "mode": "extension", "name": "fixed@example.com", "value": "x"}]
    found = merged({"cert_extensions": extensions}, {"cert_extensions": plain}, github=["octocat", "second"])
    assert {(one.name, one.value) for one in found.cert_extensions} == {
        ("login@github.com", "octocat"),
        ("fixed@example.com", "x"),
    }


def test_without_roles_nothing_is_granted() -> None:
    options = role_set().options
    assert not options.port_forwarding_local
    assert not options.record_desktop
    assert not options.forward_agent


@pytest.mark.parametrize(
    ("roles", "cluster", "expected"),
    [("0s", "0s", 0), ("0s", "1h", 1), ("2h", "0s", 2), ("2h", "1h", 1), ("1h", "2h", 1)],
)
def test_idle_timeout_against_the_cluster(roles: str, cluster: str, expected: int) -> None:
    from teleport.foundation import durations

    options = merged({"client_idle_timeout": roles})
    assert options.idle_timeout(durations.parse(cluster)) == expected * HOUR


@pytest.mark.parametrize(
    ("own", "cluster", "expected"),
    [
        ("", "", "best_effort"),
        ("", "strict", "strict"),
        ("best_effort", "strict", "best_effort"),
        ("strict", "best_effort", "strict"),
    ],
)
def test_locking_mode_against_the_cluster(own: str, cluster: str, expected: str) -> None:
    assert merged({"lock": own}).locking_mode(cluster) == expected


def test_policies_are_met_only_by_what_asks_for_all_of_it() -> None:
    ranked = ["none", "hardware_key", "hardware_key_touch", "hardware_key_pin", "hardware_key_touch_and_pin"]
    met = {required: [policy for policy in ranked if meets(policy, required)] for required in ranked}
    assert met["none"] == ranked
    assert met["hardware_key"] == ranked[1:]
    assert met["hardware_key_touch"] == ["hardware_key_touch", "hardware_key_touch_and_pin"]
    assert met["hardware_key_pin"] == ["hardware_key_pin", "hardware_key_touch_and_pin"]
    assert met["hardware_key_touch_and_pin"] == ["hardware_key_touch_and_pin"]
    assert strictest(["nonsense"]) == "hardware_key_touch_and_pin"
