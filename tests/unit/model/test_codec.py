"""Documents that people write: spellings, friendly refusals, limits."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from teleport.foundation.errors import BadParameter, LimitExceeded
from teleport.model import codec, yaml_source
from teleport.model.resources.role import Role
from teleport.model.resources.user import User
from teleport.model.values import Duration

ROLE = """
kind: role
version: v7
metadata:
  name: deployer
  labels: {team: 7, on-call: yes}
  expires: 2031-05-01T10:00:00+02:00
spec:
  options:
    max_session_ttl: 8h
    forward_agent: yes
    port_forwarding: "no"
    client_idle_timeout: never
    require_session_mfa: hardware_key_touch
    create_host_user_mode: drop
  allow:
    logins: root
    node_labels:
      env: [prod, 2]
      tier: web
    rules:
      - resources: [node]
        verbs: [list, read]
"""


def the_role(text: str = ROLE) -> Role:
    (role,) = codec.from_yaml(text)
    assert isinstance(role, Role)
    return role


def test_spellings_become_one_form() -> None:
    role = the_role()
    options, allow = role.spec.options, role.spec.allow
    assert options.max_session_ttl == Duration(hours=8)
    assert (options.forward_agent, options.port_forwarding) == (True, False)
    assert options.client_idle_timeout == Duration()
    assert options.require_session_mfa == "hardware_key_touch"
    assert options.create_host_user_mode == "insecure-drop"
    assert allow.logins == ["root"]
    assert allow.node_labels == {"env": ["prod", "2"], "tier": ["web"]}
    assert role.metadata.labels == {"team": "7", "on-call": "yes"}
    assert str(role.expires) == "2031-05-01 08:00:00+00:00"


def test_what_was_set_is_printed_and_what_was_not_is_not() -> None:
    text = codec.to_yaml([the_role()])
    assert "port_forwarding: false" in text
    assert "forward_agent: true" in text
    assert "ssh_file_copy" not in text
    assert "max_sessions" not in text
    assert text.startswith("kind: role\nversion: v7\nmetadata:\n")
    assert codec.from_yaml(text) == [the_role()]


def test_several_documents_and_empty_ones() -> None:
    text = "# nothing\n---\nkind: user\nmetadata: {name: a}\n---\n---\nkind: user\nmetadata: {name: b}\nspec:\n"
    assert [resource.name for resource in codec.from_yaml(text)] == ["a", "b"]
    assert codec.from_yaml("") == []
    printed = codec.to_yaml(codec.from_yaml(text))
    assert printed.count("---\n") == 2
    assert codec.from_yaml(printed) == codec.from_json(codec.to_json(codec.from_yaml(text)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: user\nmetadata: {name: a}\nspec:\n  trait: {}\n", ["line 4", "spec.trait", "did you mean traits?"]),
        ("kind: user\nmetadata: {name: a}\nspec:\n  roles: 5.5\n  traits: []\n", ["line 5", "spec.traits", "a list"]),
        (
            "kind: role\nmetadata: {name: a}\nspec:\n  options:\n    max_sessions: x\n",
            ["line 5", "max_sessions", "found str"],
        ),
        ("kind: role\nmetadata: {name: a}\nspec:\n  options:\n    max_session_ttl: 1x\n", ["line 5", "1x", "1h30m"]),
        (
            "kind: role\nmetadata: {name: a}\nspec:\n  allow:\n    rules:\n    - resources: [node]\n",
            ["rules[0].verbs"],
        ),
        ("kind: role\nmetadata: {name: a, name: b}\n", ["line 2", "twice"]),
        ("kind: rolle\nmetadata: {name: a}\n", ["line 1", "'rolle'"]),
        ("metadata: {name: a}\n", ["kind is missing"]),
        ("kind: role\nversion: v9\nmetadata: {name: a}\n", ["v9", "v8"]),
        ("kind: user\nmetadata:\n  name: a\n  expires: 2030-01-01T00:00:00\n", ["line 4", "timezone"]),
        ("kind: user\nmetadata:\n  name: a\n  labels: {'a b': x}\n", ["line 4", "metadata.labels", "'a b'"]),
        ("kind: user\nmetadata:\n  name: a\n  namespace: other\n", ["line 4", "namespace"]),
        ("kind: user\nspec: {}\n", ["metadata.name is missing"]),
        ("- kind: user\n", ["mapping"]),
        ("kind: [user\n", ["line 2", "not YAML"]),
        ("kind: user\nmetadata:\n  name: !!python/object:os.system x\n", ["line 3", "tag"]),
        (
            "kind: user\nmetadata: {name: b}\n---\nkind: user\nmetadata: {nam: x}\n",
            ["document 2, line 5", "metadata.nam"],
        ),
    ],
)
def test_refusals_say_where_and_what(text: str, words: list[str]) -> None:
    with pytest.raises(BadParameter) as refusal:
        codec.from_yaml(text)
    for word in words:
        assert word in refusal.value.message


def test_json_refusals_name_the_path() -> None:
    with pytest.raises(BadParameter, match=r"spec\.options\.max_sesions .*did you mean max_sessions"):
        codec.from_json(b'{"kind":"role","metadata":{"name":"a"},"spec":{"options":{"max_sesions":1}}}')
    with pytest.raises(BadParameter, match="resource 2: "):
        codec.from_json(b'[{"kind":"user","metadata":{"name":"a"}},{"kind":"user"}]')
    with pytest.raises(BadParameter, match=r"spec\.options\.max_sessions"):
        codec.decode_json(b'{"kind":"role","metadata":{"name":"a"},"spec":{"options":{"max_sessions":"1"}}}', Role)
    with pytest.raises(BadParameter, match=r"spec\.x is not a known field"):
        codec.decode_json(b'{"kind":"user","metadata":{"name":"a"},"spec":{"x":1}}', User)


def test_aliases_are_understood_within_reason() -> None:
    text = "kind: user\nmetadata: {name: a}\nspec:\n  traits:\n    logins: &l [root, ops]\n    db_users: *l\n"
    (user,) = codec.from_yaml(text)
    assert isinstance(user, User)
    assert user.spec.traits["db_users"] == ["root", "ops"]
    with pytest.raises(BadParameter, match="no anchor"):
        codec.from_yaml("kind: *x\n")
    with pytest.raises(BadParameter, match="inside itself"):
        codec.from_yaml("&a [*a]\n")


def test_json_null_and_go_zero_time_mean_unset() -> None:
    (user,) = codec.from_json(
        '{"kind":"user","metadata":{"name":"a","labels":null,"expires":"0001-01-01T00:00:00Z","id":55},'
        '"spec":{"roles":null,"traits":{"logins":null}}}'
    )
    assert isinstance(user, User)
    assert user == User(metadata=user.metadata, spec=user.spec)
    assert (user.expires, user.metadata.id, user.spec.traits) == (None, 0, {"logins": []})


def test_decoding_our_own_form_is_strict() -> None:
    with pytest.raises(BadParameter):
        codec.decode_json(b'{"spec":{"allow":{"logins":"root"}}}', Role)
    with pytest.raises(BadParameter):
        codec.decode_json(b'{"spec":{"options":{"forward_agent":"yes"}}}', Role)


WORDS = st.sampled_from(
    [
        "kind",
        "role",
        "user",
        "token",
        "metadata",
        "name",
        "spec",
        "allow",
        "logins",
        ":",
        " ",
        "\n",
        "  ",
        "-",
        "[",
        "]",
        "{",
        "}",
        "&a",
        "*a",
        "|",
        ">",
        "'",
        '"',
        "!",
        "%",
        "@",
        "#",
        "\t",
        "---",
        "...",
        "?",
        "<<",
        "0x1",
        "~",
        "é",
        "\x85",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200), st.lists(WORDS, max_size=60).map("".join)))
@example(b"\xff\xfe")
@example("\ud800")
@example('kind: user\nmetadata: {name: "\\ud800"}\n')
@example("[" * 5000)
@example("kind: role\nmetadata: {name: a}\nspec: {options: {max_sessions: 99999999999999999999}}")
@example("kind: role\nmetadata: {name: a}\nspec: {options: {max_session_ttl: 9223372036854775807}}")
@example("kind: user\nmetadata: {name: a, expires: 0001-01-01T00:00:00+14:00}")
@example("kind: user\nmetadata: {name: a, expires: 9999-12-31T23:59:59-14:00}")
def test_garbage_is_refused_and_nothing_else(garbage: bytes | str) -> None:
    for read in (codec.from_yaml, codec.from_json):
        try:
            resources = read(garbage)
        except (BadParameter, LimitExceeded):
            continue
        for resource in resources:
            assert codec.from_json(codec.to_json([resource])) == [resource]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["role", "user", "token", "node", "cert_authority", "access_request", "oidc", "session_tracker"]),
    st.sampled_from(["metadata", "spec", "status"]),
    st.sampled_from(
        ["options", "allow", "roles", "traits", "labels", "name", "expires", "state", "addr", "active_keys"]
    ),
    JSON,
)
def test_values_of_the_wrong_shape_are_refused_and_nothing_else(
    kind: str, part: str, field: str, value: object
) -> None:
    document: dict[str, object] = {"kind": kind, "metadata": {"name": "x"}}
    document[part] = {"name": "x", field: value} if part == "metadata" else {field: value}
    try:
        codec.decode_document(document)
    except BadParameter:
        return


def test_text_of_several_lines_is_printed_as_a_block() -> None:
    pem = "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"
    (saml,) = codec.from_yaml(
        "kind: saml\nmetadata: {name: s}\nspec:\n  acs: https://a/acs\n  issuer: i\n  sso: https://s\n"
        f'  cert: "{pem}"\n  attributes_to_roles: [{{name: g, value: x, roles: [access]}}]\n'
    )
    text = codec.to_yaml([saml])
    assert "cert: |\n    -----BEGIN CERTIFICATE-----\n" in text
    assert codec.from_yaml(text) == [saml]


def test_lines_are_those_of_the_nearest_known_value() -> None:
    source = yaml_source.Source(1, {(): 1, ("spec",): 3}, {})
    assert source.line(("spec", "x", 0)) == 3
    assert source.line(("y",)) == 1
