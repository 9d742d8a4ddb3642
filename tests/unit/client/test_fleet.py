"""Names, output and the exit status of a command on many servers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teleport.client.fleet import LabelledOutput, Member, Outcome, exit_status, labels
from teleport.foundation.errors import BadParameter


def test_servers_of_the_same_name_are_told_apart() -> None:
    members = [Member("web", "id-1"), Member("db", "id-2"), Member("web", "id-3")]
    assert labels(members) == ["web-id-1", "db", "web-id-3"]


@pytest.mark.parametrize("name", ["", "..", "../evil", "a/b", ".hidden", "a\nb", "C:\\x"])
def test_a_server_s_name_never_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(BadParameter):
        labels([Member(name, "id")])


@pytest.mark.parametrize(
    ("statuses", "expected"), [((0, 0), 0), ((0, 3), 3), ((3, 3), 3), ((3, 4), 1), ((255, 0), 255), ((), 0)]
)
def test_the_exit_status_is_what_failures_have_in_common(statuses: tuple[int, ...], expected: int) -> None:
    assert exit_status(Outcome(Member("a", "b"), status) for status in statuses) == expected


def test_lines_are_labelled_whole_and_copied_as_they_came() -> None:
    reading, writing = os.pipe()
    copied, copying = os.pipe()
    output = LabelledOutput("web", writing, copying)
    for piece in (b"one\ntw", b"o\n", b"three"):
        assert output.write(piece)
    assert os.read(reading, 100) == b"[web] one\n[web] two\n"
    output.finish()
    assert os.read(reading, 100) == b"[web] three\n"
    assert os.read(copied, 100) == b"one\ntwo\nthree"
    for descriptor in (reading, writing, copied, copying):
        os.close(descriptor)


def test_a_line_without_an_end_does_not_grow_for_ever(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "out", os.O_CREAT | os.O_RDWR)
    assert LabelledOutput("web", descriptor).write(b"x" * 70_000)
    assert (tmp_path / "out").read_bytes() == b"[web] " + b"x" * 70_000 + b"\n"
    os.close(descriptor)
