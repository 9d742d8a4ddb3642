"""The preset roles, against the reference's table."""

from __future__ import annotations

from teleport.model import codec
from teleport.model.resources.presets import implicit, missing_rules, presets
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import Rule

ROLES = {role.name: role for role in presets("8a3d")}


def verbs(role: Role, resource: str) -> list[str]:
    return sorted({verb for rule in role.spec.allow.rules if resource in rule.resources for verb in rule.verbs})


def test_all_presets_are_well_formed_and_marked() -> None:
    assert {"access", "editor", "auditor", "reviewer", "requester", "group-access", "terraform-provider"} <= set(
        ROLES
    )
    for role in ROLES.values():
        assert role.metadata.labels["teleport.internal/resource-type"] in ("preset", "system")
        assert role.version == "v7"
    assert codec.from_yaml(codec.to_yaml(ROLES.values())) == list(ROLES.values())


def test_the_editor_edits_and_reaches_nothing() -> None:
    editor = ROLES["editor"]
    assert verbs(editor, "role") == ["create", "delete", "list", "read", "update"]
    assert verbs(editor, "device") == ["create", "create_enroll_token", "delete", "enroll", "list", "read", "update"]
    assert verbs(editor, "integration") == ["create", "delete", "list", "read", "update", "use"]
    assert verbs(editor, "instance") == ["list", "read"]
    assert verbs(editor, "event") == []
    assert editor.spec.allow.logins == []
    assert editor.spec.allow.node_labels == {}
    assert editor.spec.options.record_session is not None
    assert editor.spec.options.record_session.desktop is False


def test_access_reaches_by_traits_and_edits_nothing() -> None:
    access = ROLES["access"].spec.allow
    assert access.logins == ["{{internal.logins}}"]
    assert access.node_labels == {"*": ["*"]}
    assert access.windows_desktop_logins == ["{{internal.windows_logins}}"]
    (session,) = [rule for rule in access.rules if "session" in rule.resources]
    assert session.where == "contains(session.participants, user.metadata.name)"
    assert not {verb for rule in access.rules for verb in rule.verbs} - {"list", "read"}


def test_the_auditor_reads_and_has_no_login() -> None:
    auditor = ROLES["auditor"]
    assert auditor.spec.allow.logins == ["no-login-8a3d"]
    assert verbs(auditor, "event") == ["list", "read"]
    assert verbs(auditor, "audit_query") == ["list", "read", "use"]
    assert not {verb for rule in auditor.spec.allow.rules for verb in rule.verbs} - {"list", "read", "use"}


def test_the_implicit_role_reads_and_forbids_forwarding() -> None:
    role = implicit()
    assert verbs(role, "node") == ["list", "read"]
    assert verbs(role, "cert_authority") == ["list", "readnosecrets"]
    assert verbs(role, "user") == []
    assert role.spec.options.port_forwarding is False


def test_presets_are_fresh_copies() -> None:
    presets("1")[0].spec.allow.logins.append("root")
    assert presets("1")[0].spec.allow.logins == []


def test_an_upgrade_adds_only_what_is_mentioned_nowhere() -> None:
    mine = ROLES["editor"]
    old = presets("1")[0]
    old.spec.allow.rules = [rule for rule in old.spec.allow.rules if rule.resources not in (["lock"], ["token"])]
    old.spec.deny.rules = [Rule(resources=["token"], verbs=["*"])]
    assert [rule.resources for rule in missing_rules(old, mine)] == [["lock"]]
    old.spec.allow.rules.append(Rule(resources=["*"], verbs=["read"]))
    assert missing_rules(old, mine) == []
