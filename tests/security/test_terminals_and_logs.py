"""What strangers and nodes write drives no terminal and forges no line of a log."""

from __future__ import annotations

import io
import json
import re

import pytest

from teleport.cli import output
from teleport.foundation import logs
from teleport.foundation.errors import BadParameter

DRIVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u202e\u2066]")
EVIL = "a\x1b]0;x\x07\x1b[2J\x9b31m\x7f\u202eb\u2066\u200e\x85"


@pytest.mark.parametrize(
    "show", [output.printable, output.paragraphs, output.as_json, lambda t: output.as_json(t, None)]
)
def test_text_for_terminals(show) -> None:  # type: ignore[no-untyped-def]
    assert not DRIVES.search(show(EVIL))


def test_json_stays_json_and_reads_back() -> None:
    content = {"name": EVIL, "잘": ["é", "line\nline"]}
    assert json.loads(output.as_json(content)) == content
    assert "잘" in output.as_json(content)
    assert "\n" not in output.as_json(content, None)


def test_yaml_for_terminals() -> None:
    controls = "".join(letter for letter in EVIL if ord(letter) < 256)
    assert not DRIVES.search(output.as_yaml({"name": controls}))


def test_paragraphs_keep_their_lines() -> None:
    assert output.paragraphs("Welcome\n\x1b[31mfriend\n") == "Welcome\n\\x1b[31mfriend\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_of_the_log_stays_a_line_with_its_trace(form: str) -> None:
    written = io.StringIO()
    forged = "2026-01-01T00:00:00.000Z INFO    [auth] user=root logged in"
    logs.configure("DEBUG", form, written)  # type: ignore[arg-type]
    try:
        try:
            raise BadParameter(f"name 'x\n{forged}\x1b[2J\r'")
        except BadParameter as problem:
            logs.get_logger("web").error("request failed", error=problem, path=f"/x\n{forged}")
    finally:
        logs.configure("INFO")
    lines = written.getvalue().splitlines()
    assert sum(line.startswith("20") for line in lines) == (1 if form == "text" else 0)
    assert not any("\x1b" in line for line in lines)
