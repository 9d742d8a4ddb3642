"""The page of kinds and the names that people type."""

from __future__ import annotations

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model.kinds import KINDS, RBAC_ONLY, action_on, kind_named, parse_ref, parse_refs


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_has_its_class(name: str) -> None:
    kind = KINDS[name].type
    assert name == kind.KIND
    assert kind.DEFAULT_VERSION in kind.VERSIONS
    assert kind_named(name) is KINDS[name]


def test_no_word_means_two_kinds() -> None:
    words = [word for kind in KINDS.values() for word in (kind.name, *kind.aliases)]
    assert sorted(set(words)) == sorted(words)
    assert not RBAC_ONLY & set(words)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("roles", "role"),
        ("Nodes", "node"),
        ("TOKENS", "token"),
        ("cap", "cluster_auth_preference"),
        ("networking", "cluster_networking_config"),
        ("recconfig", "session_recording_config"),
        ("ui", "ui_config"),
        ("cas", "cert_authority"),
        ("tc", "trusted_cluster"),
        ("clusters", "trusted_cluster"),
        ("rc", "remote_cluster"),
        ("rts", "tunnel"),
        ("cmc", "cluster_maintenance_config"),
        ("sems", "semaphore"),
        ("win_desktop", "windows_desktop"),
        ("win_service", "windows_desktop_service"),
        ("kube_servers", "kube_server"),
        ("auth_servers", "auth_server"),
        ("accessrequests", "access_request"),
        ("oktaimportrule", "okta_import_rule"),
        ("host_users", "static_host_user"),
        ("saml_sps", "saml_idp_service_provider"),
        ("usergroups", "user_group"),
        ("ags", "access_graph_settings"),
        ("database_object_import_rule", "db_object_import_rule"),
        ("workloadidentity", "workload_identity"),
    ],
)
def test_aliases(word: str, kind: str) -> None:
    assert kind_named(word).name == kind


@pytest.mark.parametrize("word", ["", "rolle", "dbs", "user_secrets/x", "session"])
def test_an_unknown_kind_is_named_with_a_hint(word: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        kind_named(word)
    assert repr(word) in refusal.value.message
    assert "type/name" in refusal.value.message


def test_references() -> None:
    def read(text: str) -> tuple[str, str]:
        ref = parse_ref(text)
        return ref.kind.name, ref.key

    assert read("role") == ("role", "")
    assert read("role/access") == ("role", "access")
    assert read("ROLE access") == ("role", "access")
    assert read("cert_authority/host/example.com") == ("cert_authority", "host/example.com")
    assert read("node/openssh/id") == ("node", "id")
    with pytest.raises(BadParameter):
        parse_ref(" / ")


def test_lists_of_references() -> None:
    refs = [(ref.kind.name, ref.name) for ref in parse_refs(r"role/a\,b, users,connectors/x")]
    assert refs == [("role", "a,b"), ("user", ""), ("oidc", "x"), ("saml", "x"), ("github", "x")]
    with pytest.raises(BadParameter):
        parse_refs("role,,user")


def test_what_is_never_shown_is_marked() -> None:
    assert {name for name, kind in KINDS.items() if kind.secret} == {
        "user_secrets",
        "user_token",
        "webhook_delivery",
        "webhook_receipt",
        "web_session",
        "ca_secrets",
    }
    assert all(not kind.creatable and not kind.listable for kind in KINDS.values() if kind.secret)


def test_singletons_name_themselves() -> None:
    singles = {kind.name: kind.singleton for kind in KINDS.values() if kind.singleton}
    assert singles["cluster_auth_preference"] == "cluster-auth-preference"
    assert singles["ui_config"] == "ui-config"
    assert len(singles) == 14
    for name in singles:
        assert KINDS[name].type().name == singles[name]


def test_an_action_is_of_a_verb_and_a_kind_that_rules_may_name() -> None:
    assert [action_on("read", word) for word in ("role", "Roles", "session")] == ["role", "role", "session"]
    with pytest.raises(BadParameter, match="verb 'fly' is not known, expected one of list, read"):
        action_on("fly", "role")
    with pytest.raises(BadParameter, match="kind 'rolle' is not known"):
        action_on("read", "rolle")
