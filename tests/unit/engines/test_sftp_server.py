"""Our SFTP server, packet by packet: what OpenSSH's clients ask, and what strangers send."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.engines.ssh import sftp_server as sftp
from teleport.engines.ssh.answers import ALONE, Answers
from teleport.engines.ssh.file_desk import Desk
from teleport.engines.ssh.sftp_server import Server, serve


def string(data: bytes | str) -> bytes:
    raw = data.encode() if isinstance(data, str) else data
    return struct.pack(">I", len(raw)) + raw


def u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


class Conversation:
    """Asks, and takes the answers apart."""

    def __init__(self) -> None:
        self.server = Server(Desk())
        self._number = 0

    def ask(self, kind: int, *parts: bytes) -> tuple[int, bytes]:
        """The type of the answer and what follows its number."""
        self._number += 1
        answer = bytes(self.server.answer(memoryview(bytes((kind,)) + u32(self._number) + b"".join(parts))))
        size, kind, number = struct.unpack_from(">IBI", answer)
        assert (size, number) == (len(answer) - 4, self._number)
        return kind, answer[9:]

    def status(self, kind: int, *parts: bytes) -> int:
        answered, body = self.ask(kind, *parts)
        assert answered == sftp.STATUS
        return int.from_bytes(body[:4], "big")

    def open(self, path: Path, flags: int, attributes: bytes = u32(0)) -> bytes:
        kind, body = self.ask(sftp.OPEN, string(str(path)), u32(flags), attributes)
        assert kind == sftp.HANDLE, body
        return body


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


def test_greets_with_version_three_and_extensions() -> None:
    answer = Server(Desk()).answer(memoryview(bytes((sftp.INIT,)) + u32(3)))
    assert answer[4:9] == bytes((sftp.VERSION,)) + u32(3)
    assert string("posix-rename@openssh.com") + string("1") in answer


def test_writes_and_reads_anywhere(talk: Conversation, tmp_path: Path) -> None:
    handle = talk.open(tmp_path / "f", 2 | 8, u32(sftp.MODE_FLAG, 0o640))
    assert talk.status(sftp.WRITE, handle, struct.pack(">Q", 5), string("world")) == sftp.OK
    assert talk.status(sftp.WRITE, handle, struct.pack(">Q", 0), string("hello")) == sftp.OK
    assert talk.status(sftp.CLOSE, handle) == sftp.OK
    assert (tmp_path / "f").read_bytes() == b"helloworld"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640
    handle = talk.open(tmp_path / "f", 1)
    assert talk.ask(sftp.READ, handle, struct.pack(">QI", 3, 4)) == (sftp.DATA, string("lowo"))
    assert talk.status(sftp.READ, handle, struct.pack(">QI", 10, 4)) == sftp.EOF


def test_a_read_gives_no_more_than_the_limit(talk: Conversation) -> None:
    handle = talk.open(Path("/dev/zero"), 1)
    _, body = talk.ask(sftp.READ, handle, struct.pack(">QI", 0, 0xFFFFFFFF))
    assert len(body) == sftp.MAX_DATA + 4


def test_lists_a_folder_to_its_end(talk: Conversation, tmp_path: Path) -> None:
    for number in range(250):
        (tmp_path / f"file {number}").touch()
    _, handle = talk.ask(sftp.OPENDIR, string(str(tmp_path)))
    counts = []
    while (answer := talk.ask(sftp.READDIR, handle))[0] == sftp.NAME:
        counts.append(int.from_bytes(answer[1][:4], "big"))
    assert answer[1][:4] == u32(sftp.EOF)
    assert counts == [100, 100, 52]


def test_long_names_look_like_ls(talk: Conversation, tmp_path: Path) -> None:
    (tmp_path / "kurz").write_bytes(b"12345")
    (tmp_path / "kurz").chmod(0o604)
    _, handle = talk.ask(sftp.OPENDIR, string(str(tmp_path)))
    _, body = talk.ask(sftp.READDIR, handle)
    assert b"-rw----r--    1 " in body
    assert b" kurz" in body


def test_an_old_rename_replaces_nothing_and_a_posix_one_does(talk: Conversation, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    pair = string(str(one)) + string(str(two))
    assert talk.status(sftp.RENAME, pair) == sftp.FAILURE
    assert two.read_text() == "2"
    assert talk.status(sftp.EXTENDED, string("posix-rename@openssh.com"), pair) == sftp.OK
    assert two.read_text() == "1"
    assert talk.status(sftp.RENAME, string(str(two)) + string(str(one))) == sftp.OK


def test_links_both_ways(talk: Conversation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert talk.status(sftp.SYMLINK, string("file"), string(str(tmp_path / "soft"))) == sftp.OK
    assert os.readlink(tmp_path / "soft") == "file"
    assert talk.ask(sftp.READLINK, string(str(tmp_path / "soft")))[1][4:12] == string("file")
    pair = string(str(tmp_path / "file")) + string(str(tmp_path / "hard"))
    assert talk.status(sftp.EXTENDED, string("hardlink@openssh.com"), pair) == sftp.OK
    assert (tmp_path / "hard").stat().st_nlink == 2


def test_sets_attributes(talk: Conversation, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    given = u32(sftp.SIZE_FLAG | sftp.MODE_FLAG | sftp.TIME_FLAG) + struct.pack(">Q", 4) + u32(0o600, 1000, 2000)
    assert talk.status(sftp.SETSTAT, string(str(path)), given) == sftp.OK
    told = path.stat()
    assert (told.st_size, stat.S_IMODE(told.st_mode), told.st_mtime) == (4, 0o600, 2000)


@pytest.mark.parametrize(
    ("kind", "parts", "code"),
    [
        (sftp.STAT, (string("/no/such/file"),), sftp.NO_SUCH_FILE),
        (sftp.READ, (string("no handle"), bytes(12)), sftp.NO_SUCH_FILE),
        (sftp.OPEN, (string("/tmp\0/x"), u32(1, 0)), sftp.BAD_MESSAGE),
        (sftp.OPEN, (u32(0xFFFFFFFF),), sftp.BAD_MESSAGE),
        (sftp.MKDIR, (string("/"), u32(0)), sftp.FAILURE),
        (99, (), sftp.UNSUPPORTED),
        (sftp.EXTENDED, (string("expand-path@openssh.com"),), sftp.UNSUPPORTED),
    ],
)
def test_says_what_went_wrong(talk: Conversation, kind: int, parts: tuple[bytes, ...], code: int) -> None:
    assert talk.status(kind, *parts) == code


def test_opens_only_so_many_files(talk: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp, "MAX_HANDLES", 5)
    (tmp_path / "f").touch()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        talk.open(tmp_path / "f", 1)
    assert talk.status(sftp.OPEN, string(str(tmp_path / "f")), u32(1, 0)) == sftp.FAILURE
    talk.server.close()
    assert len(os.listdir("/proc/self/fd")) == before


harmless = [kind for kind in range(256) if kind not in (sftp.INIT, sftp.OPEN, sftp.OPENDIR, sftp.EXTENDED)]


@given(st.sampled_from(harmless), st.binary(max_size=60))
def test_garbage_is_answered_with_a_status_or_refused(kind: int, body: bytes) -> None:
    try:
        answer = Server(Desk()).answer(memoryview(bytes((kind,)) + u32(1) + u32(0x7FFFFFFF) + body))
    except sftp.Malformed:
        return
    assert answer[4] in (sftp.STATUS, sftp.NAME, sftp.ATTRS)


@pytest.mark.parametrize("said", [u32(0xFFFFFFFF) + b"x", u32(0) + b"x", u32(2) + b"\x03\x00"])
def test_who_does_not_speak_sftp_is_left(said: bytes) -> None:
    source, said_to = os.pipe()
    heard, sink = os.pipe()
    os.write(said_to, said)
    os.close(said_to)
    try:
        assert serve(Desk(), Answers(sink, sftp.LONGEST_ANSWER), source) == 11
    finally:
        for descriptor in (source, heard, sink):
            os.close(descriptor)


def test_requests_together_are_answered_together_in_order(tmp_path: Path) -> None:
    source, said_to = os.pipe()
    heard, sink = os.pipe()
    packets = [bytes((sftp.INIT,)) + u32(3)]
    packets += [bytes((sftp.STAT,)) + u32(number) + string(str(tmp_path)) for number in range(5)]
    os.write(said_to, b"".join(u32(len(packet)) + packet for packet in packets))
    os.close(said_to)
    assert serve(Desk(), Answers(sink, sftp.LONGEST_ANSWER), source) == 0
    os.close(sink)
    answers = os.read(heard, 1 << 16)
    kinds = []
    while answers:
        size = int.from_bytes(answers[:4], "big")
        kinds.append((answers[4], int.from_bytes(answers[5:9], "big")))
        answers = answers[4 + size :]
    assert kinds[1:] == [(sftp.ATTRS, number) for number in range(5)]
    os.close(heard)
    os.close(source)


def test_a_long_conversation_crosses_the_ends_of_its_buffers(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    sizes = (sftp.MAX_DATA, 1, 32_768, ALONE, 100_000, sftp.MAX_DATA, 70_001)
    packets = [bytes((sftp.OPEN,)) + u32(1) + string(str(tmp_path / "f")) + u32(1 | 2 | 8) + u32(0)]
    offset = number = 0
    reads = []
    while offset < len(content):
        size = sizes[number % len(sizes)]
        number += 1
        piece = content[offset : offset + size]
        place = string(u32(1)) + struct.pack(">Q", offset)
        packets.append(bytes((sftp.WRITE,)) + u32(number) + place + string(piece))
        reads.append(bytes((sftp.READ,)) + u32(number) + place + u32(size))
        offset += size
    source, sink = os.memfd_create("said"), os.memfd_create("heard")
    with open(source, "wb+") as said, open(sink, "rb") as heard:
        said.write(b"".join(sftp.framed(packet) for packet in (*packets, *reads)))
        said.flush()
        said.seek(0)
        assert serve(Desk(), Answers(sink, sftp.LONGEST_ANSWER), source) == 0
        heard.seek(0)
        answers = heard.read()
    assert (tmp_path / "f").read_bytes() == content
    data = []
    while answers:
        size, kind = struct.unpack_from(">IB", answers)
        if kind == sftp.DATA:
            data.append(answers[13 : 4 + size])
        answers = answers[4 + size :]
    assert b"".join(data) == content


def copied(talk: Conversation, source: bytes, offset: int, size: int, target: bytes, place: int) -> int:
    said = source + struct.pack(">QQ", offset, size) + target + struct.pack(">Q", place)
    return talk.status(sftp.EXTENDED, string("copy-data"), said)


def test_copies_from_one_open_file_to_another(talk: Conversation, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content := os.urandom(600_000))
    source, target = talk.open(tmp_path / "a", 1), talk.open(tmp_path / "b", 2 | 8)
    assert copied(talk, source, 0, 0, target, 0) == sftp.OK
    assert (tmp_path / "b").read_bytes() == content
    assert copied(talk, source, 10, 300_000, target, 600_000) == sftp.OK
    assert (tmp_path / "b").read_bytes() == content + content[10:300_010]
    assert copied(talk, source, 599_990, 11, target, 0) == sftp.EOF
    assert copied(talk, target, 0, 1, source, 0) == sftp.NO_SUCH_FILE  # neither is open for that


def test_copies_within_one_file_only_what_does_not_overlap(talk: Conversation, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    handle = talk.open(tmp_path / "a", 3)
    assert copied(talk, handle, 0, 0, handle, 10) == sftp.FAILURE  # it would never end
    assert copied(talk, handle, 0, 5, handle, 4) == sftp.FAILURE
    assert copied(talk, handle, 4, 5, handle, 0) == sftp.FAILURE
    assert copied(talk, handle, 0, 5, handle, 5) == sftp.OK
    assert (tmp_path / "a").read_bytes() == b"0123401234"
