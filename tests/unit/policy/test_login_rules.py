"""Login rules: the language of sets, dicts, pairs and options, order, and what ends a login."""

from __future__ import annotations

from typing import Any

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Metadata
from teleport.model.resources.login_rule import LoginRule, LoginRuleSpec
from teleport.policy.login_rules import MAX_TRAITS, apply, check

TRAITS = {
    "username": ["Alice"],
    "email": ["alice@example.com", "a@example.org"],
    "groups": ["admins", "users", "ops-eu"],
    "empty": [],
}


def rule(name: str = "r", priority: int = 0, expression: str = "", **traits_map: list[str]) -> LoginRule:
    spec = LoginRuleSpec(priority=priority, traits_expression=expression, traits_map=traits_map)
    return LoginRule(metadata=Metadata(name=name), spec=spec)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("external.groups", ("admins", "users", "ops-eu")),
        ('external["groups"]', ("admins", "users", "ops-eu")),
        ("external.absent", None),
        ('"text"', ("text",)),
        ('set("a", "b", "a")', ("a", "b")),
        ('set("a").add("b", "c")', ("a", "b", "c")),
        ('set("a", "b", "c").remove("a", "c")', ("b",)),
        ('external.groups.remove("users").add("x")', ("admins", "ops-eu", "x")),
        ('union(set("a"), external.groups, set("users"))', ("a", "admins", "users", "ops-eu")),
        ("strings.lower(external.username)", ("alice",)),
        ("strings.upper(external.username)", ("ALICE",)),
        ('strings.replaceall(external.groups, "-", "_")', ("admins", "users", "ops_eu")),
        ('strings.split(set("a,b", "c"), ",")', ("a", "b", "c")),
        ("email.local(external.email)", ("alice", "a")),
        ('regexp.replace(external.groups, "^ops-(.*)$", "$1")', ("eu",)),
        ('ifelse(external.groups.contains("admins"), set("root"), set("user"))', ("root",)),
        ('ifelse(external.groups.contains("nobody"), set("root"), "user")', ("user",)),
        ('ifelse(!external.groups.contains("nobody") && true, set("a"), set())', ("a",)),
        ('choose(option(external.groups.contains("x"), "x"), option(true, set("y", "z")))', ("y", "z")),
        ('choose(option(external.groups.contains("x"), "x"))', None),
        # the branch that is not taken may not be readable
        ('ifelse(external.groups.contains("x"), email.local(external.groups), set("ok"))', ("ok",)),
    ],
)
def test_values(expression: str, expected: tuple[str, ...] | None) -> None:
    assert apply([rule(made=[expression])], TRAITS).get("made") == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("external", {"a": ("1",), "b": ("2", "3")}),
        ('external.put("a", set("x"))', {"a": ("x",), "b": ("2", "3")}),
        ('external.put("new", "x")', {"a": ("1",), "b": ("2", "3"), "new": ("x",)}),
        ('external.add_values("a", "x", "1", "y")', {"a": ("1", "x", "y"), "b": ("2", "3")}),
        ('external.add_values("new", "x")', {"a": ("1",), "b": ("2", "3"), "new": ("x",)}),
        ('external.remove("a", "absent")', {"b": ("2", "3")}),
        ("dict()", {}),
        ('dict(pair("x", set("1", "2")), pair("y", external.b))', {"x": ("1", "2"), "y": ("2", "3")}),
        ('dict(pair("x", set("1")), pair("x", set("2")))', {"x": ("2",)}),
        ('external.put("b", external.b.remove("2")).remove("a")', {"b": ("3",)}),
        ('dict(pair("x", set("1")))["x"].contains("1") && true', BadParameter),
        ('ifelse(external.a.contains("1"), external.remove("b"), external)', {"a": ("1",)}),
        ('choose(option(false, external), option(true, dict(pair("z", "1"))))', {"z": ("1",)}),
        ("choose(option(false, external))", BadParameter),
        ("external.a", BadParameter),
        ('"text"', BadParameter),
    ],
)
def test_dicts(expression: str, expected: Any) -> None:
    traits = {"a": ["1"], "b": ["2", "3"]}
    if expected is BadParameter:
        with pytest.raises(BadParameter):
            apply([rule(expression=expression)], traits)
    else:
        assert apply([rule(expression=expression)], traits) == expected


def test_a_map_drops_what_it_does_not_list() -> None:
    assert apply([rule(logins=["external.username", '"root"'])], TRAITS) == {"logins": ("Alice", "root")}


def test_traits_without_values_are_left_out() -> None:
    assert "empty" not in apply([rule(expression="external")], TRAITS)
    assert apply([rule(logins=["set()"])], TRAITS) == {}


def test_order_is_priority_then_name() -> None:
    add = 'external.add_values("seen", "{}")'
    rules = [
        rule("b", 0, add.format("0b")),
        rule("a", 0, add.format("0a")),
        rule("z", -5, add.format("-5z")),
        rule("c", 10, add.format("10c")),
    ]
    assert apply(rules, {})["seen"] == ("-5z", "0a", "0b", "10c")
    assert apply([], {"a": ["x", "x"]}) == {"a": ("x",)}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (rule("bad", x=["email.local(external.groups)"]), "login rule 'bad': 'admins' is not an e-mail address"),
        (rule("bad", x=["unknown(external.a)"]), "login rule 'bad': spec.traits_map.x: column 1: unknown function"),
        (rule("bad", x=["internal.logins"]), "unknown name 'internal'"),
        (rule("bad", expression="external.put(1, set())"), "expected a text, found a number"),
        (rule("bad", expression='external.put("a")'), "dict.put takes 3 arguments"),
        (rule("bad", expression='choose("a")'), "choose takes option"),
        (rule("bad", expression='option(true, "a")'), "unknown function 'option'"),
        (rule("bad", x=["choose()"]), "one or more options"),
        (rule("bad", x=['ifelse(true, set("a"), external)']), "different kinds"),
        (rule("bad", x=['pair("a", "b")']), "must give a list or text, not a pair"),
        (rule("bad", x=["external"]), "must give a list or text, not a map"),
        (rule("bad", x=['regexp.replace(external.a, "(", "b")']), "regular expression"),
        (rule("bad", x=["external."]), "column"),
    ],
)
def test_what_cannot_be_traits_ends_the_login_and_names_the_rule(made: LoginRule, message: str) -> None:
    with pytest.raises(BadParameter) as refused:
        apply([made], TRAITS)
    assert message in refused.value.message
    assert "login rule 'bad'" in refused.value.message


def test_checked_before_it_is_stored() -> None:
    check(rule(a=["external.b"]))
    with pytest.raises(BadParameter, match=r"spec\.traits_map\.a: column 10"):
        check(rule(a=["external.["]))


def test_results_are_bounded() -> None:
    doubled = ", ".join(["external.a"] * 9)
    grown = rule(a=[f'strings.split(set("{"x," * 3000}"), ",")', "external.a"], b=[f"union({doubled})"])
    apply([grown], {"a": ["1"]})
    big = {"a": [str(number) for number in range(5000)]}
    with pytest.raises(BadParameter, match="larger than"):
        apply([rule(expression="external")], big)
    many = {f"t{number}": ["v"] for number in range(MAX_TRAITS + 1)}
    with pytest.raises(BadParameter, match="traits"):
        apply([rule(expression="external")], many)


def test_long_chains_do_not_take_for_ever() -> None:
    chain = "external.a" + '.add("x")' * 20
    assert apply([rule(a=[chain])], {"a": ["1"]}) == {"a": ("1", "x")}
