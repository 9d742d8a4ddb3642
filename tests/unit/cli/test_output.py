"""Tables that fit, names of other scripts, and what strangers wrote shown without harm."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from teleport.cli import output
from teleport.cli.output import GrowingTable, Progress, table


def test_columns_stand_under_each_other_in_any_script() -> None:
    assert table(("Name", "Labels"), [("서버", "env=prod"), ("web-1", "팀=디비")]) == (
        "Name  Labels\n----- --------\n서버  env=prod\nweb-1 팀=디비"
    )


def test_an_empty_table_keeps_its_header() -> None:
    assert table(("Name", "Labels"), []) == "Name Labels\n---- ------"


def test_only_the_flexible_column_gives_way() -> None:
    shown = table(("Name", "Labels"), [("a-long-name-indeed", "k=" + "v" * 40)], columns=40)
    assert all(output.width(line) <= 40 for line in shown.splitlines())
    assert "a-long-name-indeed" in shown
    assert shown.endswith("…")


def test_without_a_terminal_nothing_is_cut() -> None:
    assert "v" * 200 in table(("Name", "Labels"), [("a", "v" * 200)], columns=None)


def test_later_pieces_keep_the_columns() -> None:
    growing = GrowingTable(("Name", "Labels"))
    assert growing.add([("longer", "x")]) == "Name   Labels\n------ ------\nlonger x"
    assert growing.add([("a", "y")]) == "a      y"
    assert growing.add([("much-longer", "z"), ("b", "z")]) == "much-longer z\nb           z"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[31mb", "a\\x1b[31mb"), ("two\nlines", "two\\nlines"), ("\u202egnp", "\\u202egnp"), ("ünï", "ünï")],
)
def test_control_characters_are_shown_not_sent(text: str, shown: str) -> None:
    assert output.printable(text) == shown
    assert shown in table(("Name",), [(text,)])


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("가나다", 5, "가나…"), ("가나다", 4, "가…")],
)
def test_shortening_counts_columns(text: str, columns: int, shown: str) -> None:
    assert output.shorten(text, columns) == shown
    assert output.width(shown) <= columns


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (3600, "1h"), (43080, "11h58m"), (270000, "3d3h"), (-5, "0s")]
)
def test_durations_in_two_units(seconds: int, text: str) -> None:
    assert output.ago(timedelta(seconds=seconds)) == text


def test_times_and_sizes() -> None:
    assert output.utc_time(datetime(2030, 1, 2, 3, 4, 5, 600, UTC)) == "2030-01-02T03:04:05Z"
    assert [output.size(count) for count in (0, 1023, 1536, 5 << 20)] == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]


def test_fields_in_one_column() -> None:
    assert output.fields([("Cluster", "alpha"), ("Logins", "")], "> ") == "> Cluster: alpha\n  Logins:"


def test_internal_labels_are_left_out_when_asked() -> None:
    values = {"b": "2", "a": "1", "teleport.internal/x": "y"}
    assert output.labels(values, internal=False) == "a=1,b=2"
    assert output.labels(values) == "a=1,b=2,teleport.internal/x=y"


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_alone() -> None:
    quiet, screen = io.StringIO(), _Screen()
    for stream in (quiet, screen):
        bar = Progress(lambda: 2.0, stream)
        bar.update("file\x1b", 1 << 20, 2 << 20)
        bar.update("file\x1b", 2 << 20, 2 << 20, final=True)
    assert quiet.getvalue() == ""
    assert " 50%" in screen.getvalue()
    assert screen.getvalue().rstrip(" ").endswith("1.0 MiB/s\n")
    assert "\x1b" not in screen.getvalue()


def test_documents_are_json_or_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    output.show([{"name": "팀"}], "json")
    output.show([{"name": "팀"}], "yaml")
    assert capsys.readouterr().out == '[\n    {\n        "name": "팀"\n    }\n]\n- name: 팀\n'
