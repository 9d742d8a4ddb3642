"""The singletons: defaults, spellings, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model import codec
from teleport.model.kinds import KINDS
from teleport.model.resource import Resource
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.cluster_networking_config import ClusterNetworkingConfig
from teleport.model.values import Duration


def setting(kind: str, **spec: Any) -> Resource:
    return codec.decode_document({"kind": kind, "version": KINDS[kind].type.DEFAULT_VERSION, "spec": spec})


def preference(**spec: Any) -> ClusterAuthPreference:
    found = setting("cluster_auth_preference", **spec)
    assert isinstance(found, ClusterAuthPreference)
    return found


def test_defaults_are_printed() -> None:
    plain: Any = codec.to_plain(preference())
    assert plain["metadata"]["name"] == "cluster-auth-preference"
    assert plain["spec"] == {
        "type": "local",
        "second_factor": "otp",
        "connector_name": "",
        "allow_local_auth": True,
        "require_session_mfa": False,
        "disconnect_expired_cert": False,
        "locking_mode": "best_effort",
        "default_session_ttl": "12h0m0s",
        "message_of_the_day": "",
        "signature_algorithm_suite": "",
    }
    networking: Any = codec.to_plain(setting("cluster_networking_config"))["spec"]
    assert networking["keep_alive_interval"] == "5m0s"
    assert networking["proxy_listener_mode"] == "separate"
    assert codec.to_plain(setting("session_recording_config"))["spec"] == {
        "mode": "node",
        "proxy_checks_host_keys": True,
    }
    assert codec.to_plain(setting("ui_config"))["spec"] == {"scrollback_lines": 1000, "show_resources": "requestable"}


@pytest.mark.parametrize(
    "kind",
    ["cluster_auth_preference", "cluster_networking_config", "session_recording_config", "ui_config", "vnet_config"],
)
def test_printed_defaults_come_back(kind: str) -> None:
    found = setting(kind)
    assert codec.from_yaml(codec.to_yaml([found])) == [found]
    assert codec.from_json(codec.to_json([found])) == [found]
    assert codec.decode_json(codec.encode_json(found), type(found)) == found


@pytest.mark.parametrize(
    ("spec", "factors", "passwordless"),
    [
        ({}, ["otp"], False),
        ({"second_factor": "otp"}, ["otp"], False),
        ({"second_factor": "on"}, ["webauthn", "otp"], True),
        ({"second_factor": "u2f"}, ["webauthn"], True),
        ({"second_factor": "webauthn", "allow_passwordless": "no"}, ["webauthn"], False),
        ({"second_factors": ["otp", "webauthn"]}, ["webauthn", "otp"], True),
        ({"second_factors": ["sso"]}, ["sso"], False),
        ({"second_factor": "off"}, [], False),
    ],
)
def test_second_factors(spec: dict[str, Any], factors: list[str], passwordless: bool) -> None:
    found = preference(**spec).spec
    assert (found.factors, found.passwordless, found.headless) == (factors, passwordless, "webauthn" in factors)


@pytest.mark.parametrize(
    ("kind", "spec", "word"),
    [
        ("cluster_auth_preference", {"allow_local_auth": False}, "allow_local_auth"),
        ("cluster_auth_preference", {"second_factor": "otp", "second_factors": ["otp"]}, "exclude"),
        ("cluster_auth_preference", {"second_factors": ["sms"]}, "second_factors"),
        ("cluster_auth_preference", {"allow_passwordless": True}, "allow_passwordless"),
        ("cluster_auth_preference", {"allow_headless": True}, "allow_headless"),
        ("cluster_auth_preference", {"connector_name": "passwordless"}, "passwordless"),
        ("cluster_auth_preference", {"type": "ldap"}, "spec.type"),
        ("cluster_auth_preference", {"locking_mode": "loose"}, "locking_mode"),
        ("cluster_auth_preference", {"default_session_ttl": "-1h"}, "default_session_ttl"),
        ("cluster_auth_preference", {"signature_algorithm_suite": "rot13"}, "signature_algorithm_suite"),
        ("cluster_auth_preference", {"hardware_key": {"piv_slot": "9b"}}, "piv_slot"),
        ("cluster_auth_preference", {"hardware_key": {"pin_cache_ttl": "2h"}}, "pin_cache_ttl"),
        ("cluster_auth_preference", {"stable_unix_user_config": {"first_uid": 10, "last_uid": 9}}, "range"),
        ("cluster_networking_config", {"web_idle_timeout": "30s"}, "web_idle_timeout"),
        ("cluster_networking_config", {"keep_alive_interval": "-1s"}, "keep_alive_interval"),
        ("cluster_networking_config", {"proxy_listener_mode": 2}, "proxy_listener_mode"),
        ("cluster_networking_config", {"tunnel_strategy": {"agent_mesh": {}, "proxy_peering": {}}}, "exclude"),
        ("session_recording_config", {"mode": "disk"}, "spec.mode"),
        ("ui_config", {"show_resources": "all"}, "show_resources"),
        ("ui_config", {"scrollback_lines": -1}, "scrollback_lines"),
        ("cluster_maintenance_config", {"agent_upgrades": {"utc_start_hour": 24}}, "utc_start_hour"),
        ("cluster_maintenance_config", {"agent_upgrades": {"weekdays": ["Someday"]}}, "weekdays"),
        ("network_restrictions", {"allow": [{"cidr": "10.0.0.0/33"}]}, "spec.allow"),
        ("vnet_config", {"ipv4_cidr_range": "everything"}, "ipv4_cidr_range"),
        ("cluster_name", {}, "cluster_name"),
    ],
)
def test_settings_that_are_refused(kind: str, spec: dict[str, Any], word: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        setting(kind, **spec)
    assert word in refusal.value.message


def test_a_singleton_has_one_name() -> None:
    with pytest.raises(BadParameter, match="exists once"):
        codec.decode_document({"kind": "ui_config", "metadata": {"name": "mine"}})


def test_networking_numbers_and_zeroes() -> None:
    found = setting(
        "cluster_networking_config",
        proxy_listener_mode=1,
        routing_strategy=1,
        keep_alive_interval="0s",
        web_idle_timeout="5m",
    )
    assert isinstance(found, ClusterNetworkingConfig)
    assert (found.spec.proxy_listener_mode, found.spec.routing_strategy) == ("multiplex", "most_recent")
    assert (found.spec.keep_alive_interval, found.spec.web_idle) == (Duration(minutes=5), Duration(minutes=5))
    assert ClusterNetworkingConfig().spec.web_idle == Duration(minutes=10)
