"""tsh's own configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from teleport.client.tsh_config import Route, load, parse
from teleport.foundation.errors import BadParameter


def test_templates_lead_by_the_groups_of_the_first_that_fits() -> None:
    found = parse(
        "proxy_templates:\n"
        "- {template: '^(\\w+)\\.leaf\\.example:(\\d+)$', proxy: leaf.example:443, host: '$1:${2}', cluster: leaf}\n"
        "- {template: '^(?P<name>\\w+)\\.search:', search: '$name', query: 'labels[\"a\"] == \"$1\"'}\n"
    )
    assert found.route("web.leaf.example", 3022) == Route("leaf.example:443", "web:3022", "leaf")
    assert found.route("db.search", 22) == Route(search="db", query='labels["a"] == "db"')
    assert found.route("elsewhere", 22) is None


def test_the_user_s_file_comes_before_the_machine_s(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(
        "aliases: {l: tsh login --auth=a}\nadd_headers: [{proxy: '*.example', headers: {X-One: mine}}]\n"
    )
    (tmp_path / "all.yaml").write_text(
        "aliases: {l: tsh login, s: tsh status}\nadd_headers: [{proxy: '*', headers: {X-One: all, X-Two: b}}]\n"
    )
    found = load({"TELEPORT_HOME": str(tmp_path), "TELEPORT_GLOBAL_TSH_CONFIG": str(tmp_path / "all.yaml")})
    assert found.aliases == {"l": "tsh login --auth=a", "s": "tsh status"}
    assert found.headers_for("a.example:3080") == {"X-One": "mine", "X-Two": "b"}
    assert found.headers_for("elsewhere:3080") == {"X-One": "all", "X-Two": "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alias: {}", "'alias' is not known"),
        ("- a", "expected names"),
        ("aliases: {a: [b]}", "alias a"),
        ("proxy_templates: [{template: '(', host: a}]", "no regular expression"),
        ("proxy_templates: [{template: a}]", "needs a proxy"),
        ("proxy_templates: [{template: a, host: b, query: c}]", "takes no query"),
        ("proxy_templates: [{template: a, hosts: b}]", "'hosts' is not known"),
        ('add_headers: [{proxy: a, headers: {"X Y": b}}]', "no header"),
        ('add_headers: [{proxy: a, headers: {X: "b\\r\\nEvil: c"}}]', "no header"),
        ("a: [", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        parse(text)
