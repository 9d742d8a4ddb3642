from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.foundation.errors import BadParameter
from teleport.policy.expressions import Expression, check
from teleport.policy.grammar import MAX_DEPTH, MAX_LENGTH
from teleport.policy.languages import FILTER, LABELS, SESSION_FILTER, THRESHOLD, WHERE, Language

USER = {
    "metadata": {"name": "alice"},
    "spec": {"roles": ("dev", "ops"), "traits": {"team": ("blue", "red"), "email": ("a@x.com",), "level": ("3",)}},
}
LABEL_VALUES = {"env": "prod", "team": "blue", "host-a": "1", "host-b": "2", "empty": ""}


def holds(text: str, language: Language = LABELS, **names: object) -> bool:
    scope = {"labels": LABEL_VALUES, "user": USER, **names}
    running = Expression(text, language).holds(scope)
    folded = Expression(text, language, {"user": USER}).holds(scope) if "user" in language.names else running
    assert folded is running, "folding the user in must not change the answer"
    return running


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('labels["env"] == "prod"', True),
        ("labels.env == `prod`", True),
        ('labels["env"] != "prod"', False),
        ('labels["absent"] == ""', True),
        ('!(labels["env"] == "prod")', False),
        ('labels["env"] == "dev" || labels["team"] == "blue"', True),
        ('labels["env"] == "dev" && labels["team"] == "blue" || true', True),
        ('true || labels["env"] == "dev" && false', True),
        ("!false && !false", True),
        ("!true == false", True),
        ('contains(user.spec.traits["team"], labels["team"])', True),
        ('contains(user.spec.traits["team"], labels["env"])', False),
        ('contains(user.spec.traits["absent"], "x")', False),
        ('contains(labels["env"], "prod")', True),
        ('contains_any(user.spec.traits["team"], set("green", "red"))', True),
        ('contains_any(labels["env"], user.spec.traits["team"])', False),
        ('contains_all(user.spec.traits["team"], set("blue", "red"))', True),
        ('contains_all(user.spec.traits["team"], set("blue", "x"))', False),
        ('contains_all(user.spec.traits["team"], set())', False),
        ('contains_all(user.spec.traits["team"], user.spec.traits["absent"])', False),
        ('regexp.match(labels["env"], "pro*")', True),
        ('regexp.match(labels["env"], "pro")', False),
        ('regexp.match(labels["env"], "^pr.d$")', True),
        ('regexp.match(user.spec.traits["team"], "r*")', True),
        ('regexp.match(labels["absent"], "*")', True),
        ('strings.upper(labels["env"]) == "PROD"', True),
        ('contains(strings.upper(user.spec.traits["team"]), "RED")', True),
        ('email.local(user.spec.traits["email"]) == "a"', None),
        ('contains(email.local(user.spec.traits["email"]), "a")', True),
        ('regexp.replace(labels["env"], "^p(.*)$", "$1") == "rod"', True),
        ('regexp.replace(labels["env"], "^x(.*)$", "$1") == ""', True),
        ('contains(labels_matching("host-*"), "2")', True),
        ('contains(labels_matching("^host-[a]$"), "2")', False),
        ('labels[strings.lower("ENV")] == "prod"', True),
        ('labels["env"] == "prod" // comment', None),
    ],
)
def test_label_expressions(text: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(BadParameter):
            holds(text)
    else:
        assert holds(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("contains(session.participants, user.metadata.name)", True),
        ('equals(resource.metadata.labels["env"], "prod")', True),
        ('resource.metadata.labels["env"] == "prod"', True),
        ('resource.metadata.name == "x"', True),
        ('resource.sub_kind == ""', True),
        ("resource.spec.priority == 3", True),
        ("resource.spec.priority != 4", True),
        ('resource.spec.priority == "3"', False),
        ("resource.spec.enabled", True),
        ("!resource.spec.use_tunnel", True),
        ('has_prefix(resource.metadata.name, "x")', True),
        ('all_end_with(session.participants, "ice")', True),
        ('all_equal(session.participants, "alice")', True),
        ('is_subset(user.spec.roles, "dev", "ops", "more")', True),
        ('is_subset(user.spec.roles, "dev")', False),
        ('contains_any(user.spec.traits["team"], resource.spec.roles)', True),
        ('equals(user.spec.roles, set("ops", "dev"))', True),
        ('system.catype() == "host"', True),
        ("can_view()", False),
        ('session.absent == ""', True),
        ('contains(ssh_session.participants, "bob")', False),
        ('impersonate_role.metadata.labels["x"] == ""', True),
    ],
)
def test_where(text: str, expected: bool) -> None:
    resource = {
        "metadata": {"name": "x", "labels": {"env": "prod"}},
        "spec": {"priority": 3, "enabled": True, "roles": ["red"], "type": "host"},
    }
    assert holds(text, WHERE, resource=resource, session={"participants": ["alice"]}) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('labels["env"] == "prod" && name == "web1"', True),
        ("exists(labels.env)", True),
        ('exists(labels["empty"])', True),
        ("exists(labels.absent)", False),
        ('search("WEB", "prod")', True),
        ('search("web", "nothing")', False),
        ('hasPrefix(labels.env, "pr")', True),
        ('contains(split(labels.env, "o"), "pr")', True),
        ('resource.spec.hostname == "web1"', True),
        ('health.status == ""', True),
        ('equals(labels.env, "prod")', True),
    ],
)
def test_filters(text: str, expected: bool) -> None:
    found = ("web1", "prod")
    resource = {"spec": {"hostname": "web1"}}
    assert holds(text, FILTER, name="web1", resource=resource, searchable=lambda: found) is expected


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("", 0, "empty"),
        ("labels", 1, "must be true or false"),
        ('label["env"] == "x"', 1, "unknown name 'label'"),
        ('labels["env"] == "x" && foo(labels)', 25, "unknown function 'foo'"),
        ('user.spec.foo["x"] == "y"', 11, "has no field 'foo'"),
        ('user.metadata.name == "y"', 6, "has no field 'metadata'"),
        ('contains(labels["x"])', 1, "takes 2 arguments"),
        ('contains(labels["x"], "a", "b")', 1, "takes 2 arguments"),
        ('contains(user.spec.traits["x"], user.spec.traits["y"])', 50, "expected a text"),
        ('user.spec.traits["x"] == "a"', 23, "use contains"),
        ('labels["a"] == 3', 13, "never equal"),
        ('labels["a"] && true', 8, "true or false"),
        ('!labels["a"]', 9, "true or false"),
        ('regexp.match(labels["a"], "^($")', 27, "regular expression"),
        ('labels["a"] == "b" &&', 22, "unexpected end"),
        ('labels["a"] = "b"', 13, "unexpected '='"),
        ('labels["a"] == "b" labels', 20, "unexpected"),
        ("labels['a'] == \"b\"", 8, "unexpected"),
        ('labels["a\\q"] == "b"', 10, "escape"),
        ("strings.upper(true) == true", 15, "expected a text or a list"),
        ('exists(labels["a"])', 1, "unknown function 'exists'"),
        ('labels.env.x == ""', 12, "has no field 'x'"),
    ],
)
def test_tells_the_column_of_a_mistake(text: str, column: int, what: str) -> None:
    with pytest.raises(BadParameter, match=what) as refused:
        check(text, LABELS)
    assert not column or refused.value.message.startswith(f"column {column}:"), refused.value.message


@pytest.mark.parametrize("language", [LABELS, WHERE, FILTER, THRESHOLD, SESSION_FILTER])
def test_each_language_knows_only_its_own_names(language: Language) -> None:
    with pytest.raises(BadParameter, match="unknown name 'nonsense'"):
        check('nonsense.x == "y"', language)
    with pytest.raises(BadParameter, match="unknown function"):
        check("exec(nonsense)", language)


def test_a_failure_while_running_is_told_not_swallowed() -> None:
    expression = Expression('contains(email.local(labels["env"]), "x")', LABELS)
    with pytest.raises(BadParameter, match="e-mail"):
        expression.holds({"labels": {"env": "no address"}})


def test_a_failure_in_a_constant_part_waits_until_it_runs() -> None:
    text = 'labels["env"] == "prod" || contains(email.local(user.spec.traits["team"]), "x")'
    expression = Expression(text, LABELS, {"user": USER})
    assert expression.holds({"labels": {"env": "prod"}})
    with pytest.raises(BadParameter, match="e-mail"):
        expression.holds({"labels": {}})


def test_knows_which_labels_it_reads() -> None:
    assert Expression('labels["a"] == labels.b', LABELS).labels == frozenset({"a", "b"})
    assert Expression('contains(labels_matching("x*"), "y")', LABELS).labels is None
    assert Expression('labels[strings.lower("A")] == ""', LABELS).labels is None


def test_refuses_what_is_too_long_or_too_deep_quickly() -> None:
    begun = time.process_time()
    for text in (
        "!" * 5000 + "true",
        "(" * 4000 + "true" + ")" * 4000 + "&&",
        "a" * (MAX_LENGTH + 1),
        'labels["' * 900,
        "true" + "||true" * 2000,
        "contains(set(" * 600,
        "strings.upper(" * (MAX_DEPTH + 1) + 'labels["a"]' + ")" * (MAX_DEPTH + 1) + ' == ""',
    ):
        with pytest.raises(BadParameter):
            check(text, LABELS)
    assert time.process_time() - begun < 10


def test_nesting_as_deep_as_allowed_costs_no_more_than_its_length() -> None:
    begun = time.process_time()
    text = 'labels["env"]'
    for _ in range(40):
        text = f"strings.upper({text})"
    assert holds(f'{text} == "PROD"')
    assert time.process_time() - begun < 10


def test_a_long_flat_chain_is_not_deep() -> None:
    assert holds(" || ".join(["false"] * 500 + ["true"]))


@given(st.text(alphabet='labesur.ptci[]()"`!&|=, \\n1x', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for language in (LABELS, WHERE, FILTER):
        with contextlib.suppress(BadParameter):
            Expression(text, language).holds({"labels": {}, "searchable": tuple})


WORDS = ["labels", '"a"', "true", "!", "&&", "||", "==", "(", ")", "[", "]", ".", "contains", ",", "regexp", "match"]


@given(st.lists(st.sampled_from(WORDS), max_size=24))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    with contextlib.suppress(BadParameter):
        check("".join(words), LABELS)


@pytest.mark.parametrize(
    ("text", "language", "column", "what"),
    [
        ('resource.nope == ""', WHERE, 10, "resource has no field 'nope'"),
        ('contains(resource.spec.nope, "x")', WHERE, 24, "resource.spec has no field 'nope'"),
        ('resource.metadata.labels["any"] == resource.metadata.nope', WHERE, 54, "has no field 'nope'"),
        ('impersonate_role.spec.hostname == ""', WHERE, 23, "has no field 'hostname'"),
        ('resource.spec["hostnam"] == "web1"', FILTER, 15, "has no field 'hostnam'"),
    ],
)
def test_a_field_that_no_resource_has_is_a_mistake(text: str, language: Language, column: int, what: str) -> None:
    with pytest.raises(BadParameter, match=what) as refused:
        check(text, language)
    assert refused.value.message.startswith(f"column {column}:"), refused.value.message
