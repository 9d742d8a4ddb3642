"""Who reaches what: the subtle points of the resource reference, section 3.7, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from roles import ANYTHING, node, role, role_set, unchecked

from teleport.foundation.errors import BadParameter
from teleport.model.codec import decode_document
from teleport.model.identity import Identity, ResourceId
from teleport.model.resource import Resource
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.lock import Lock
from teleport.policy.access import AccessState, can_access, can_access_node, logins_for, visible, visible_of
from teleport.policy.decision import Code
from teleport.policy.options import SessionMFA
from teleport.policy.role_set import RoleSet

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PLAIN = AccessState()
IS_PROD = 'labels.env == "prod"'
WANTS_MFA = {"require_session_mfa": True}
OPEN_NODES = {"logins": ["root", "alice"], "node_labels": ANYTHING}


def code(roles: RoleSet, target: Any = None, login: str = "root", state: AccessState = PLAIN) -> Code:
    return can_access_node(roles, target or node(env="prod"), login, state).reason.code


def resource(kind: str, version: str = "v3", spec: dict[str, Any] | None = None, **labels: str) -> Resource:
    document: dict[str, Any] = {"kind": kind, "version": version, "metadata": {"name": "x", "labels": labels}}
    return decode_document(document | ({"spec": spec} if spec else {}))


DATABASE = resource("db", spec={"protocol": "postgres", "uri": "localhost:5432"}, env="prod")


class TestAllow:
    def test_needs_labels_and_login(self) -> None:
        roles = role_set(role(allow={"logins": ["root"], "node_labels": {"env": "prod"}}))
        assert code(roles) is Code.ALLOWED_BY_ROLE
        assert code(roles, login="alice") is Code.NOTHING_ALLOWS
        assert code(roles, node(env="dev")) is Code.NOTHING_ALLOWS
        assert code(roles, node()) is Code.NOTHING_ALLOWS

    def test_needs_both_from_one_role(self) -> None:
        labels = role("labels", allow={"logins": ["guest"], "node_labels": {"env": "prod"}})
        logins = role("logins", allow={"logins": ["root"], "node_labels": {"env": "dev"}})
        assert code(role_set(labels, logins)) is Code.NOTHING_ALLOWS

    def test_nothing_without_roles(self) -> None:
        assert code(role_set()) is Code.NOTHING_ALLOWS

    def test_selector_and_expression_must_both_match(self) -> None:
        both = {"logins": ["root"], "node_labels": {"env": "prod"}, "node_labels_expression": 'labels.team == "a"'}
        roles = role_set(role(allow=both))
        assert code(roles, node(env="prod", team="a")) is Code.ALLOWED_BY_ROLE
        assert code(roles, node(env="prod", team="b")) is Code.NOTHING_ALLOWS
        assert code(roles, node(env="dev", team="a")) is Code.NOTHING_ALLOWS

    def test_expression_alone_is_enough(self) -> None:
        roles = role_set(role(allow={"logins": ["root"], "node_labels_expression": 'labels.team == "a"'}))
        assert code(roles, node(team="a")) is Code.ALLOWED_BY_ROLE
        assert code(roles, node(team="b")) is Code.NOTHING_ALLOWS

    def test_traits_fill_logins_labels_and_keys(self) -> None:
        allow = {
            "logins": ["{{internal.logins}}"],
            "node_labels": {"team": "{{external.team}}", "{{external.key}}": "*"},
        }
        roles = role_set(role(allow=allow), logins=["bob"], team=["blue", "red"], key=["env", "ignored"])
        assert code(roles, node(team="red", env="x"), "bob") is Code.ALLOWED_BY_ROLE
        assert code(roles, node(team="green", env="x"), "bob") is Code.NOTHING_ALLOWS
        assert code(roles, node(team="red", ignored="x"), "bob") is Code.NOTHING_ALLOWS
        assert code(roles, node(team="red", env="x"), "root") is Code.NOTHING_ALLOWS

    def test_an_absent_trait_matches_nothing(self) -> None:
        by_value = role(allow={"logins": ["root"], "node_labels": {"team": "{{external.team}}"}})
        assert code(role_set(by_value), node(team="")) is Code.NOTHING_ALLOWS
        by_key = role(allow={"logins": ["root"], "node_labels": {"{{external.key}}": "*"}})
        assert code(role_set(by_key), node(team="x")) is Code.NOTHING_ALLOWS

    def test_invalid_logins_are_dropped_after_expansion(self) -> None:
        allow = {"logins": ["{{external.email}}", "{{external.bad}}"], "node_labels": ANYTHING}
        roles = role_set(role(allow=allow), email=["alice@example.com"], bad=["-oProxyCommand=x", "a;b", "*"])
        assert logins_for(roles, node()) == ["alice@example.com"]
        for login in ("-oProxyCommand=x", "a;b", "*", "root"):
            assert code(roles, login=login) is Code.NOTHING_ALLOWS

    def test_a_foreign_namespace_allows_nothing(self) -> None:
        assert code(role_set(role(allow=OPEN_NODES | {"namespaces": ["other"]}))) is Code.NOTHING_ALLOWS
        assert code(role_set(role(allow=OPEN_NODES | {"namespaces": ["*"]}))) is Code.ALLOWED_BY_ROLE

    def test_dynamic_labels_win(self) -> None:
        target = node(env="dev")
        target.spec.cmd_labels = cast("Any", _command_labels({"env": "prod"}))
        roles = role_set(role(allow={"logins": ["root"], "node_labels": {"env": "prod"}}))
        assert code(roles, target) is Code.ALLOWED_BY_ROLE

    @pytest.mark.parametrize(
        ("version", "logins", "expected"),
        [
            ("v3", ["root"], Code.ALLOWED_BY_ROLE),
            ("v3", [], Code.NOTHING_ALLOWS),
            ("v4", ["root"], Code.NOTHING_ALLOWS),
            ("v5", ["root"], Code.NOTHING_ALLOWS),
            ("v6", ["root"], Code.NOTHING_ALLOWS),
            ("v7", ["root"], Code.NOTHING_ALLOWS),
            ("v8", ["root"], Code.NOTHING_ALLOWS),
        ],
    )
    def test_unset_node_labels_by_version(self, version: str, logins: list[str], expected: Code) -> None:
        assert code(role_set(role(allow={"logins": logins}, version=version))) is expected

    def test_broken_conditions_never_allow(self) -> None:
        for part in (
            {"node_labels": {"env": ["^($"]}},
            {"node_labels": ANYTHING, "node_labels_expression": "nonsense"},
            {"node_labels": {"{{broken": ["*"]}},
        ):
            assert code(role_set(unchecked("r", allow={"logins": ["root"]} | part))) is Code.NOTHING_ALLOWS
        kept = role_set(unchecked("r", allow={"logins": ["{{broken", "root"], "node_labels": {"*": ["*"]}}))
        assert logins_for(kept, node()) == ["root"]
        assert [problem.field for problem in kept.problems()] == ["allow.logins"]


def _command_labels(values: dict[str, str]) -> dict[str, Any]:
    from teleport.model.resources.heartbeat import CommandLabel

    return {key: CommandLabel(result=value) for key, value in values.items()}


class TestDeny:
    """Deny of any role wins, and is greedy: one matcher is enough."""

    allow = role("allow", allow=OPEN_NODES)

    @pytest.mark.parametrize(
        ("deny", "expected"),
        [
            ({"node_labels": {"env": "prod"}}, Code.DENIED_BY_LABELS),
            ({"node_labels": {"env": "dev"}}, Code.ALLOWED_BY_ROLE),
            ({"node_labels": ANYTHING}, Code.DENIED_BY_LABELS),
            ({"logins": ["root"]}, Code.DENIED_BY_MATCHER),
            ({"logins": ["*"]}, Code.DENIED_BY_MATCHER),
            ({"logins": ["alice"]}, Code.ALLOWED_BY_ROLE),
            ({"logins": ["root"], "node_labels": {"env": "dev"}}, Code.DENIED_BY_MATCHER),
            ({"logins": ["bob"], "node_labels": {"env": "prod"}}, Code.DENIED_BY_LABELS),
            ({"node_labels_expression": IS_PROD}, Code.DENIED_BY_LABELS),
            (
                {"node_labels": {"env": "dev"}, "node_labels_expression": 'labels.env == "prod"'},
                Code.DENIED_BY_LABELS,
            ),
            ({"node_labels": {"env": "prod"}, "node_labels_expression": 'labels.env == "x"'}, Code.DENIED_BY_LABELS),
            ({"node_labels": {"env": "{{external.absent}}"}}, Code.ALLOWED_BY_ROLE),
            ({"logins": ["{{external.absent}}"]}, Code.ALLOWED_BY_ROLE),
            ({"node_labels": {"env": "prod"}, "namespaces": ["other"]}, Code.ALLOWED_BY_ROLE),
            ({}, Code.ALLOWED_BY_ROLE),
        ],
    )
    def test_table(self, deny: dict[str, Any], expected: Code) -> None:
        for roles in ((self.allow, role("deny", deny=deny)), (role("deny", deny=deny), self.allow)):
            assert code(role_set(*roles)) is expected
        assert code(role_set(role(allow=OPEN_NODES, deny=deny))) is expected

    @pytest.mark.parametrize(
        "deny",
        [
            {"node_labels": {"env": ["^($"]}},
            {"node_labels_expression": "nonsense("},
            {"logins": ["{{broken"]},
            {"logins": ["{{internal.unknown}}"]},
            {"node_labels": {"{{broken": ["*"]}},
        ],
    )
    def test_what_cannot_be_read_denies(self, deny: dict[str, Any]) -> None:
        roles = role_set(self.allow, unchecked("broken", deny=deny))
        decision = can_access_node(roles, node(env="prod"), "root", PLAIN)
        assert decision.reason.code is Code.DENIED_BY_BROKEN_ROLE
        assert decision.reason.role == "broken"
        assert logins_for(roles, node(env="prod")) == []

    def test_an_expression_that_fails_denies(self) -> None:
        deny = {"node_labels_expression": 'contains(email.local(labels["owner"]), "x")'}
        assert code(role_set(self.allow, role("deny", deny=deny)), node(owner="nobody")) is Code.DENIED_BY_LABELS

    def test_other_kinds_are_not_touched(self) -> None:
        roles = role_set(role(allow=OPEN_NODES, deny={"db_labels": ANYTHING, "db_users": ["root"]}))
        assert code(roles) is Code.ALLOWED_BY_ROLE


class TestSession:
    """What is asked of the session and the credential besides roles."""

    roles = role_set(role("plain", allow=OPEN_NODES))
    mfa = role("mfa", allow=OPEN_NODES, options=WANTS_MFA)

    def test_cluster_wide_mfa_comes_before_any_deny(self) -> None:
        state = AccessState(session_mfa=SessionMFA.of(True))
        denied = role_set(role(deny={"node_labels": ANYTHING}))
        assert code(denied, state=state) is Code.MFA_REQUIRED
        assert (
            code(denied, state=AccessState(session_mfa=SessionMFA.of(True), mfa_verified=True))
            is Code.DENIED_BY_LABELS
        )

    def test_mfa_of_any_matching_role_is_asked(self) -> None:
        assert code(role_set(self.mfa, role("plain", allow=OPEN_NODES))) is Code.MFA_REQUIRED
        assert code(role_set(self.mfa), state=AccessState(mfa_verified=True)) is Code.ALLOWED_BY_ROLE
        elsewhere = role(
            "mfa", allow=OPEN_NODES | {"node_labels": {"env": "dev"}}, options={"require_session_mfa": True}
        )
        assert code(role_set(elsewhere, role("plain", allow=OPEN_NODES))) is Code.ALLOWED_BY_ROLE
        other_login = role(
            "mfa", allow={"logins": ["bob"], "node_labels": ANYTHING}, options={"require_session_mfa": True}
        )
        assert code(role_set(other_login, role("plain", allow=OPEN_NODES))) is Code.ALLOWED_BY_ROLE

    def test_deny_comes_before_mfa_of_a_role(self) -> None:
        assert code(role_set(self.mfa, role("deny", deny={"logins": ["root"]}))) is Code.DENIED_BY_MATCHER

    @pytest.mark.parametrize(
        ("required", "key", "expected"),
        [
            ("hardware_key", "", Code.KEY_POLICY_NOT_MET),
            ("hardware_key", "hardware_key", Code.MFA_REQUIRED),
            ("hardware_key", "hardware_key_touch", Code.ALLOWED_BY_ROLE),
            ("hardware_key_touch", "hardware_key", Code.KEY_POLICY_NOT_MET),
            ("hardware_key_touch", "hardware_key_touch", Code.ALLOWED_BY_ROLE),
            ("hardware_key_touch", "hardware_key_pin", Code.KEY_POLICY_NOT_MET),
            ("hardware_key_pin", "hardware_key_touch_and_pin", Code.ALLOWED_BY_ROLE),
            ("hardware_key_touch_and_pin", "hardware_key_touch", Code.KEY_POLICY_NOT_MET),
            ("hardware_key_touch_and_pin", "nonsense", Code.KEY_POLICY_NOT_MET),
        ],
    )
    def test_key_policies(self, required: str, key: str, expected: Code) -> None:
        keyed = role_set(role(allow=OPEN_NODES, options={"require_session_mfa": required}))
        assert code(keyed, state=AccessState(key_policy=key)) is expected
        assert code(self.roles, state=AccessState(session_mfa=SessionMFA.of(required), key_policy=key)) is expected

    @pytest.mark.parametrize(
        ("mode", "is_bot", "expected"),
        [
            ("off", False, Code.ALLOWED_BY_ROLE),
            ("optional", False, Code.ALLOWED_BY_ROLE),
            ("required", False, Code.DEVICE_REQUIRED),
            ("required", True, Code.DEVICE_REQUIRED),
            ("required-for-humans", False, Code.DEVICE_REQUIRED),
            ("required-for-humans", True, Code.ALLOWED_BY_ROLE),
        ],
    )
    def test_trusted_devices(self, mode: str, is_bot: bool, expected: Code) -> None:
        by_role = role_set(role(allow=OPEN_NODES, options={"device_trust_mode": mode}))
        assert code(by_role, state=AccessState(is_bot=is_bot)) is expected
        assert code(self.roles, state=AccessState(is_bot=is_bot, device_trust=mode)) is expected
        trusted = AccessState(is_bot=is_bot, device_trust=mode, device_verified=True)
        assert code(by_role, state=trusted) is Code.ALLOWED_BY_ROLE

    @pytest.mark.parametrize(
        ("wanted", "pinned", "source", "expected"),
        [
            (False, "", "1.2.3.4", Code.ALLOWED_BY_ROLE),
            (False, "1.2.3.4", "1.2.3.4", Code.ALLOWED_BY_ROLE),
            (False, "1.2.3.4", "1.2.3.5", Code.IP_DIFFERS),
            (False, "1.2.3.4", "", Code.IP_DIFFERS),
            (True, "", "1.2.3.4", Code.IP_NOT_PINNED),
            (True, "1.2.3.4", "1.2.3.4", Code.ALLOWED_BY_ROLE),
        ],
    )
    def test_pinned_addresses(self, wanted: bool, pinned: str, source: str, expected: Code) -> None:
        roles = role_set(role(allow=OPEN_NODES, options={"pin_source_ip": wanted}))
        assert code(roles, state=AccessState(pinned_ip=pinned, source_ip=source)) is expected

    def test_locks(self) -> None:
        identity = Identity(username="alice", cluster="c", expires=NOW)
        lock = cast("Lock", decode_document(_lock({"login": "root"})))
        state = AccessState(identity=identity, locks=[lock], now=NOW)
        decision = can_access_node(self.roles, node(env="prod"), "root", state)
        assert decision.message_for_user() == 'lock targeting Login:"root" is in force'
        assert code(self.roles, login="alice", state=state) is Code.ALLOWED_BY_ROLE

    def test_a_lock_on_a_server_is_told_only_to_who_may_know_the_server(self) -> None:
        identity = Identity(username="alice", cluster="c", expires=NOW)
        lock = cast("Lock", decode_document(_lock({"server_id": "uuid-secret"})))
        state = AccessState(identity=identity, locks=[lock], now=NOW)
        seen = can_access_node(self.roles, node("secret"), "root", state)
        assert seen.message_for_user() == 'lock targeting ServerID:"uuid-secret" is in force'
        unseen = can_access_node(role_set(), node("secret"), "root", state)
        assert unseen.message_for_user() == can_access_node(role_set(), node("x"), "root", PLAIN).message_for_user()
        assert "uuid-secret" in unseen.message_for_administrator()

    def test_the_age_of_locks(self) -> None:
        strict = AccessState(locking_mode="strict")
        assert code(self.roles, state=strict) is Code.LOCKS_STALE
        fresh = AccessState(locking_mode="strict", locks_age=timedelta(minutes=5))
        assert code(self.roles, state=fresh) is Code.ALLOWED_BY_ROLE
        stale = AccessState(locking_mode="strict", locks_age=timedelta(minutes=5, seconds=1))
        assert code(self.roles, state=stale) is Code.LOCKS_STALE
        lenient = role_set(role(allow=OPEN_NODES, options={"lock": "best_effort"}))
        assert code(lenient, state=stale) is Code.ALLOWED_BY_ROLE

    def test_reads_the_state_from_certificate_and_cluster(self) -> None:
        preference = cast("ClusterAuthPreference", decode_document(_preference()))
        identity = Identity(username="alice", cluster="c", expires=NOW, pinned_ip="1.2.3.4", mfa_verified="device")
        state = AccessState.of(identity, preference, source_ip="1.2.3.4", now=NOW)
        assert (state.session_mfa.per_session, state.has_mfa, state.pinned_ip) == (True, True, "1.2.3.4")
        assert state.locking_mode == "strict"

    def test_a_restriction_nobody_enforces_refuses_by_name(self) -> None:
        clusters = {"kubernetes_labels": {"*": "*"}, "kubernetes_groups": ["viewers"]}
        limited = role_set(role("few", allow=clusters, options={"max_kubernetes_connections": 3}))
        document = {"kind": "kube_cluster", "version": "v3", "metadata": {"name": "prod"}, "spec": {}}
        decision = can_access(limited, "kube_cluster", decode_document(document), PLAIN)
        assert decision.reason.code is Code.NOT_ENFORCED
        assert 'options.max_kubernetes_connections 3 (role "few")' in decision.message_for_user()

    def test_restrictions_of_sessions_on_nodes_are_enforced_there(self) -> None:
        limited = role_set(role("few", allow=OPEN_NODES, options={"max_connections": 3}))
        assert can_access_node(limited, node(env="prod"), "root", PLAIN).allowed


def _lock(target: dict[str, str]) -> dict[str, Any]:
    return {"kind": "lock", "version": "v2", "metadata": {"name": "l"}, "spec": {"target": target}}


def _preference() -> dict[str, Any]:
    spec = {"type": "local", "second_factor": "otp", "require_session_mfa": True, "locking_mode": "strict"}
    return {
        "kind": "cluster_auth_preference",
        "version": "v2",
        "metadata": {"name": "cluster-auth-preference"},
        "spec": spec,
    }


class TestVisibility:
    def test_labels_alone_decide(self) -> None:
        roles = role_set(role(allow={"node_labels": {"env": "prod"}}, deny={"node_labels": {"secret": "yes"}}))
        nodes = [node("a", env="prod"), node("b", env="dev"), node("c", env="prod", secret="yes")]
        assert [one.hostname for one in visible_of(roles, nodes)] == ["a"]

    def test_logins_are_those_of_matching_roles_less_what_is_denied(self) -> None:
        roles = role_set(
            role("a", allow={"logins": ["root", "ubuntu"], "node_labels": {"env": "prod"}}),
            role("b", allow={"logins": ["dev"], "node_labels": {"env": "dev"}}, deny={"logins": ["root"]}),
            role("c", allow={"logins": ["no-login-123"], "node_labels": ANYTHING}),
        )
        assert logins_for(roles, node(env="prod")) == ["ubuntu"]

    def test_an_access_request_narrows(self) -> None:
        wide = role(allow=OPEN_NODES)
        limits = [ResourceId(cluster="c", kind="node", name="uuid-a")]
        roles = RoleSet.of([wide], {}, "alice", allowed_resources=limits, cluster="c")
        assert code(roles, node("a")) is Code.ALLOWED_BY_ROLE
        assert code(roles, node("b")) is Code.NOT_IN_ALLOWED_RESOURCES
        assert visible(roles, node("a"))
        assert not visible(roles, node("b"))
        assert logins_for(roles, node("b")) == []
        elsewhere = RoleSet.of([wide], {}, "alice", allowed_resources=limits, cluster="leaf")
        assert code(elsewhere, node("a")) is Code.NOT_IN_ALLOWED_RESOURCES

    def test_an_unlabeled_leaf_cluster_is_open_until_a_role_speaks_of_clusters(self) -> None:
        bare, labeled = resource("remote_cluster"), resource("remote_cluster", env="prod")
        silent = role_set(role(allow=OPEN_NODES))
        assert visible(silent, bare)
        assert not visible(silent, labeled)
        assert can_access(silent, "remote_cluster", bare, PLAIN).allowed
        speaking = role_set(role(allow={"cluster_labels": {"env": "prod"}}))
        assert not visible(speaking, bare)
        assert visible(speaking, labeled)
        assert not can_access(speaking, "remote_cluster", bare, PLAIN).allowed

    def test_kinds_without_labels_are_left_to_rules(self) -> None:
        assert visible(role_set(), cast("Resource", role("any")))


class TestOtherKinds:
    """The same core decides for kinds whose engines come later."""

    def test_databases_need_user_and_name_of_one_role(self) -> None:
        roles = role_set(
            role("a", allow={"db_labels": {"env": "prod"}, "db_users": ["reader"], "db_names": ["*"]}),
            role("b", allow={"db_labels": {"env": "prod"}, "db_users": ["*"], "db_names": ["test"]}),
        )

        def reach(user: str, name: str) -> bool:
            return can_access(roles, "db", DATABASE, PLAIN, {"db_users": user, "db_names": name}).allowed

        assert reach("reader", "anything")
        assert reach("writer", "test")
        assert not reach("writer", "anything")

    def test_a_denied_database_user_is_denied_everywhere(self) -> None:
        roles = role_set(
            role("a", allow={"db_labels": ANYTHING, "db_users": ["*"], "db_names": ["*"]}),
            role("b", deny={"db_users": ["postgres"], "db_labels": {"env": "elsewhere"}}),
        )
        asked = {"db_users": "postgres", "db_names": "x"}
        assert can_access(roles, "db", DATABASE, PLAIN, asked).reason.code is Code.DENIED_BY_MATCHER

    def test_the_hint_names_what_to_check(self) -> None:
        message = can_access(role_set(), "db", DATABASE, PLAIN, {"db_users": "x"}).message_for_user()
        assert message == "access to db denied. User does not have permissions. Confirm database user and name."

    def test_unknown_kinds_and_fields_are_mistakes(self) -> None:
        with pytest.raises(BadParameter, match="not decided by labels"):
            can_access(role_set(), "role", role("x"), PLAIN)
        with pytest.raises(BadParameter, match="not a field"):
            can_access(role_set(), "node", node(), PLAIN, {"login": "root"})


class TestExplanations:
    def test_a_stranger_learns_nothing_of_what_exists(self) -> None:
        roles = role_set(role("r", allow={"logins": ["root"], "node_labels": {"env": "dev"}}))
        decision = can_access_node(roles, node("secret-host", env="prod"), "root", PLAIN)
        told = decision.message_for_user()
        assert told == "access to node denied. User does not have permissions. Confirm SSH login."
        denied = role_set(role("r", allow=OPEN_NODES), role("d", deny={"node_labels": {"env": "prod"}}))
        assert can_access_node(denied, node("secret-host", env="prod"), "root", PLAIN).message_for_user() == told

    def test_who_sees_the_node_learns_which_logins_are_his(self) -> None:
        roles = role_set(role("r", allow={"logins": ["bob"], "node_labels": ANYTHING}))
        told = can_access_node(roles, node("web1"), "root", PLAIN).message_for_user()
        assert 'Role "r" matches node "web1" but its logins do not include "root" (it has: "bob").' in told

    def test_who_sees_the_node_learns_which_role_denies_the_login(self) -> None:
        roles = role_set(role("r", allow=OPEN_NODES), role("d", deny={"logins": ["root"]}))
        assert 'Role "d" denies logins "root"' in can_access_node(roles, node(), "root", PLAIN).message_for_user()

    def test_an_administrator_learns_what_each_role_lacked(self) -> None:
        roles = role_set(
            role("a", allow={"logins": ["root"], "node_labels": {"env": "dev"}}),
            role("b", allow={"logins": ["bob"], "node_labels": ANYTHING}),
            role("c", allow={"logins": ["root"], "node_labels_expression": 'labels.x == "y"'}),
            role("d", allow=OPEN_NODES | {"namespaces": ["other"]}),
            role("silent", allow={"logins": ["root"]}),
        )
        decision = can_access_node(roles, node(env="prod"), "root", PLAIN)
        assert [(note.code, note.role) for note in decision.notes] == [
            (Code.LABELS_DIFFER, "a"),
            (Code.MATCHER_DIFFERS, "b"),
            (Code.LABELS_DIFFER, "c"),
            (Code.NAMESPACE_DIFFERS, "d"),
        ]
        assert "env: dev" in decision.message_for_administrator()

    def test_a_grant_names_every_role_that_grants(self) -> None:
        roles = role_set(
            role("b", allow=OPEN_NODES), role("a", allow=OPEN_NODES), role("c", allow={"logins": ["root"]})
        )
        decision = can_access_node(roles, node(), "root", PLAIN)
        assert decision.roles == ("a", "b")

    def test_a_decision_cannot_be_mistaken_for_a_truth(self) -> None:
        with pytest.raises(TypeError):
            bool(can_access_node(role_set(), node(), "root", PLAIN))
