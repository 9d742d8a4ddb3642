"""The old copy protocol as it passes: whose turn it is, what rules leave out, ends that do not keep to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import pytest

from teleport.engines.ssh.file_desk import CLOSE, OPEN
from teleport.engines.ssh.file_link import Answer, Bases, Question, Told
from teleport.engines.ssh.passing_scp import MAX_LINE, MAX_WAITING, ScpPassage
from teleport.engines.ssh.remote_paths import Found
from teleport.engines.ssh.remote_paths import Question as Asking
from teleport.engines.ssh.scp_command import ScpCommand

FOLDER = 0o40755


class Ends:
    """What came through. Paths that hold `secret` are forbidden; all that is asked about is a folder or new."""

    def __init__(self, options: str, path: str = "/srv", *, is_governed: bool = False) -> None:
        self.is_governed = is_governed
        self.client = b""
        self.server = b""
        self.broken = ""
        self.told: list[Told] = []
        self.passage = ScpPassage(self, self, ScpCommand(options, path), self.ask, "/home/alice")
        self.passage.open()

    def ask(self, question: Asking, learn: Callable[[Found | str], None]) -> None:
        ((_, path),) = next(question)
        question.close()
        learn(Found(path[4:], FOLDER if path.endswith(b"/srv") else 0))

    def to_client(self, data: bytes) -> None:
        self.client += data

    def to_server(self, data: bytes) -> None:
        self.server += data

    def end_to_server(self) -> None:
        self.server += b"<end>"

    def note(self, text: str) -> None:
        raise AssertionError(text)

    def break_off(self, reason: str) -> None:
        self.broken = reason

    def arrive(self, home: str) -> Sequence[str]:
        raise AssertionError(home)

    def learn(self, bases: Bases) -> None:
        raise AssertionError(bases)

    def answer(self, question: Question) -> Answer:
        return Answer(False, "forbidden") if "secret" in question.path else Answer(True)

    def take(self, told: Told) -> None:
        self.told.append(told)


def test_an_upload_is_told_by_where_it_goes() -> None:
    ends = Ends("rt")
    ends.passage.from_server(b"\0")
    for client, server in ((b"D0755 0 d\n", b"\0"), (b"C0644 3 f\n", b"\0"), (b"abc", b""), (b"\0", b"\0")):
        ends.passage.from_client(client)
        ends.passage.from_server(server)
    ends.passage.from_client(b"E\n")
    ends.passage.end_of_client()
    assert ends.server == b"D0755 0 d\nC0644 3 f\nabc\0E\n<end>"
    opened, closed = ends.told
    assert (opened.action, opened.path, opened.flags) == (OPEN, "/srv/d/f", 2)
    assert (closed.action, closed.written, closed.sha256) == (CLOSE, 3, hashlib.sha256(b"abc").hexdigest())


def test_nothing_is_passed_before_its_turn() -> None:
    """A client that does not wait would otherwise send as a file what was never taken for one."""
    ends = Ends("t")
    ends.passage.from_client(b"C0644 3 f\nabc\n")
    assert ends.server == b""
    ends.passage.from_server(b"\0")
    assert ends.server == b"C0644 3 f\n"
    ends.passage.from_server(b"\1no room\n")  # the server does not want it
    assert ends.client == b"\0\1no room\n"
    assert ends.told[0].error == "no room"
    assert ends.broken  # what would have been the file is no line


@pytest.mark.parametrize("options", ["t", "f"])
def test_what_rules_forbid_is_left_out_and_the_rest_goes_on(options: str) -> None:
    ends = Ends(f"r{options}", is_governed=True)
    is_upload = options == "t"
    sender = ends.passage.from_client if is_upload else ends.passage.from_server
    receiver = ends.passage.from_server if is_upload else ends.passage.from_client
    receiver(b"\0")
    if not is_upload:
        sender(b"D0755 0 srv\n")
        receiver(b"\0")
    sender(b"C0644 3 secret\n")
    sender(b"C0644 3 f\n")
    receiver(b"\0")
    sender(b"abc\0")
    receiver(b"\0")
    passed, answered = (ends.server, ends.client) if is_upload else (ends.client, ends.server)
    assert b"C0644 3 secret" not in passed
    assert passed.endswith(b"C0644 3 f\nabc\0")
    assert b"\1" in answered
    assert b"\1scp: forbidden\n" in ends.client
    assert [told.path for told in ends.told] == ["/srv/f"] * 2
    assert not ends.broken


@pytest.mark.parametrize(
    "said",
    [
        b"C0644 3 ../f\n",
        b"C0644 3 .\n",
        b"C9999 3 f\n",
        b"C0644 99999999999999999999 f\n",
        b"Q\n",
        b"x" * (MAX_LINE + 1),
        b"D0755 0 d\n" * 2 + b"\0" * (MAX_WAITING + 1),
    ],
)
def test_a_server_that_breaks_the_protocol_ends_the_copy(said: bytes) -> None:
    ends = Ends("rf")
    ends.passage.from_client(b"\0")
    ends.passage.from_server(said)
    assert ends.broken.startswith("the copy is ended")
    before = ends.client
    ends.passage.from_client(b"\0\0\0")
    ends.passage.from_server(b"C0644 0 f\n\0")
    assert ends.client == before


def test_what_is_cut_off_is_told() -> None:
    ends = Ends("t")
    ends.passage.from_server(b"\0")
    ends.passage.from_client(b"C0644 9 f\n")
    ends.passage.from_server(b"\0")
    ends.passage.from_client(b"abc")
    ends.passage.close()
    assert (ends.told[-1].error, ends.told[-1].written) == ("cut off", 3)
