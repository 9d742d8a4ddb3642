"""What bpftrace prints is understood, or counted as lost: never taken for something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from teleport.engines.kernel_recording.lines import Line, LineReader, Lost, Marked, Ready, Tick
from teleport.engines.kernel_recording.program import MAX_ARGUMENTS, program_for
from teleport.engines.kernel_recording.requests import MAX_WAITING, UNKNOWN
from teleport.engines.kernel_recording.requirements import check_root
from teleport.engines.kernel_recording.seen import Command, Connected, Exit, Opened, Unmarked
from teleport.engines.kernel_recording.sequence import MAX_HELD, Sequence
from teleport.engines.kernel_recording.tracer import missed_runs, programs_in

SECOND = 1_000_000_000


def printed(text: str) -> bytes:
    return json.dumps({"type": "printf", "data": text}).encode()


def escaped(raw: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in raw)


OWN4 = int.from_bytes(bytes((10, 0, 0, 2)), "little")
OWN6 = escaped(bytes(15) + b"\x01")
IPV4 = escaped(b"\x02\x00\x00\x50\x7f\x00\x00\x01" + bytes(20))
UNIX = escaped(b"\x01\x00/run/socket" + bytes(15))
IPV6 = escaped(b"\x0a\x00\x01\xbb" + bytes(4) + bytes(15) + b"\x01" + bytes(4))


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        (printed("R"), [Ready()]),
        (printed("T 99"), [Tick(99)]),
        (printed("P"), []),
        (printed("F 5 7 12 -2 /no such"), [Command(5, 7, 12, path="/no such", result=-2)]),
        (printed("X 5 7 12 768 a name"), [Exit(5, 7, 12, 768, "a name")]),
        (printed("U 5 7 12"), [Unmarked(5, 7, 12)]),
        (printed("D 5 7 12 577 -13 /a b\nC 1 2"), [Opened(5, 7, 12, 577, -13, "/a b\nC 1 2")]),
        (b'{"type": "printf", "data": "D 5 7 12 0 3 /\xe9"}', [Opened(5, 7, 12, 0, 3, "/\\xe9")]),
        (printed("D 5 7 12 0 3 " + "p" * 199), [Opened(5, 7, 12, 0, 3, "p" * 199 + "…")]),
        (printed("D 5 7 12 0 -512 /fifo"), []),
        (
            printed(f"N 5 7 12 -111 {IPV4} {OWN4} {OWN6}"),
            [Connected(5, 7, 12, -111, "10.0.0.2", "127.0.0.1", 80, 4)],
        ),
        (printed(f"N 5 7 12 0 {IPV6} {OWN4} {OWN6}"), [Connected(5, 7, 12, 0, "::1", "::1", 443, 6)]),
        (
            printed(f"N 5 7 12 0 {IPV4} 0 {OWN6}"),
            [Connected(5, 7, 12, 0, "", "127.0.0.1", 80, 4)],
        ),
        (printed(f"N 5 7 12 0 {UNIX} {OWN4} {OWN6}"), []),
        (b'{"type": "lost_events", "data": {"events": 42}}', [Lost(42)]),
        (b'{"type": "attached_probes", "data": {"probes": 3}}', []),
        (b'{"type": "map", "data": {"@session": {"12": 14, "13": 15, "14": 20}}}', [Marked(frozenset({7, 10}))]),
        (b'{"type": "map", "data": {"@session": {}}}', [Marked(frozenset())]),
        (b'{"type": "map", "data": {"@at": {"1": 2}}}', []),
        (b"{", [Lost(1)]),
        (b'{"type": "map", "data": {"@session": 3}}', [Lost(1)]),
        (printed("Z"), [Lost(1)]),
        (printed("D 7"), [Lost(1)]),
        (printed("A 5 12 0 zz"), [Lost(1)]),
    ],
)
def test_lines(line: bytes, seen: list[object]) -> None:
    assert LineReader().feed(line) == seen


def test_arguments_are_put_together_also_when_the_end_is_read_before() -> None:
    reader = LineReader()
    whole = b"ls\0a b\0\xe9\0" + b"x" * 300 + b"\0"
    assert reader.feed(printed(f"C 5 7 12 11 {len(whole)} /bin/ls")) == []
    assert reader.feed(printed("A 5 12 0 " + escaped(whole[:200]))) == []
    assert reader.feed(printed("X 9 7 12 0 ls")) == [Exit(9, 7, 12, 0, "ls")]
    (command,) = reader.feed(printed("A 5 12 200 " + escaped(whole[200:])))
    assert command == Command(5, 7, 12, 11, "/bin/ls", ("ls", "a b", "\\xe9", "x" * 300))


def test_arguments_beyond_the_limit_end_in_an_ellipsis() -> None:
    reader = LineReader()
    reader.feed(printed("C 5 7 12 11 90000 /bin/ls"))
    seen: list[Line] = []
    for at in range(0, MAX_ARGUMENTS, 200):
        seen += reader.feed(printed(f"A 5 12 {at} " + escaped(b"y" * 200)))
    assert seen == [Command(5, 7, 12, 11, "/bin/ls", ("y" * MAX_ARGUMENTS + "…",))]


def test_a_lost_piece_is_counted_and_the_command_told_all_the_same() -> None:
    reader = LineReader()
    reader.feed(printed("C 5 7 12 11 300 /bin/ls"))
    assert reader.feed(printed("A 5 12 200 " + escaped(b"z" * 100))) == [Lost(1)]
    assert reader.feed(printed(f"T {SECOND}")) == [Tick(SECOND)]
    late = 5 * SECOND
    assert reader.feed(printed(f"T {late}")) == [Lost(1), Command(5, 7, 12, 11, "/bin/ls", ("…",)), Tick(late)]


def test_what_processors_tell_is_put_in_order_and_held_for_one_tick() -> None:
    sequence = Sequence()
    first, second, third = (Exit(at, 7, at, 0, "") for at in (10, 20, 30))
    assert [sequence.add(one) for one in (second, first, third)] == [[], [], []]
    assert sequence.tick(25) == []
    assert sequence.tick(40) == [first, second]
    assert sequence.complete == 25
    assert sequence.tick(50) == [third]


def test_a_flood_is_not_held() -> None:
    sequence = Sequence()
    seen = [Exit(MAX_HELD - at, 7, at, 0, "") for at in range(MAX_HELD)]
    assert [len(sequence.add(one)) for one in seen if one is not seen[-1]] == [0] * (MAX_HELD - 1)
    assert sequence.add(seen[-1]) == seen[::-1]
    assert sequence.rest() == []


def test_requests_of_rings_are_told_with_what_came_of_them_in_either_order() -> None:
    reader = LineReader()
    assert reader.feed(printed("O 5 7 12 99 577 /etc/a b")) == []
    assert reader.feed(printed("Z 5 99 -13")) == [Opened(5, 7, 12, 577, -13, "/etc/a b")]
    assert reader.feed(printed("Z 6 99 0")) == []
    assert reader.feed(printed(f"M 6 7 12 99 {IPV4}")) == [Connected(6, 7, 12, 0, "", "127.0.0.1", 80, 4)]
    assert reader.feed(printed(f"M 7 7 12 99 {UNIX}")) == []


def test_a_request_without_an_answer_is_told_all_the_same() -> None:
    reader = LineReader()
    reader.feed(printed("O 5 7 12 99 0 /fifo"))
    assert reader.feed(printed(f"T {SECOND}")) == [Tick(SECOND)]
    late = 5 * SECOND
    assert reader.feed(printed(f"T {late}")) == [Opened(5, 7, 12, 0, UNKNOWN, "/fifo"), Tick(late)]
    assert reader.feed(printed("Z 5 99 3")) == []
    many = [reader.feed(printed(f"O {late} 7 12 {number} 0 /a")) for number in range(MAX_WAITING + 1)]
    assert [line for lines in many for line in lines] == [Opened(late, 7, 12, 0, UNKNOWN, "/a")]


def test_what_the_kernel_passed_over_is_read_from_its_descriptions(tmp_path: Path) -> None:
    words = "pos:\t0\nprog_type:\t{type}\nprog_jited:\t1\nrun_cnt:\t0\nrecursion_misses:\t{count}\ninsns:\t9\n"
    for number, (type_, count) in enumerate(((5, 3), (5, 40), (7, 500))):
        (tmp_path / str(number)).write_text(words.format(type=type_, count=count))
    (tmp_path / "3").write_text("pos:\t0\nflags:\t02\n")
    programs = programs_in(tmp_path)
    assert (len(programs), missed_runs(programs)) == (2, 43)
    programs[0].unlink()
    assert missed_runs(programs) in (3, 40)
    assert programs_in(tmp_path / "gone") == []


def test_exit_codes_are_as_shells_tell_them() -> None:
    assert [Exit(1, 1, 1, status, "").code for status in (0, 7 << 8, 9, 9 | 0x80)] == [0, 7, 137, 137]


@pytest.mark.parametrize("root", ["", "/", "teleport", "/a/", "/a/../b", "/a//b", '/a"b', "/a\n", "/" + "a" * 39])
def test_roots_that_could_mean_something_else_are_refused(root: str) -> None:
    assert check_root(root)


def test_the_program_knows_the_depth_of_its_root() -> None:
    assert 'dst_level == 3 && strncmp("/a/b/", str(args->dst_path), 5)' in program_for("/a/b", with_rings=False)
