"""SFTP as it passes: what the log hears of it, and ends that do not keep to the protocol."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from teleport.engines.ssh import sftp_server as sftp
from teleport.engines.ssh.file_desk import CLOSE, OPEN, SYMLINK, Desk
from teleport.engines.ssh.file_link import Answer, Bases, Question, Told
from teleport.engines.ssh.passing_exchange import MAX_PACKET, MAX_PENDING
from teleport.engines.ssh.passing_sftp import SftpPassage
from teleport.engines.ssh.sftp_server import framed, string

INIT = framed(b"\1\0\0\0\3")
VERSION = framed(b"\2\0\0\0\3")


class Ends:
    """Both ends of a passage: an honest server, unless a test speaks for it."""

    def __init__(self) -> None:
        self.server: sftp.Server | None = sftp.Server(Desk())
        self.heard_by_client: list[bytes] = []
        self.heard_by_server: list[bytes] = []
        self.notes: list[str] = []
        self.broken = ""
        self.ends = 0
        self.passage: SftpPassage | None = None

    def to_client(self, data: bytes) -> None:
        self.heard_by_client += cut(data)

    def to_server(self, data: bytes) -> None:
        self.heard_by_server += cut(data)

    def end_to_server(self) -> None:
        self.ends += 1

    def note(self, text: str) -> None:
        self.notes.append(text)

    def break_off(self, reason: str) -> None:
        self.broken = reason

    def settle(self) -> None:
        """The server answers all that it was asked, and what follows from that."""
        assert self.passage is not None
        assert self.server is not None
        while self.heard_by_server:
            said, self.heard_by_server = self.heard_by_server, []
            for packet in said:
                self.passage.from_server(bytes(self.server.answer(memoryview(packet))))

    def ask(self, kind: int, body: bytes, number: int = 7) -> bytes:
        """The answer to one request of the client, without its number."""
        assert self.passage is not None
        self.heard_by_client.clear()
        self.passage.from_client(framed(bytes((kind,)) + number.to_bytes(4, "big") + body))
        self.settle()
        (answer,) = self.heard_by_client
        assert answer[1:5] == number.to_bytes(4, "big")
        return answer[:1] + answer[5:]


class Clerk:
    """Forbids what has `secret` in its path, and more than ten bytes."""

    def __init__(self, *, is_governed: bool = False) -> None:
        self.is_governed = is_governed
        self.told: list[Told] = []
        self.asked: list[Question] = []

    def arrive(self, home: str) -> Sequence[str]:
        return ("/etc",) if self.is_governed else ()

    def learn(self, bases: Bases) -> None:
        assert bases.bases == {"/etc": "/etc"}

    def answer(self, question: Question) -> Answer:
        self.asked.append(question)
        if "secret" in question.path or "secret" in question.to or question.size > 10:
            return Answer(False, "forbidden")
        return Answer(True, limit=10)

    def take(self, told: Told) -> None:
        self.told.append(told)


def cut(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def passing(clerk: Clerk, *, is_begun: bool = True) -> Ends:
    ends = Ends()
    ends.passage = SftpPassage(ends, clerk)
    if is_begun:
        ends.passage.from_client(INIT)
        ends.settle()
    return ends


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def opened(ends: Ends, path: Path, flags: int) -> bytes:
    """The handle, as a string."""
    answer = ends.ask(sftp.OPEN, string(str(path).encode()) + u32(flags) + u32(0))
    assert answer[0] == sftp.HANDLE, answer
    return answer[1:]


def test_a_file_is_told_with_its_bytes_and_hash(tmp_path: Path) -> None:
    clerk = Clerk()
    ends = passing(clerk)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    handle = opened(ends, tmp_path / "link" / "f", 2 | 8)
    for offset, data in ((0, b"abc"), (3, b"def")):
        assert ends.ask(sftp.WRITE, handle + bytes(4) + u32(offset) + string(data))[1:5] == u32(0)
    ends.ask(sftp.CLOSE, handle)
    assert (tmp_path / "real" / "f").read_bytes() == b"abcdef"
    first, last = clerk.told
    assert (first.action, first.path, first.resolved) == (OPEN, f"{tmp_path}/link/f", f"{tmp_path}/real/f")
    assert (last.action, last.written, last.sha256) == (CLOSE, 6, hashlib.sha256(b"abcdef").hexdigest())
    handle = opened(ends, tmp_path / "real" / "f", 1)
    assert ends.ask(sftp.READ, handle + bytes(8) + u32(100)) == bytes((sftp.DATA,)) + string(b"abcdef")
    ends.ask(sftp.CLOSE, handle)
    assert (clerk.told[-1].read, clerk.told[-1].sha256) == (6, last.sha256)


def test_a_link_is_named_as_the_server_wants_it(tmp_path: Path) -> None:
    """Some clients follow the draft with servers whose name is not OpenSSH."""
    clerk = Clerk()
    ends = passing(clerk)
    ends.passage = SftpPassage(ends, clerk, has_links_first=True)
    ends.passage.from_client(INIT)
    ends.settle()
    ends.ask(sftp.SYMLINK, string(bytes(tmp_path / "link")) + string(b"target"))
    assert (tmp_path / "link").readlink() == Path("target")
    assert (clerk.told[-1].path, clerk.told[-1].target) == ("target", f"{tmp_path}/link")


def test_what_is_asked_twice_under_one_number_is_not_confused(tmp_path: Path) -> None:
    """The numbers are the client's, and what they mean is kept here."""
    ends = passing(Clerk())
    (tmp_path / "a").write_bytes(b"a")
    assert ends.passage is not None
    handle = opened(ends, tmp_path / "a", 1)
    ends.heard_by_client.clear()
    read = framed(bytes((sftp.READ,)) + u32(7) + handle + bytes(8) + u32(1))
    close = framed(bytes((sftp.CLOSE,)) + u32(7) + handle)
    ends.passage.from_client(read + close + read)
    ends.settle()
    kinds = sorted((answer[0], answer[1:5]) for answer in ends.heard_by_client)
    assert kinds == [(sftp.STATUS, u32(7))] * 2 + [(sftp.DATA, u32(7))]


def test_extensions_that_nobody_here_understands_are_neither_offered_nor_passed() -> None:
    ends = passing(Clerk(), is_begun=False)
    assert ends.passage is not None
    ends.passage.from_client(framed(b"\1\0\0\0\6"))
    assert ends.heard_by_server == [b"\1\0\0\0\3"]
    offered = string(b"copy-data") + string(b"1") + string(b"fsync@openssh.com") + string(b"1")
    ends.passage.from_server(framed(b"\2\0\0\0\3" + offered))
    assert ends.heard_by_client == [b"\2\0\0\0\3" + string(b"fsync@openssh.com") + string(b"1")]
    ends.heard_by_server.clear()
    ends.passage.from_server(framed(bytes((sftp.NAME,)) + u32(1) + u32(1) + string(b"/home") * 2 + bytes(4)))
    assert ends.ask(sftp.EXTENDED, string(b"copy-data") + bytes(40))[1:5] == u32(sftp.UNSUPPORTED)
    assert ends.ask(77, b"")[1:5] == u32(sftp.UNSUPPORTED)
    assert not ends.heard_by_server


HONEST = VERSION + framed(bytes((sftp.NAME,)) + u32(1) + u32(1) + string(b"/home") * 2 + bytes(4))
READING = framed(bytes((sftp.OPEN,)) + u32(1) + string(b"/f") + u32(1) + u32(0))
REAL = framed(bytes((sftp.NAME,)) + u32(2) + u32(1) + string(b"/f") * 2 + bytes(4))
HANDLE = framed(bytes((sftp.HANDLE,)) + u32(3) + string(b"h"))
STAT = framed(bytes((sftp.STAT,)) + u32(1) + string(b"/"))
READ = framed(bytes((sftp.READ,)) + u32(2) + string(b"h") + bytes(8) + u32(3))


@pytest.mark.parametrize(
    ("dialogue", "reason"),
    [
        ((b"\xff\xff\xff\xff",), "packet of 4294967295 bytes"),
        ((u32(0),), "packet of 0 bytes"),
        ((framed(b"\2\0\0\0\6"),), "version 3"),
        ((framed(b"\2\0\0\0\3" + u32(9) + b"short"),), "malformed"),
        ((HONEST, READING, REAL + framed(bytes((sftp.HANDLE,)) + u32(9) + string(b"h"))), "was not asked"),
        ((HONEST, READING, REAL + HANDLE + HANDLE), "was not asked"),
        ((HONEST, READING, REAL + framed(bytes((sftp.HANDLE,)) + u32(3) + string(b"h" * 257))), "that is none"),
        ((HONEST, READING, REAL + framed(bytes((sftp.DATA,)) + u32(3) + string(b"h"))), "handle that is none"),
        ((HONEST, STAT, framed(bytes((sftp.DATA,)) + u32(2) + string(b"h"))), "what it was not asked for"),
        (
            (HONEST, READING, REAL + HANDLE, READ, framed(bytes((sftp.DATA,)) + u32(4) + string(b"four"))),
            "more of a file",
        ),
        ((HONEST, READING, REAL + HANDLE, READ, framed(bytes((sftp.NAME,)) + u32(4) + u32(0))), "answers a read by"),
    ],
)
def test_a_server_that_breaks_the_protocol_ends_the_copy(dialogue: tuple[bytes, ...], reason: str) -> None:
    """It speaks first, in pieces; then both in turn."""
    ends = passing(Clerk(), is_begun=False)
    assert ends.passage is not None
    ends.passage.from_client(INIT)
    for number, said in enumerate(dialogue):
        for start in range(0, len(said), 5):
            (ends.passage.from_client if number % 2 else ends.passage.from_server)(said[start : start + 5])
        assert bool(ends.broken) is (number == len(dialogue) - 1)
    assert reason in ends.broken


@pytest.mark.parametrize("said", [u32(MAX_PACKET + 1), u32(0), framed(b"\5\0\0\0\1"), framed(b"\3\0")])
def test_a_client_that_breaks_the_protocol_ends_the_copy(said: bytes) -> None:
    ends = passing(Clerk(), is_begun=not said.startswith(framed(b"\5\0\0\0\1")[:4]))
    assert ends.passage is not None
    ends.passage.from_client(said)
    assert ends.broken.startswith("the copy is ended")
    ends.passage.from_client(READING)
    assert not ends.heard_by_server


def test_requests_that_are_not_answered_are_held_in_a_bounded_number() -> None:
    ends = passing(Clerk())
    assert ends.passage is not None
    stat = framed(bytes((sftp.STAT,)) + u32(1) + string(b"/"))
    ends.passage.from_client(stat * (MAX_PENDING + 1000))
    assert ends.passage.is_full
    assert len(ends.heard_by_server) <= MAX_PENDING + 1
    ends.passage.end_of_client()
    assert ends.ends == 0
    ends.settle()
    assert ends.ends == 1
    assert len(ends.heard_by_client) == 1 + MAX_PENDING + 1000


def test_rules_are_asked_where_the_path_really_leads(tmp_path: Path) -> None:
    clerk = Clerk(is_governed=True)
    ends = passing(clerk)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("secret/f")
    answer = ends.ask(sftp.OPEN, string(bytes(tmp_path / "link")) + u32(1) + u32(0))
    assert answer[1:5] == u32(sftp.PERMISSION_DENIED)
    assert ends.notes == ["forbidden"]
    assert (clerk.asked[0].path, clerk.asked[0].asked) == (f"{tmp_path}/secret/f", f"{tmp_path}/link")
    assert not clerk.told  # the clerk knows


def made(ends: Ends, target: bytes, link: Path) -> int:
    """The server's answer to a new link."""
    answer = ends.ask(sftp.SYMLINK, string(target) + string(bytes(link)))
    return int.from_bytes(answer[1:5], "big")


def test_links_are_decided_by_where_they_lead(tmp_path: Path) -> None:
    clerk = Clerk(is_governed=True)
    ends = passing(clerk)
    for name in ("folder", "folder/below", "secret"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "f").write_bytes(b"x")
    (tmp_path / "hop").symlink_to("folder")
    assert made(ends, b"../folder/f", tmp_path / "hop" / "link") == 0
    asked = clerk.asked[-1]
    assert (asked.direction, asked.path, asked.to) == ("link", f"{tmp_path}/folder/link", f"{tmp_path}/folder/f")
    assert (asked.asked, asked.size) == (f"{tmp_path}/hop/link", 1)
    assert (tmp_path / "folder" / "link").readlink() == Path("../folder/f"), "as it was written"
    assert (clerk.told[-1].action, clerk.told[-1].target) == (SYMLINK, f"{tmp_path}/hop/link")
    assert made(ends, bytes(tmp_path / "secret"), tmp_path / "other") == sftp.PERMISSION_DENIED
    assert not (tmp_path / "other").is_symlink()
    move = string(b"posix-rename@openssh.com") + string(bytes(tmp_path / "folder" / "link"))
    ends.ask(sftp.EXTENDED, move + string(bytes(tmp_path / "folder" / "below" / "link")))
    assert [one.to for one in clerk.asked if one.direction == "link"][-1] == "", "it would lead nowhere there"


@pytest.mark.parametrize("target", ["gone", "hop/f", "folder/../folder/f", "hop", "folder/pipe"])
def test_a_link_of_which_nobody_can_tell_where_it_leads_is_asked_about_as_such(tmp_path: Path, target: str) -> None:
    """What it leads over could be changed afterwards."""
    clerk = Clerk(is_governed=True)
    ends = passing(clerk)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "f").write_bytes(b"x")
    os.mkfifo(tmp_path / "folder" / "pipe")
    (tmp_path / "hop").symlink_to("folder")
    made(ends, target.encode(), tmp_path / "link")
    assert (clerk.asked[-1].direction, clerk.asked[-1].to) == ("link", "")


def test_a_link_that_is_put_there_between_question_and_answer_leads_nowhere(tmp_path: Path) -> None:
    """The server is asked once more behind the open file."""
    clerk = Clerk(is_governed=True)
    ends = passing(clerk)
    assert ends.passage is not None
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "f").write_bytes(b"free")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "f").write_bytes(b"secret")
    ends.heard_by_client.clear()
    path = string(bytes(tmp_path / "folder" / "f"))
    ends.passage.from_client(framed(bytes((sftp.OPEN,)) + u32(7) + path + u32(1) + u32(0)))
    while ends.heard_by_server and ends.heard_by_server[0][0] != sftp.OPEN:
        said, ends.heard_by_server = ends.heard_by_server, []
        for packet in said:
            assert ends.server is not None
            ends.passage.from_server(bytes(ends.server.answer(memoryview(packet))))
    (tmp_path / "folder").rename(tmp_path / "was")
    (tmp_path / "folder").symlink_to("secret")
    ends.settle()
    (answer,) = ends.heard_by_client
    assert answer[0] == sftp.STATUS
    assert b"the path changed" in answer


def test_sizes_are_held_to_while_they_grow(tmp_path: Path) -> None:
    clerk = Clerk(is_governed=True)
    ends = passing(clerk)
    handle = opened(ends, tmp_path / "f", 2 | 8)
    assert ends.ask(sftp.WRITE, handle + bytes(8) + string(b"0123456789"))[1:5] == u32(0)
    assert ends.ask(sftp.WRITE, handle + bytes(4) + u32(10) + string(b"x"))[1:5] == u32(sftp.PERMISSION_DENIED)
    size = u32(sftp.SIZE_FLAG) + bytes(4) + u32(11)
    assert ends.ask(sftp.FSETSTAT, handle + size)[1:5] == u32(sftp.PERMISSION_DENIED)
    ends.ask(sftp.CLOSE, handle)
    assert (tmp_path / "f").read_bytes() == b"0123456789"
    assert (clerk.told[-1].written, clerk.told[-1].sha256) == (10, "unknown")
