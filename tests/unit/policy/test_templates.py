from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.foundation.errors import BadParameter
from teleport.policy import templates
from teleport.policy.templates import expand, is_unix_name, role_matcher

TRAITS = {
    "logins": ["alice", "root"],
    "email": ["alice@example.com"],
    "team": ["blue", "red"],
    "broken": ["no address"],
    "empty": [""],
    "with space": ["x"],
    "mixed": ["a@example.com", "b@other.com"],
    "named": ["Bob B. <bob@example.com>"],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ubuntu", ["ubuntu"]),
        ("", [""]),
        ("{{internal.logins}}", ["alice", "root"]),
        ("{{ internal.logins }}", ["alice", "root"]),
        ("{{external.logins}}", ["alice", "root"]),
        ('{{external["with space"]}}', ["x"]),
        ('{{external["team"]}}', ["blue", "red"]),
        ("team-{{external.team}}-x", ["team-blue-x", "team-red-x"]),
        ("{{external.absent}}", []),
        ("x{{external.empty}}y", []),
        ("{{email.local(external.email)}}", ["alice"]),
        ("{{email.domain(external.email)}}", ["example.com"]),
        ("{{email.local(external.named)}}", ["bob"]),
        ("{{email.local(external.broken)}}", []),
        ("{{email.local(external.absent)}}", []),
        ('{{regexp.replace(external.mixed, "^(.*)@example.com$", "$1")}}', ["a"]),
        ('{{regexp.replace(email.local(external.email), "^(.)", "x$1")}}', ["xalice"]),
        ("{{strings.upper(external.team)}}", ["BLUE", "RED"]),
        ("{{strings.lower(strings.upper(external.team))}}", ["blue", "red"]),
        ('{{strings.replaceall(external.team, "e", "3")}}', ["blu3", "r3d"]),
        ('{{strings.split(external.email, "@")}}', ["alice", "example.com"]),
        ('{{email.local("bob@x.com")}}', ["bob"]),
    ],
)
def test_expands(text: str, expected: list[str]) -> None:
    assert expand([text], TRAITS) == expected


def test_expands_a_list_in_order_and_once() -> None:
    assert expand(["root", "{{internal.logins}}", "alice"], TRAITS) == ["root", "alice"]


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("{{internal.logins", 1, "expected a form"),
        ("internal.logins}}", 16, "expected a form"),
        ("{{}}", 3, "empty"),
        ("{{ }}", 3, "empty"),
        ("{{internal.foo}}", 3, "unsupported variable internal.foo"),
        ("ab{{internal.foo}}", 5, "unsupported variable"),
        ("{{other.x}}", 9, "unknown namespace 'other'"),
        ("{{external}}", 3, "expected internal"),
        ("{{external.a.b}}", 14, "expected internal"),
        ("{{external.1a}}", 12, "unexpected"),
        ("{{external.a}}-{{external.b}}", 16, "only one expression"),
        ("{{email.locale(external.x)}}", 3, "unknown function 'email.locale'"),
        ("{{email.local()}}", 3, "takes 1 arguments"),
        ('{{regexp.replace(external.x, "(", "$1")}}', 30, "regular expression"),
        ("{{regexp.replace(external.x, external.y, external.z)}}", 39, "double quotes"),
        ('{{regexp.match("x")}}', 3, "only where roles are matched"),
        ('{{"text"}}', 3, "expected a variable"),
        ("{{external.x == external.y}}", 14, "expected internal"),
        ("{{external.x", 1, "expected a form"),
    ],
)
def test_tells_the_column_of_a_mistake(text: str, column: int, what: str) -> None:
    with pytest.raises(BadParameter, match=what) as refused:
        templates.check(text)
    assert refused.value.message.startswith(f"column {column}:"), refused.value.message


@pytest.mark.parametrize(
    ("text", "role", "expected"),
    [
        ("access", "access", True),
        ("access", "accessx", False),
        ("dev-*", "dev-db", True),
        ("^dev-(a|b)$", "dev-a", True),
        ('{{regexp.match("^dev-.*$")}}', "dev-x", True),
        ('{{regexp.match("^dev-.*$")}}', "ops", False),
        ('{{regexp.not_match("^dev-.*$")}}', "ops", True),
        ('{{regexp.not_match("^dev-.*$")}}', "dev-x", False),
        ('a-{{regexp.match("^[0-9]+$")}}-z', "a-12-z", True),
        ('a-{{regexp.match("^[0-9]+$")}}-z', "a-z", False),
        ('ab{{regexp.match(".*")}}ba', "aba", False),
    ],
)
def test_matches_roles(text: str, role: str, expected: bool) -> None:
    assert role_matcher(text)(role) is expected


def test_role_matchers_take_no_other_function() -> None:
    with pytest.raises(BadParameter, match=r"regexp\.match"):
        role_matcher("{{external.roles}}")


@pytest.mark.parametrize("name", ["root", "_svc", "user.name", "u$", "a@corp", "9p", "x" * 32])
def test_unix_names(name: str) -> None:
    assert is_unix_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "-o", "-oProxyCommand=x", "a b", "a;b", "a`b", "a\nb", "a\n", "ä", "$", "a/b", "a:b", "$(x)", "x" * 300],
)
def test_what_is_no_unix_name(name: str) -> None:
    assert not is_unix_name(name)


def test_growth_is_bounded() -> None:
    text = "external.x"
    for _ in range(40):
        text = f'strings.replaceall({text}, "a", "aaaaaaaaaa")'
    assert expand([f"{{{{{text}}}}}"], {"x": ["a"]}) == []


@given(st.text(alphabet='{}exinternal.(),"^$[]* \n\\', max_size=40))
def test_any_text_expands_or_is_refused(text: str) -> None:
    try:
        assert all(isinstance(value, str) for value in expand([text], TRAITS))
        role_matcher(text)
    except BadParameter:
        pass
