"""Roles v3 to v8: what is well-formed, and what unset fields mean."""

from __future__ import annotations

from typing import Any

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model import codec
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import KubernetesResource
from teleport.model.values import Duration

VERSIONS = ("v3", "v4", "v5", "v6", "v7", "v8")


def role(version: str = "v7", name: str = "r", **spec: Any) -> Role:
    found = codec.decode_document({"kind": "role", "version": version, "metadata": {"name": name}, "spec": spec})
    assert isinstance(found, Role)
    return found


def refused(version: str = "v7", name: str = "r", **spec: Any) -> str:
    with pytest.raises(BadParameter) as refusal:
        role(version, name, **spec)
    return refusal.value.message


EVERY_FIELD = """
kind: role
version: v7
metadata: {name: every}
spec:
  options:
    max_session_ttl: 30h0m0s
    forward_agent: false
    port_forwarding: true
    ssh_port_forwarding: {local: {enabled: false}, remote: {enabled: true}}
    ssh_file_copy: true
    command_rules:
      deny: [{commands: [reboot]}]
      ask: [{commands: ["systemctl restart *"], filter: 'contains(user.roles, "ops")'}]
      allow: [{commands: ["systemctl **"], unmoderated: true}]
    file_rules:
      deny: [{paths: [/etc/**], larger_than: 10}]
      allow: [{directions: [upload], extensions: [csv], max_size: 10MiB}]
    client_idle_timeout: 15m0s
    disconnect_expired_cert: false
    max_sessions: 3
    max_connections: 2
    max_kubernetes_connections: 1
    enhanced_recording: [command, disk, network]
    permit_x11_forwarding: false
    cert_format: standard
    cert_extensions: [{type: ssh, mode: extension, name: login@github.com, value: '{{external.github}}'}]
    lock: strict
    request_access: reason
    request_prompt: why?
    require_session_mfa: true
    mfa_verification_interval: 1h0m0s
    device_trust_mode: required
    record_session: {default: best_effort, ssh: strict, desktop: false}
    desktop_clipboard: true
    desktop_directory_sharing: true
    create_desktop_user: false
    create_host_user_mode: keep
    create_host_user: false
    create_host_user_default_shell: /bin/bash
    create_db_user: false
    create_db_user_mode: best_effort_drop
    pin_source_ip: true
    idp: {saml: {enabled: false}}
  allow:
    namespaces: [default]
    schedule: [{days: [weekdays], hours: ["09:00-18:00"], dates: [2030-01-01/2030-12-31], time_zone: Asia/Seoul}]
    logins: ['{{internal.logins}}', root]
    node_labels: {'*': '*'}
    node_labels_expression: labels["env"] == "x"
    cluster_labels: {a: b}
    cluster_labels_expression: 'true'
    kubernetes_groups: [g]
    kubernetes_users: [u]
    kubernetes_labels: {a: b}
    kubernetes_labels_expression: 'true'
    kubernetes_resources:
    - {kind: pod, name: '*', namespace: '*', verbs: [get, list]}
    - {kind: kube_node, name: x, verbs: ['*']}
    db_labels: {a: b}
    db_labels_expression: 'true'
    db_users: ['*']
    db_names: ['*']
    db_roles: [reader]
    db_permissions: [{permissions: [SELECT], match: {object_kind: [table]}}]
    db_service_labels: {a: b}
    db_service_labels_expression: 'true'
    app_labels: {a: b}
    app_labels_expression: 'true'
    aws_role_arns: [arn:aws:iam::1:role/x]
    azure_identities:
    - /subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n
    gcp_service_accounts: [a@b.iam]
    windows_desktop_labels: {a: b}
    windows_desktop_labels_expression: 'true'
    windows_desktop_logins: [Administrator]
    desktop_groups: [Administrators]
    host_groups: [docker]
    host_sudoers: ['ALL=(ALL) NOPASSWD: ALL']
    group_labels: {a: b}
    group_labels_expression: 'true'
    impersonate: {users: ['*'], roles: ['*'], where: 'true'}
    request:
      roles: [dba]
      claims_to_roles: [{claim: groups, value: '^a-(.*)$', roles: ['$1']}]
      search_as_roles: [access]
      suggested_reviewers: [bob]
      thresholds: [{name: two, filter: 'true', approve: 2, deny: 1}]
      annotations: {services: [a]}
      max_duration: 7d
      reason: {mode: required, prompt: tell}
      kubernetes_resources: [{kind: namespace}]
    review_requests:
      roles: [dba]
      claims_to_roles: [{claim: groups, value: x, roles: [y]}]
      preview_as_roles: [access]
      where: 'true'
    join_sessions: [{name: j, roles: [dev], kinds: [ssh], modes: [observer, peer]}]
    require_session_join: [{name: q, filter: 'true', kinds: [ssh], modes: [moderator], count: 1, on_leave: pause}]
    rules: [{resources: [session], verbs: [list], where: 'true', actions: [log]}]
    spiffe: [{path: /svc/*, dns_sans: ['*.x'], ip_sans: [10.0.0.0/8]}]
    workload_identity_labels: {a: b}
    workload_identity_labels_expression: 'true'
    account_assignments: [{permission_set: p, account: '123'}]
    github_permissions: [{orgs: [o]}]
    mcp: {tools: ['*']}
  deny:
    namespaces: [default]
    logins: [guest]
    host_sudoers: ['*']
    azure_identities: ['*']
    db_permissions: [{permissions: ['*'], match: {a: b}}]
    request:
      roles: [x]
      claims_to_roles: [{claim: a, value: b, roles: [c]}]
      search_as_roles: [y]
      annotations: {a: b}
    rules: [{resources: ['*'], verbs: ['*']}]
"""


def test_every_field_is_read_kept_and_printed_back() -> None:
    (found,) = codec.from_yaml(EVERY_FIELD)
    assert isinstance(found, Role)
    unset = [
        f"{part}.{name}"
        for part in ("options", "allow")
        for name in getattr(found.spec, part).__struct_fields__
        if getattr(getattr(found.spec, part), name) in (None, [], {}, "")
    ]
    assert unset == []
    assert codec.from_yaml(codec.to_yaml([found])) == [found]
    plain: Any = codec.to_plain(found)
    assert plain["spec"]["options"]["forward_agent"] is False
    assert plain["spec"]["options"]["max_session_ttl"] == "30h0m0s"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_reads_a_plain_role(version: str) -> None:
    found = role(version, allow={"logins": ["root"], "node_labels": {"*": "*"}})
    assert codec.from_yaml(codec.to_yaml([found])) == [found]
    assert codec.to_plain(found)["version"] == version


@pytest.mark.parametrize(
    ("version", "selector", "logins", "expected"),
    [
        ("v3", "node", ["root"], {"*": ["*"]}),
        ("v3", "node", [], {}),
        ("v3", "app", [], {"*": ["*"]}),
        ("v3", "kubernetes", [], {"*": ["*"]}),
        ("v3", "db", [], {"*": ["*"]}),
        ("v3", "windows_desktop", [], {}),
        ("v4", "node", ["root"], {}),
        ("v5", "app", [], {}),
        ("v6", "db", [], {}),
        ("v7", "kubernetes", [], {}),
        ("v8", "node", ["root"], {}),
    ],
)
def test_unset_labels_by_version(version: str, selector: str, logins: list[str], expected: object) -> None:
    assert role(version, allow={"logins": logins}).allow_labels(selector) == expected


def test_written_labels_win_over_the_default() -> None:
    assert role("v3", allow={"app_labels": {"a": "b"}}).allow_labels("app") == {"a": ["b"]}


def test_denied_kubernetes_groups_need_no_labels() -> None:
    assert role(deny={"kubernetes_groups": ["x"]}).deny_labels("kubernetes") == {"*": ["*"]}
    assert role(deny={"kubernetes_labels": {"a": "b"}}).deny_labels("kubernetes") == {"a": ["b"]}
    assert role(deny={"kubernetes_labels_expression": "true"}).deny_labels("kubernetes") == {}
    assert role().deny_labels("node") == {}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v3", [KubernetesResource(kind="pod", name="*", namespace="*", verbs=["*"])]),
        ("v5", [KubernetesResource(kind="pod", name="*", namespace="*", verbs=["*"])]),
        ("v6", []),
        ("v7", [KubernetesResource(kind="*", name="*", namespace="*", verbs=["*"])]),
        ("v8", [KubernetesResource(kind="*", name="*", namespace="*", verbs=["*"], api_group="*")]),
    ],
)
def test_unset_kubernetes_resources_by_version(version: str, expected: object) -> None:
    assert role(version).allow_kubernetes_resources() == expected


def kube(version: str, **fields: Any) -> Role:
    return role(version, allow={"kubernetes_resources": [fields]})


def test_before_v7_the_only_verb_is_filled_in() -> None:
    for version in ("v3", "v4", "v5", "v6"):
        found = kube(version, kind="pod", name="x", namespace="y")
        assert found.spec.allow.kubernetes_resources[0].verbs == ["*"]


@pytest.mark.parametrize(
    ("version", "fields", "word"),
    [
        ("v6", {"kind": "secret", "name": "x", "namespace": "y"}, "kind"),
        ("v6", {"kind": "pod", "name": "x", "namespace": "y", "verbs": ["get"]}, "verbs"),
        ("v6", {"kind": "pod", "name": "x"}, "namespace"),
        ("v7", {"kind": "pod", "name": "x", "namespace": "y"}, "verbs"),
        ("v7", {"kind": "pod", "name": "", "namespace": "y", "verbs": ["*"]}, "name"),
        ("v7", {"kind": "pod", "name": "x", "verbs": ["*"]}, "namespace"),
        ("v7", {"kind": "*", "name": "x", "verbs": ["*"]}, "namespace"),
        ("v7", {"kind": "pods", "name": "x", "namespace": "y", "verbs": ["*"]}, "kind"),
        ("v7", {"kind": "pod", "name": "x", "namespace": "y", "verbs": ["*", "get"]}, "alone"),
        ("v7", {"kind": "pod", "name": "x", "namespace": "y", "verbs": ["read"]}, "verbs"),
        ("v7", {"kind": "pod", "name": "x", "namespace": "y", "verbs": ["get"], "api_group": "apps"}, "api_group"),
        ("v8", {"kind": "pod", "name": "x", "namespace": "y", "verbs": ["get"]}, "plural"),
    ],
)
def test_kubernetes_resources_that_are_refused(version: str, fields: dict[str, Any], word: str) -> None:
    message = refused(version, allow={"kubernetes_resources": [fields]})
    assert "kubernetes_resources[0]" in message
    assert word in message


def test_cluster_wide_kinds_need_no_namespace() -> None:
    for kind in ("namespace", "kube_node", "persistentvolume", "clusterrole", "clusterrolebinding"):
        kube("v7", kind=kind, name="x", verbs=["*"])
    kube("v8", kind="widgets", api_group="example.com", name="*", namespace="*", verbs=["get"])


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"allow": {"logins": ["root", "*"]}}, "spec.allow.logins"),
        ({"allow": {"node_labels": {"*": "x"}}}, "selector *:x is not supported"),
        ({"deny": {"app_labels": {"*": ["*", "x"]}}}, "spec.deny.app_labels"),
        ({"allow": {"rules": [{"resources": [], "verbs": ["list"]}]}}, "rules[0].resources"),
        ({"allow": {"rules": [{"resources": ["x"], "verbs": []}]}}, "rules[0].verbs"),
        ({"allow": {"db_roles": ["*"]}}, "db_roles"),
        ({"allow": {"db_permissions": [{"permissions": ["*"], "match": {"a": "b"}}]}}, "permissions"),
        ({"allow": {"aws_role_arns": ["*"]}}, "aws_role_arns"),
        ({"allow": {"azure_identities": ["*"]}}, "azure_identities"),
        ({"allow": {"azure_identities": ["x"]}}, "managed identity"),
        ({"allow": {"gcp_service_accounts": ["*"]}}, "gcp_service_accounts"),
        ({"allow": {"impersonate": {"users": ["a"]}}}, "without roles"),
        ({"deny": {"impersonate": {"roles": ["a"], "where": "true"}}}, "where"),
        ({"deny": {"join_sessions": [{"name": "x"}]}}, "join_sessions"),
        ({"deny": {"require_session_join": [{"name": "x", "count": 1}]}}, "require_session_join"),
        ({"deny": {"request": {"thresholds": [{"approve": 1}]}}}, "thresholds"),
        ({"allow": {"require_session_join": [{"name": "x", "kinds": ["ssh"], "count": 0}]}}, "count"),
        ({"allow": {"join_sessions": [{"name": "x", "kinds": ["tty"]}]}}, "kinds"),
        ({"allow": {"join_sessions": [{"name": "x", "modes": ["owner"]}]}}, "modes"),
        ({"allow": {"request": {"thresholds": [{"approve": -1}]}}}, "at least 1"),
        ({"allow": {"request": {"claims_to_roles": [{"claim": "a", "value": "b"}]}}}, "claims_to_roles[0]"),
        ({"allow": {"spiffe": [{"path": "svc"}]}}, "path"),
        ({"allow": {"spiffe": [{"path": "/svc", "ip_sans": ["10.0.0.0/99"]}]}}, "CIDR"),
        ({"options": {"enhanced_recording": ["keys"]}}, "enhanced_recording"),
        ({"options": {"max_connections": -1}}, "max_connections"),
        ({"options": {"cert_format": "new"}}, "cert_format"),
        ({"options": {"create_host_user_mode": True}}, "create_host_user_mode"),
        ({"options": {"create_host_user_mode": 9}}, "create_host_user_mode"),
        ({"options": {"require_session_mfa": 6}}, "require_session_mfa"),
        ({"options": {"require_session_mfa": "touch"}}, "require_session_mfa"),
        ({"options": {"device_trust_mode": "always"}}, "device_trust_mode"),
        ({"options": {"record_session": {"ssh": "maybe"}}}, "record_session"),
        ({"allow": {"node_labels_expression": "x" * 9000}}, "node_labels_expression"),
    ],
)
def test_sections_that_are_refused(spec: dict[str, Any], word: str) -> None:
    assert word in refused(**spec)


@pytest.mark.parametrize("name", ["Auth", "Node", "Proxy", "Db", "Trusted_cluster", "WindowsDesktop"])
def test_names_of_system_roles_are_reserved(name: str) -> None:
    assert "reserved" in refused(name=name)
    role(name=name.lower())


def test_saml_idp_option_ends_with_v8() -> None:
    role("v7", options={"idp": {"saml": {"enabled": False}}})
    assert "idp.saml" in refused("v8", options={"idp": {"saml": {"enabled": False}}})


@pytest.mark.parametrize(
    ("field", "written", "kept"),
    [
        ("create_host_user_mode", "off", "off"),
        ("create_host_user_mode", False, "off"),
        ("create_host_user_mode", 3, "keep"),
        ("create_host_user_mode", 2, "insecure-drop"),
        ("create_host_user_mode", 4, "insecure-drop"),
        ("create_host_user_mode", "drop", "insecure-drop"),
        ("create_db_user_mode", 3, "best_effort_drop"),
        ("create_db_user_mode", "off", "off"),
        ("require_session_mfa", "yes", True),
        ("require_session_mfa", 0, False),
        ("require_session_mfa", 1, True),
        ("require_session_mfa", 5, "hardware_key_touch_and_pin"),
        ("forward_agent", "on", True),
        ("forward_agent", 1, True),
        ("forward_agent", "0", False),
        ("forward_agent", "perhaps", False),
        ("max_session_ttl", "1d", Duration(days=1)),
        ("max_session_ttl", 3_600_000_000_000, Duration(hours=1)),
        ("client_idle_timeout", "never", Duration()),
    ],
)
def test_spellings_of_options(field: str, written: object, kept: object) -> None:
    assert getattr(role(options={field: written}).spec.options, field) == kept


def test_a_threshold_of_nothing_counts_as_one() -> None:
    request = role(allow={"request": {"thresholds": [{"approve": 2}, {}]}}).spec.allow.request
    assert request is not None
    assert [(found.approve, found.deny) for found in request.thresholds] == [(2, 1), (1, 1)]


@pytest.mark.parametrize(("written", "hours"), [(None, 30), ("0s", 30), ("-1h", 30), ("2h", 2)])
def test_session_ttl_has_a_default(written: str | None, hours: int) -> None:
    options = {} if written is None else {"max_session_ttl": written}
    assert role(options=options).spec.options.session_ttl == Duration(hours=hours)
