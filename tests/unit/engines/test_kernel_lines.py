"""What bpftrace prints is understood, or counted as lost: never taken for something else."""

from __future__ import annotations

import json

import pytest

from teleport.engines.kernel_recording.lines import Command, Connected, Exit, LineReader, Lost, Opened, Ready, Tick
from teleport.engines.kernel_recording.program import MAX_ARGUMENTS, program_for
from teleport.engines.kernel_recording.requirements import check_root


def printed(text: str) -> bytes:
    return json.dumps({"type": "printf", "data": text}).encode()


def escaped(raw: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in raw)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        (printed("R"), [Ready()]),
        (printed("T"), [Tick()]),
        (printed("F 7 12 -2 /no such"), [Command(7, 12, path="/no such", result=-2)]),
        (printed("X 7 12 768 a name"), [Exit(7, 12, 768, "a name")]),
        (printed("D 7 12 577 -13 /a b\nC 1 2"), [Opened(7, 12, 577, -13, "/a b\nC 1 2")]),
        (b'{"type": "printf", "data": "D 7 12 0 3 /\xe9"}', [Opened(7, 12, 0, 3, "/\\xe9")]),
        (printed("D 7 12 0 3 " + "p" * 199), [Opened(7, 12, 0, 3, "p" * 199 + "…")]),
        (
            printed("N 7 12 -111 " + escaped(b"\x02\x00\x00\x50\x7f\x00\x00\x01" + bytes(20))),
            [Connected(7, 12, -111, "127.0.0.1", 80, 4)],
        ),
        (
            printed("N 7 12 0 " + escaped(b"\x0a\x00\x01\xbb" + bytes(4) + bytes(15) + b"\x01" + bytes(4))),
            [Connected(7, 12, 0, "::1", 443, 6)],
        ),
        (printed("N 7 12 0 " + escaped(b"\x01\x00/run/socket" + bytes(15))), []),
        (b'{"type": "lost_events", "data": {"events": 42}}', [Lost(42)]),
        (b'{"type": "attached_probes", "data": {"probes": 3}}', []),
        (b"{", [Lost(1)]),
        (printed("Z"), [Lost(1)]),
        (printed("D 7"), [Lost(1)]),
        (printed("A 12 0 zz"), [Lost(1)]),
    ],
)
def test_lines(line: bytes, seen: list[object]) -> None:
    assert LineReader().feed(line) == seen


def test_arguments_are_put_together() -> None:
    reader = LineReader()
    whole = b"ls\0a b\0\xe9\0" + b"x" * 300 + b"\0"
    assert reader.feed(printed(f"C 7 12 11 {len(whole)} /bin/ls")) == []
    assert reader.feed(printed("A 12 0 " + escaped(whole[:200]))) == []
    (command,) = reader.feed(printed("A 12 200 " + escaped(whole[200:])))
    assert command == Command(7, 12, 11, "/bin/ls", ("ls", "a b", "\\xe9", "x" * 300))


def test_arguments_beyond_the_limit_end_in_an_ellipsis() -> None:
    reader = LineReader()
    reader.feed(printed("C 7 12 11 90000 /bin/ls"))
    seen: list[object] = []
    for at in range(0, MAX_ARGUMENTS, 200):
        seen += reader.feed(printed(f"A 12 {at} " + escaped(b"y" * 200)))
    assert seen == [Command(7, 12, 11, "/bin/ls", ("y" * MAX_ARGUMENTS + "…",))]


def test_a_lost_piece_is_counted_and_the_command_told_all_the_same() -> None:
    reader = LineReader()
    reader.feed(printed("C 7 12 11 300 /bin/ls"))
    assert reader.feed(printed("A 12 200 " + escaped(b"z" * 100))) == [Lost(1)]
    assert reader.feed(printed("X 7 12 0 ls")) == [
        Lost(1),
        Command(7, 12, 11, "/bin/ls", ("…",)),
        Exit(7, 12, 0, "ls"),
    ]


def test_exit_codes_are_as_shells_tell_them() -> None:
    assert [Exit(1, 1, status, "").code for status in (0, 7 << 8, 9, 9 | 0x80)] == [0, 7, 137, 137]


@pytest.mark.parametrize("root", ["", "/", "teleport", "/a/", "/a/../b", "/a//b", '/a"b', "/a\n"])
def test_roots_that_could_mean_something_else_are_refused(root: str) -> None:
    assert check_root(root)


def test_the_program_knows_the_depth_of_its_root() -> None:
    assert 'dst_level == 3 && strncmp("/a/b/", str(args->dst_path), 5)' in program_for("/a/b")
