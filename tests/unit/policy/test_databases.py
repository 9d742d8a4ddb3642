"""Databases: users, names and roles with their wildcards; users that roles make; rights on objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roles import ANYTHING, role, role_set, unchecked

from teleport.model.codec import decode_document
from teleport.model.resource import Resource
from teleport.model.resources.database_objects import DatabaseObject, DatabaseObjectImportRule, DatabaseObjectSpec
from teleport.model.resources.role_conditions import DatabasePermission
from teleport.policy.access import AccessState
from teleport.policy.database_objects import imported_labels, permissions
from teleport.policy.databases import can_access_database, choices, database_roles, database_user, user_mode
from teleport.policy.decision import Code
from teleport.policy.role_set import RoleSet

PLAIN = AccessState()
KEEP = {"create_db_user_mode": "keep"}
DROP = {"create_db_user_mode": "best_effort_drop"}


def database(protocol: str = "postgres", admin: bool = False, **labels: str) -> Resource:
    spec: dict[str, Any] = {"protocol": protocol, "uri": "localhost:5432"}
    if admin:
        spec["admin_user"] = {"name": "admin"}
    return decode_document(
        {"kind": "db", "version": "v3", "metadata": {"name": "main", "labels": labels}, "spec": spec}
    )


def server(protocol: str) -> Resource:
    inner = {
        "kind": "db",
        "version": "v3",
        "metadata": {"name": "main"},
        "spec": {"protocol": protocol, "uri": "x:1"},
    }
    spec = {"host_id": "h", "database": inner}
    return decode_document({"kind": "db_server", "version": "v3", "metadata": {"name": "main"}, "spec": spec})


def reaches(users: list[str], names: list[str] | None = None, name: str = "dev", **more: Any) -> Any:
    return role(name, allow={"db_labels": ANYTHING, "db_users": users, "db_names": names or [], **more})


def code(roles: RoleSet, user: str, name: str, target: Resource | None = None, asked: tuple[str, ...] = ()) -> Code:
    return can_access_database(roles, target or database(), user, name, PLAIN, roles=asked).reason.code


@pytest.mark.parametrize(
    ("users", "names", "user", "name", "expected"),
    [
        (["app"], ["shop"], "app", "shop", Code.ALLOWED_BY_ROLE),
        (["app"], ["shop"], "app", "other", Code.NOTHING_ALLOWS),
        (["app"], ["shop"], "root", "shop", Code.NOTHING_ALLOWS),
        (["*"], ["*"], "root", "other", Code.ALLOWED_BY_ROLE),
        (["*"], [], "root", "shop", Code.NOTHING_ALLOWS),
        ([], ["*"], "root", "shop", Code.NOTHING_ALLOWS),
        # no globs and no expressions, only the whole wildcard
        (["app*"], ["*"], "app1", "shop", Code.NOTHING_ALLOWS),
        (["^app$"], ["*"], "app", "shop", Code.NOTHING_ALLOWS),
    ],
)
def test_users_and_names(users: list[str], names: list[str], user: str, name: str, expected: Code) -> None:
    assert code(role_set(reaches(users, names)), user, name) is expected


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("postgres", False),
        ("mongodb", False),
        ("spanner", False),
        ("mysql", True),
        ("cockroachdb", True),
        ("redis", True),
    ],
)
def test_names_are_asked_of_some_protocols(protocol: str, expected: bool) -> None:
    roles = role_set(reaches(["app"], ["shop"]))
    assert can_access_database(roles, database(protocol), "app", "other", PLAIN).allowed is expected
    assert can_access_database(roles, server(protocol), "app", "other", PLAIN).allowed is expected


def test_user_and_name_from_one_role() -> None:
    roles = role_set(reaches(["app"], ["shop"], "a"), reaches(["root"], ["admin"], "b"))
    assert code(roles, "app", "admin") is Code.NOTHING_ALLOWS


@pytest.mark.parametrize(
    "deny", [{"db_users": ["root"]}, {"db_users": ["*"]}, {"db_names": ["shop"]}, {"db_names": ["*"]}]
)
def test_a_deny_of_a_value_alone_denies(deny: dict[str, Any]) -> None:
    roles = role_set(reaches(["*"], ["*"]), role("no", deny=deny))
    assert code(roles, "root", "shop") is Code.DENIED_BY_MATCHER


class TestMadeUsers:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ([{}], "off"),
            ([KEEP], "keep"),
            ([DROP], "best_effort_drop"),
            ([{"create_db_user": True}], "keep"),
            ([{"create_db_user": True, "create_db_user_mode": "off"}], "off"),
            # any role is enough, keep wins
            ([{}, DROP], "best_effort_drop"),
            ([KEEP, DROP], "keep"),
        ],
    )
    def test_mode(self, options: list[dict[str, Any]], expected: str) -> None:
        roles = [role(f"r{n}", allow={"db_labels": ANYTHING}, options=one) for n, one in enumerate(options)]
        assert user_mode(role_set(*roles), database(admin=True)) == expected

    def test_only_roles_that_reach_the_database_count(self) -> None:
        elsewhere = role("other", allow={"db_labels": {"env": "prod"}}, options=KEEP)
        assert user_mode(role_set(reaches(["app"]), elsewhere), database(admin=True, env="dev")) == "off"

    def test_needs_an_administrator_and_a_protocol_that_can(self) -> None:
        roles = role_set(role(allow={"db_labels": ANYTHING}, options=KEEP))
        assert user_mode(roles, database()) == "off"
        assert user_mode(roles, database("redis", admin=True)) == "off"
        assert user_mode(roles, database("mysql", admin=True)) == "keep"

    def test_is_called_like_the_person_whatever_db_users_say(self) -> None:
        roles = role_set(role(allow={"db_labels": ANYTHING, "db_names": ["*"], "db_users": ["app"]}, options=KEEP))
        target = database(admin=True)
        assert code(roles, "alice", "shop", target) is Code.ALLOWED_BY_ROLE
        assert code(roles, "app", "shop", target) is Code.DATABASE_USER_IS_MADE
        made = database_user(roles, target, "shop")
        assert made is not None
        assert (made.name, made.mode) == ("alice", "keep")

    def test_roles_of_all_that_match_less_denied(self) -> None:
        def gives(name: str, db_roles: list[str], names: list[str]) -> Any:
            allow = {"db_labels": ANYTHING, "db_names": names, "db_roles": db_roles}
            return role(name, allow=allow, options=KEEP)

        roles = role_set(
            gives("a", ["reader", "{{internal.db_roles}}"], ["shop"]),
            gives("b", ["writer"], ["*"]),
            gives("c", ["owner"], ["other"]),
            role("no", deny={"db_roles": ["extra"]}),
            db_roles=["extra", "mine"],
        )
        target = database(admin=True)
        assert database_roles(roles, target, "shop") == ("reader", "mine", "writer")
        assert code(roles, "alice", "shop", target, ("reader",)) is Code.ALLOWED_BY_ROLE
        assert code(roles, "alice", "shop", target, ("owner",)) is Code.DATABASE_ROLE_NOT_ALLOWED
        made = database_user(roles, target, "shop", ["writer"])
        assert made is not None
        assert made.roles == ("writer",)
        none = role_set(gives("a", ["reader"], ["*"]), role("no", deny={"db_roles": ["*"]}))
        assert database_roles(none, target, "shop") == ()

    def test_roles_and_permissions_exclude_each_other(self) -> None:
        rights = [{"permissions": ["SELECT"], "match": {"env": "*"}}]
        with_rights = role(
            "p", allow={"db_labels": ANYTHING, "db_names": ["*"], "db_permissions": rights}, options=KEEP
        )
        with_roles = role("r", allow={"db_labels": ANYTHING, "db_names": ["*"], "db_roles": ["reader"]}, options=KEEP)
        target = database(admin=True)
        assert code(role_set(with_rights), "alice", "shop", target) is Code.ALLOWED_BY_ROLE
        assert code(role_set(with_rights, with_roles), "alice", "shop", target) is Code.DATABASE_ROLES_AND_PERMISSIONS


class TestChoices:
    def test_one_of_each_need_not_be_named(self) -> None:
        found = choices(role_set(reaches(["app"], ["shop"])), database())
        assert (found.only_user, found.only_name) == ("app", "shop")

    def test_several_or_a_wildcard_must_be(self) -> None:
        several = choices(role_set(reaches(["app", "root"], ["*"])), database())
        assert (several.only_user, several.only_name, several.any_user, several.any_name) == ("", "", False, True)
        wildcard = choices(role_set(reaches(["app", "*"], ["shop"])), database())
        assert (wildcard.users, wildcard.only_user, wildcard.any_user) == (("app",), "", True)

    def test_denied_ones_are_gone(self) -> None:
        found = choices(
            role_set(reaches(["app", "root", "*"], ["*"]), role("no", deny={"db_users": ["root"]})), database()
        )
        assert found.users == ("app",)
        none = choices(role_set(reaches(["app", "*"], ["*"]), role("no", deny={"db_users": ["*"]})), database())
        assert (none.users, none.any_user) == ((), False)

    def test_a_made_user_is_the_only_one(self) -> None:
        roles = role_set(role(allow={"db_labels": ANYTHING, "db_users": ["*"], "db_names": ["a"]}, options=KEEP))
        assert choices(roles, database(admin=True)).only_user == "alice"


def thing(name: str = "orders", kind: str = "table", schema: str = "public", inside: str = "shop") -> DatabaseObject:
    spec = DatabaseObjectSpec(
        protocol="postgres", database_service_name="main", object_kind=kind, database=inside, schema=schema, name=name
    )
    made = DatabaseObject(spec=spec)
    made.metadata.name = name
    return made


def imports(name: str = "r", priority: int = 0, labels: Any = None, *mappings: dict[str, Any]) -> Any:
    spec = {"priority": priority, "database_labels": labels or {"*": ["*"]}, "mappings": list(mappings)}
    found = decode_document(
        {"kind": "db_object_import_rule", "version": "v1", "metadata": {"name": name}, "spec": spec}
    )
    assert isinstance(found, DatabaseObjectImportRule)
    return found


def mapping(add: dict[str, str], scope: dict[str, Any] | None = None, **match: list[str]) -> dict[str, Any]:
    return {"match": match, "add_labels": add} | ({"scope": scope} if scope else {})


class TestImportRules:
    @pytest.mark.parametrize(
        ("match", "scope", "target", "expected"),
        [
            ({"table_names": ["*"]}, None, thing(), True),
            ({"table_names": ["ord*"]}, None, thing(), True),
            ({"table_names": ["ord"]}, None, thing(), False),
            ({"view_names": ["*"]}, None, thing(), False),
            ({"view_names": ["*"]}, None, thing(kind="view"), True),
            ({"procedure_names": ["*"]}, None, thing(kind="procedure"), True),
            ({"table_names": ["*"]}, {"database_names": ["shop"]}, thing(), True),
            ({"table_names": ["*"]}, {"database_names": ["other"]}, thing(), False),
            ({"table_names": ["*"]}, {"schema_names": ["pub*"]}, thing(), True),
            ({"table_names": ["*"]}, {"schema_names": ["pub*"], "database_names": ["other"]}, thing(), False),
            ({"table_names": ["*"]}, None, thing(kind="sequence"), False),
        ],
    )
    def test_match_and_scope(self, match: Any, scope: Any, target: DatabaseObject, expected: bool) -> None:
        rule = imports("r", 0, None, mapping({"env": "dev"}, scope, **match))
        assert imported_labels([rule], database(), target) == ({"env": "dev"} if expected else None)

    def test_labels_of_the_database_choose_the_rule(self) -> None:
        rule = imports("r", 0, {"env": ["prod"]}, mapping({"a": "b"}, table_names=["*"]))
        assert imported_labels([rule], database(env="prod"), thing()) == {"a": "b"}
        assert imported_labels([rule], database(env="dev"), thing()) is None
        listed = imports("r", 0, [{"name": "env", "values": ["prod"]}], mapping({"a": "b"}, table_names=["*"]))
        assert imported_labels([listed], database(env="prod"), thing()) == {"a": "b"}

    def test_higher_priority_comes_later_and_wins(self) -> None:
        low = imports("z", 1, None, mapping({"env": "low", "only": "low"}, table_names=["*"]))
        high = imports("a", 10, None, mapping({"env": "high"}, table_names=["*"]))
        assert imported_labels([high, low], database(), thing()) == {"env": "high", "only": "low"}

    def test_labels_are_filled_from_the_object(self) -> None:
        rule = imports("r", 0, None, mapping({"at": "{{obj.database}}.{{ obj.schema }}"}, table_names=["*"]))
        assert imported_labels([rule], database(), thing()) == {"at": "shop.public"}


class TestPermissions:
    def granted(self, allow: list[Any], deny: list[Any], labels: dict[str, str]) -> tuple[str, ...]:
        roles = role_set(role(allow={"db_labels": ANYTHING, "db_permissions": allow}, deny={"db_permissions": deny}))
        found = permissions(roles, database(), [(thing(), labels)])
        return found[0][1] if found else ()

    @pytest.mark.parametrize(
        ("allow", "deny", "labels", "expected"),
        [
            ([("SELECT", {"env": "dev"})], [], {"env": "dev"}, ("SELECT",)),
            ([("SELECT", {"env": "dev"})], [], {"env": "prod"}, ()),
            ([("SELECT", {"env": "dev"})], [], {}, ()),
            # union over permissions, without regard to case
            ([("select", {"*": "*"}), ("UPDATE", {"env": "dev"})], [], {"env": "dev"}, ("SELECT", "UPDATE")),
            (
                [("SELECT", {"*": "*"}), ("UPDATE", {"*": "*"})],
                [("update", {"env": "dev"})],
                {"env": "dev"},
                ("SELECT",),
            ),
            ([("SELECT", {"*": "*"})], [("*", {"env": "dev"})], {"env": "dev"}, ()),
            ([("SELECT", {"*": "*"})], [("*", {"env": "prod"})], {"env": "dev"}, ("SELECT",)),
            # nothing is matched by nothing in allow, everything in deny
            ([("SELECT", {})], [], {"env": "dev"}, ()),
            ([("SELECT", {"*": "*"})], [("SELECT", {})], {"env": "dev"}, ()),
        ],
    )
    def test_allow_less_deny(self, allow: Any, deny: Any, labels: dict[str, str], expected: tuple[str, ...]) -> None:
        written = [[{"permissions": [name], "match": match} for name, match in side] for side in (allow, deny)]
        assert self.granted(written[0], written[1], labels) == expected

    def test_only_of_roles_that_reach_the_database(self) -> None:
        rights = [{"permissions": ["SELECT"], "match": {"*": "*"}}]
        roles = role_set(role(allow={"db_labels": {"env": "prod"}, "db_permissions": rights}))
        assert permissions(roles, database(env="dev"), [(thing(), {})]) == []

    def test_a_deny_that_cannot_be_read_takes_all(self) -> None:
        broken = [DatabasePermission(permissions=["SELECT"], match={"env": ["^($"]})]
        rights = [{"permissions": ["SELECT", "UPDATE"], "match": {"*": "*"}}]
        roles = role_set(
            role(allow={"db_labels": ANYTHING, "db_permissions": rights}),
            unchecked("no", deny={"db_permissions": broken}),
        )
        assert permissions(roles, database(), [(thing(), {"env": "x"})]) == []


rights = st.lists(
    st.fixed_dictionaries(
        {
            "permissions": st.lists(st.sampled_from(["SELECT", "UPDATE"]), min_size=1, max_size=2, unique=True),
            "match": st.dictionaries(st.just("env"), st.sampled_from(["dev", "prod", "*"]), max_size=1),
        }
    ),
    max_size=3,
)


@given(rights, rights, rights)
@settings(deadline=None)
def test_more_deny_takes_and_more_allow_gives(allow: list[Any], deny: list[Any], more: list[Any]) -> None:
    def granted(*roles: Any) -> set[str]:
        return {
            name
            for _, names in permissions(role_set(*roles), database(), [(thing(), {"env": "dev"})])
            for name in names
        }

    base = role(allow={"db_labels": ANYTHING, "db_permissions": allow}, deny={"db_permissions": deny})
    before = granted(base)
    assert granted(base, role("d", deny={"db_permissions": more})) <= before
    assert granted(base, role("a", allow={"db_labels": ANYTHING, "db_permissions": more})) >= before
