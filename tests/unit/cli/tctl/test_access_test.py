"""`tctl access test`: reports and exit statuses, without any cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from teleport.cli.program import run_program
from teleport.cli.tctl.catalog import PROGRAM

ROLES = """
kind: role
version: v7
metadata: {name: dev}
spec: {allow: {logins: [root], node_labels: {env: dev}}}
---
kind: node
version: v2
metadata: {name: n1, labels: {env: prod}}
spec: {hostname: web1}
"""
CASES = """
kind: access_test
spec:
  include: [roles/dev.yaml]
  cases:
  - {name: sees nothing, as_roles: [dev], visible: {kind: node}, expect: []}
  - {name: reaches it, as_roles: [dev], access: {resource: node/web1, login: root}, expect: %s}
"""


def tctl(*words: str) -> int:
    return run_program(PROGRAM, ["access", "test", *words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "roles").mkdir()
    (tmp_path / "roles" / "dev.yaml").write_text(ROLES)
    (tmp_path / "good.yaml").write_text(CASES % "denied")
    (tmp_path / "bad.yaml").write_text(CASES % "allowed")
    return tmp_path


def test_all_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tctl(str(folder / "good.yaml")) == 0
    assert capsys.readouterr().out == "2 passed, 0 failed\n"
    assert tctl("-v", str(folder / "good.yaml")) == 0
    assert capsys.readouterr().out.splitlines()[0] == "pass  sees nothing"


def test_a_failure_is_explained_and_has_status_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tctl(str(folder / "bad.yaml")) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["FAIL  reaches it", "      expected allowed, found denied"]
    assert any("env: dev; found: env: prod" in line for line in lines)
    assert lines[-1] == "1 passed, 1 failed"


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tctl("--format=json", str(folder / "bad.yaml")) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["passed"], told["failed"]) == (1, 1)
    failed = told["cases"][1]
    assert (failed["expected"], failed["found"]) == ("allowed", "denied")
    assert failed["explanation"]["roles"][0]["role"] == "dev"


def test_several_files_are_one_world_and_each_is_read_once(folder: Path) -> None:
    assert tctl(str(folder / "roles" / "dev.yaml"), str(folder / "good.yaml"), str(folder / "good.yaml")) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: role\nmetadata: {name: x}\nspec: {}\n", "there is no case"),
        ("kind: access_test\nspec: {cases: [{options: {}}]}\n", "expect is missing"),
        ("kind: access_test\nspec: {include: [absent.yaml], cases: []}\n", "absent.yaml"),
        ("kind: role\nmetadata: {name: x}\nspec: {allow: {logins: ['{{bad']}}\n", "spec.allow.logins"),
        ("{", "not YAML"),
    ],
)
def test_files_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert tctl(str(path)) == 1
    assert message in capsys.readouterr().err
