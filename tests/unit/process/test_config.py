"""teleport.yaml: what loads, what is refused, and that the refusal names file, line and key."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.engines.host_offers import PamService, X11Displays
from teleport.foundation.errors import BadParameter
from teleport.net.address import Address
from teleport.process.config import CommandLine, Settings, load_settings
from teleport.process.config import load as load_module
from teleport.process.config.checks import split_address
from teleport.process.config.document import Document
from teleport.process.config.idle import IDLE
from teleport.process.config.sections import File

PIN = "sha256:" + "ab" * 32


def load(tmp_path: Path, text: str, **flags: object) -> Settings:
    path = tmp_path / "teleport.yaml"
    path.write_text(text)
    return load_settings(CommandLine(config=str(path), data_dir=str(tmp_path / "data"), **flags), {})  # type: ignore[arg-type]


def test_without_a_file_the_three_services_start(tmp_path: Path) -> None:
    settings = load_settings(CommandLine(data_dir=str(tmp_path)), {})
    assert settings.roles == ("auth", "proxy", "node")
    assert settings.proxy is not None
    assert settings.proxy.listen == Address("", 3080)
    assert settings.proxy.tunnel_listen is None
    assert settings.node is not None
    assert settings.node.listen is None


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_a_file_of_each_version_loads(tmp_path: Path, version: str) -> None:
    settings = load(
        tmp_path,
        f"""
version: {version}
teleport:
  nodename: alpha
  log: {{severity: WARN, format: {{output: json}}}}
  connection_limits: {{max_connections: 7}}
auth_service:
  enabled: yes
  cluster_name: example.com
  tokens: ["node,proxy:s3cret"]
  client_idle_timeout: 15m
  authentication: {{second_factor: otp, local_auth: on}}
proxy_service:
  public_addr: [tele.example.com:443, "[2001:db8::1]:3080"]
ssh_service:
  labels: {{env: prod}}
  commands: [{{name: uptime, command: [/usr/bin/uptime], period: 1m30s}}]
""",
    )
    assert settings.auth is not None
    assert settings.auth.cluster_name == "example.com"
    assert settings.auth.static_tokens == ((("Node", "Proxy"), "s3cret"),)
    assert settings.auth.singletons.preference == {"second_factor": "otp", "allow_local_auth": True}
    assert settings.proxy is not None
    assert settings.proxy.public == (Address("tele.example.com", 443), Address("2001:db8::1", 3080))
    assert (settings.proxy.tunnel_listen is not None) is (version == "v1")
    assert settings.node is not None
    assert settings.node.commands[0].period == timedelta(seconds=90)
    assert (settings.log.level, settings.log.form, settings.max_connections) == ("WARN", "json", 7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: v4", "teleport.yaml:1: version"),
        ("version: v3\nteleport:\n  nodname: x", "teleport.yaml:3: unknown key teleport.nodname"),
        ("version: v3\nwat: 1", "teleport.yaml:2: unknown key wat"),
        ("version: v3\nssh_service:\n  enabled: maybe", "teleport.yaml:3: ssh_service.enabled"),
        ("version: v3\ndb_service:\n  enabled: yes", "teleport.yaml:2: db_service: known, and not built"),
        ("version: v3\ndb_service:\n  databases: []", "teleport.yaml:2: db_service: known, and not built"),
        (
            "version: v3\nteleport:\n  connection_limits:\n    max_users: 9",
            ":4: teleport.connection_limits.max_users",
        ),
        (
            "version: v3\nauth_service: {authentication: {webauthn: {disabled: yes}}}",
            "webauthn.disabled: known, and not",
        ),
        ("version: v3\nteleport:\n  ciphers: [aes128-ctr]", "teleport.yaml:3: teleport.ciphers: known"),
        (
            "version: v3\nauth_service:\n  ca_key_params: {pkcs11: {module_path: /x}}",
            "auth_service.ca_key_params: known",
        ),
        ("version: v3\nmetrics_service:\n  mtls: yes", "metrics_service.mtls: known"),
        ("version: v3\nproxy_service:\n  acme: {enabled: yes, email: a@b}", "remove it or set enabled: no"),
        ("version: v3\nauth_service:\n  tunnel_strategy: {type: proxy_peering}", "expected agent_mesh"),
        ("version: v3\nssh_service:\n  enabled: 7", "expected yes or no"),
        ("version: v3\nteleport:\n  storage: {type: etcd}", "'etcd' is known, and not built yet"),
        ("version: v3\nteleport:\n  storage: {type: floppy}", "'floppy' is not a back end"),
        ("version: v3\nteleport:\n  auth_servers: [a:1]", "teleport.yaml:3: teleport.auth_servers"),
        ("version: v2\nteleport:\n  auth_server: a:1", "needs version: v3"),
        ("version: v3\nteleport:\n  auth_server: a\n  proxy_server: b", "not both"),
        ("version: v3\nteleport:\n  auth_token: a\n  join_params: {token_name: b}", "not both"),
        ("version: v3\nteleport:\n  ca_pin: abc", "expected sha256:"),
        ("version: v3\nauth_service: {tokens: ['x']}", "auth_service.tokens[0]"),
        ("version: v3\nauth_service: {tokens: ['wizard:x']}", "'wizard' is not a role"),
        ("version: v3\nteleport: {nodename: a}\nteleport: {nodename: b}", "stands here twice"),
        ("version: v3\nteleport: &a {nodename: x}\nssh_service: *a", "aliases"),
        ("[1, 2]", "expected sections"),
        ("version: [", "not valid YAML"),
        ("version: v3\nproxy_service: {web_listen_addr: 'a:99999'}", "port 99999"),
        ("version: v3\nssh_service:\n  commands: [{name: a, command: [b], period: 10ms}]", "shorter than 1s"),
        (
            "version: v3\nauth_service:\n  client_idle_timeout: 5 parsecs",
            "teleport.yaml:3: auth_service.client_idle_timeout",
        ),
        (
            "version: v3\nauth_service:\n\n  session_recording: often",
            "teleport.yaml:4: auth_service.session_recording",
        ),
        (
            "version: v3\nauth_service:\n  authentication:\n    second_factor: off",
            "teleport.yaml:4: auth_service.authentication.second_factor: 'off': local users must",
        ),
        (
            "version: v3\nauth_service:\n  authentication:\n    type: saml",
            "teleport.yaml:4: auth_service.authentication.type",
        ),
        ("version: v3\nauth_service:\n  authentication: {local_auth: no}", "authentication.local_auth: is false"),
        ("version: v3\nauth_service:\n  authentication: {u2f: {app_id: a}}", "authentication.u2f: known, and not"),
        ("version: v3\nproxy_service:\n  kube_public_addr: a:1", "proxy_service.kube_public_addr: known, and not"),
        ("version: v3\nproxy_service:\n  ui: {show_resources: accessible_only}", "expected requestable"),
        ("version: v3\nproxy_service:\n  ui: {scrollback_lines: -1}", "proxy_service.ui.scrollback_lines: -1"),
        ("version: v3\nteleport:\n  connection_limits: {max_connections: 0}", "max_connections: 0: expected 1"),
        (
            "version: v3\nssh_service:\n  labels:\n    a: b\n    c: [d]",
            "teleport.yaml:5: ssh_service.labels.c: expected text",
        ),
        (
            "version: v3\nproxy_service:\n  https_keypairs:\n  - {key_file: a, cert_file: b}\n  - {crt: b}",
            "teleport.yaml:5: unknown key proxy_service.https_keypairs[1].crt",
        ),
        (
            "version: v3\nauth_service: {enabled: no}\nproxy_service: {enabled: no}\nssh_service: {enabled: no}",
            "no serv",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        load(tmp_path, text)
    assert expected in refusal.value.message


def test_a_known_section_that_is_switched_off_is_accepted(tmp_path: Path) -> None:
    assert (
        load(tmp_path, "version: v3\ndb_service: {enabled: no}\nssh_service: {pam: {enabled: no}}").node is not None
    )


def test_what_changes_nothing_is_told_with_its_place(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        """version: v3
teleport:
  cache: {enabled: no}
  ca_signature_algo: rsa-sha2-512
  storage:
    region: eu-north-1
auth_service:
  license_file: /etc/license.pem
  proxy_listener_mode: separate
""",
    )
    places = [line.removeprefix(str(tmp_path / "teleport.yaml")).partition(" changes")[0] for line in found.idle]
    assert places == [
        ":3: teleport.cache.enabled",
        ":4: teleport.ca_signature_algo",
        ":6: teleport.storage.region",
        ":8: auth_service.license_file",
        ":9: auth_service.proxy_listener_mode",
    ]
    as_it_is = "version: v3\nteleport: {cache: {enabled: yes}}\nauth_service: {proxy_listener_mode: multiplex}"
    assert load(tmp_path, as_it_is).idle == ()


def _leaves(section: type[msgspec.Struct], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for field, kind in get_type_hints(section).items():
        inner = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, msgspec.Struct)]
        if inner and get_origin(kind) is not list:
            yield from _leaves(inner[0], (*at, field))
        else:
            yield (*at, field)


def test_every_known_key_is_read_or_refused_or_told() -> None:
    package = Path(load_module.__file__).parent
    source = "\n".join(
        file.read_text() for file in package.glob("*.py") if file.name not in ("sections.py", "idle.py")
    )
    named = {*load_module.UNBUILT, *IDLE}
    forgotten = [
        position
        for position in _leaves(File)
        if not any(position[:length] in named for length in range(1, len(position) + 1))
        and position[:2] != ("auth_service", "authentication")  # whole, as the resource that it is
        and not re.search(rf'\.{position[-1]}\b|"{position[-1]}"', source)
    ]
    assert forgotten == []


def test_switches_may_be_quoted(tmp_path: Path) -> None:
    text = 'version: v2\nauth_service: {enabled: "yes"}\nproxy_service: {enabled: "ON"}\nssh_service: {enabled: "no"}'
    assert load(tmp_path, text).roles == ("auth", "proxy")


def test_words_and_numbers_are_text_where_text_is_expected(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        """
version: v3
teleport: {nodename: 123}
auth_service:
  session_recording: off
  client_idle_timeout: 0
  tokens: ["node:a"]
  authentication: {second_factor: on}
ssh_service: {labels: {gpu: yes, release: 1.10, plain: text}}
""",
    )
    assert found.nodename == "123"
    assert found.auth is not None
    assert found.auth.singletons.recording == {"mode": "off"}
    assert found.auth.singletons.preference == {"second_factor": "on"}
    assert found.auth.singletons.networking is not None
    assert found.auth.singletons.networking["client_idle_timeout"] == "0"
    assert found.node is not None
    assert found.node.labels == {"gpu": "yes", "release": "1.10", "plain": "text"}


def test_a_strategy_and_certificates_of_a_public_authority_that_are_built(tmp_path: Path) -> None:
    found = load(
        tmp_path, "version: v3\nauth_service: {tunnel_strategy: {type: agent_mesh}}\nproxy_service: {acme: {}}"
    )
    assert found.auth is not None
    networking = {"tunnel_strategy": {"agent_mesh": {}}, "proxy_listener_mode": "multiplex"}
    assert found.auth.singletons.networking == networking


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"ca_pins": ("sha256:00",)}, "--ca-pin: 'sha256:00': expected"),
        ({"diag_addr": "127.0.0.1:99999"}, "--diag-addr: '127.0.0.1:99999': port"),
        ({"listen_ip": "here"}, "--listen-ip: 'here' is not an IP address"),
        ({"nodename": "a b"}, "--nodename: 'a b' is not a host name"),
        ({"auth_server": "a b"}, "--auth-server: 'a b' is not an address"),
        ({"auth_server": "a", "token": "/no/such/file"}, "--token: cannot read the file /no/such/file"),
        ({"config": "/no/such.yaml"}, "configuration file /no/such.yaml: No such file or directory"),
    ],
)
def test_a_wrong_flag_is_named(flags: dict[str, object], expected: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        load_settings(CommandLine(**flags), {})  # type: ignore[arg-type]
    assert refusal.value.message.startswith(expected)


def test_an_advertised_address_stands_in_for_public_ones(tmp_path: Path) -> None:
    text = "version: v3\nssh_service: {listen_addr: '0.0.0.0:4022'}"
    found = load(tmp_path, text, advertise_ip="192.0.2.7")
    assert found.proxy is not None
    assert found.proxy.public == (Address("192.0.2.7", 3080),)
    assert found.node is not None
    assert found.node.public == (Address("192.0.2.7", 4022),)
    given = load(tmp_path, "version: v3\nproxy_service: {public_addr: 'p:443'}", advertise_ip="192.0.2.7")
    assert given.proxy is not None
    assert given.proxy.public == (Address("p", 443),)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        f"version: v3\nteleport: {{nodename: a, auth_token: t, ca_pin: '{PIN}'}}",
        nodename="b",
        roles=("node",),
        auth_server="[::1]:3080",
        labels={"a": "b"},
        debug=True,
    )
    assert settings.nodename == "b"
    assert settings.join.server == Address("::1", 3080)
    assert settings.join.ca_pins == (PIN,)
    assert settings.roles == ("node",)
    assert settings.node is not None
    assert settings.node.labels == {"a": "b"}
    assert settings.log.level == "DEBUG"


def test_joining_another_cluster_switches_auth_and_proxy_off(tmp_path: Path) -> None:
    assert load_settings(CommandLine(auth_server="proxy:3080", data_dir=str(tmp_path)), {}).roles == ("node",)
    assert load(tmp_path, "version: v3\nteleport: {proxy_server: 'p:443', auth_token: x}").roles == ("node",)
    with pytest.raises(BadParameter, match="remove auth"):
        load_settings(CommandLine(auth_server="a:1", roles=("auth",)), {})


def test_a_token_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    found = load(tmp_path, f"version: v3\nteleport: {{proxy_server: 'p', auth_token: {tmp_path}/token}}")
    assert found.join.token == "s3cret"
    with pytest.raises(BadParameter, match="cannot read the file"):
        load(tmp_path, f"version: v3\nteleport: {{proxy_server: 'p', auth_token: {tmp_path}/absent}}")


def test_the_environment_may_hold_the_whole_file(tmp_path: Path) -> None:
    encoded = base64.b64encode(b"version: v3\nteleport: {nodename: env}").decode()
    assert load_settings(CommandLine(data_dir=str(tmp_path)), {"TELEPORT_CONFIG": encoded}).nodename == "env"
    with pytest.raises(BadParameter, match="base64"):
        load_settings(CommandLine(), {"TELEPORT_CONFIG": "%%%"})
    with pytest.raises(BadParameter, match="configuration file"):
        load_settings(CommandLine(), {"TELEPORT_CONFIG_FILE": str(tmp_path / "absent.yaml")})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", Address("example.com", 3080)),
        ("example.com:1", Address("example.com", 1)),
        ("https://example.com", Address("example.com", 443)),
        ("https://example.com:3080/", Address("example.com", 3080)),
        ("[::1]:22", Address("::1", 22)),
        ("::1", Address("::1", 3080)),
        (":3080", Address("", 3080)),
    ],
)
def test_addresses_of_every_form(text: str, expected: Address) -> None:
    assert split_address(text, 3080) == expected


@given(st.text())
def test_any_text_is_a_document_or_a_bad_parameter(text: str) -> None:
    with contextlib.suppress(BadParameter):
        assert isinstance(Document(text, "f").data, dict)


def test_displays_are_offered_within_the_numbers_given(tmp_path: Path) -> None:
    node = load(tmp_path, "version: v3\nssh_service: {x11: {enabled: yes, display_offset: 20}}\n").node
    assert node is not None
    assert node.offers.x11 == X11Displays(20, 1020)
    node = load(tmp_path, "version: v3\nssh_service: {x11: {display_offset: 20}}\n").node
    assert node is not None
    assert node.offers.x11 is None
    with pytest.raises(BadParameter, match="max_display"):
        load(tmp_path, "version: v3\nssh_service: {x11: {enabled: yes, display_offset: 20, max_display: 19}}\n")


def test_pam_is_checked_as_far_as_it_can_be(tmp_path: Path) -> None:
    environment = "environment: {TEAM: '{{external.team}}'}"
    text = "version: v3\nssh_service: {pam: {enabled: yes, use_pam_auth: yes, " + environment + "}}\n"
    node = load(tmp_path, text).node
    assert node is not None
    assert node.offers.pam == PamService("sshd", authenticates=True, environment={"TEAM": "{{external.team}}"})
    for wrong in ("service_name: ../sshd", "environment: {TEAM: '{{external'}", "environment: {'A=B': c}"):
        with pytest.raises(BadParameter, match=r"ssh_service\.pam"):
            load(tmp_path, "version: v3\nssh_service: {pam: {enabled: yes, " + wrong + "}}\n")
