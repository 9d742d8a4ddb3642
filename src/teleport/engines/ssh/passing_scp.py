"""The old copy protocol of `scp -O` as it passes between a client and the server of another host.

One side sends (the client of an upload, the server of a download), the other confirms each line and each file. Both
are held to their turns, so nothing passes that is not taken for what it is. Where rules govern, the line that
announces a file or folder waits until it is known where its path leads; one that is refused is answered here, and the
other side never hears of it.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from enum import Enum
from typing import Final

from teleport.engines.ssh import remote_paths, scp_server
from teleport.engines.ssh.file_desk import CLOSE, OPEN
from teleport.engines.ssh.file_link import Told
from teleport.engines.ssh.passing import Broken, Carried, Clerk, Direction, Sides, question, text
from teleport.engines.ssh.remote_paths import Found, Question
from teleport.engines.ssh.scp_command import ScpCommand

MAX_LINE: Final = scp_server.MAX_LINE
MAX_WAITING: Final = 512 << 10
_WRITES: Final = 2

AskHost = Callable[[Question, Callable[[Found | str], None]], None]
"""Has the host asked; the second is given what was found, or why nothing is known."""


class Turn(Enum):
    """What comes next."""

    READY = "the receiver says that it is ready"
    LINE = "the sender announces something"
    CONFIRMED = "the receiver answers a line that wants nothing more"
    ENTERED = "the receiver answers a folder"
    ACCEPTED = "the receiver answers a file"
    CONTENT = "the sender sends a file"
    SENT = "the sender says whether the file is whole"
    TAKEN = "the receiver says whether it has the file"


_SENDERS: Final = {Turn.LINE, Turn.CONTENT, Turn.SENT}


class ScpPassage:
    """A `passing.Passage`. `home` is that of the login, empty if it is not known."""

    def __init__(self, sides: Sides, clerk: Clerk, scp: ScpCommand, ask: AskHost, home: str = "") -> None:
        self._sides = sides
        self._clerk = clerk
        self._ask = ask
        self._is_upload = scp.is_upload
        self._home = home
        self._target = posixpath.join(os.fsencode(home), os.fsencode(scp.path).rstrip(b"/") or b"/")
        self._is_folder = scp.is_pattern
        """Names are looked for in it, whatever they are."""
        self._folders: list[bytes] = []
        self._from_sender = bytearray()
        self._from_receiver = bytearray()
        self._turn = Turn.READY
        self._is_waiting = False
        self._left = 0
        self._files = 0
        self._path = b""
        self._carried: Carried | None = None
        self._problem = ""
        self._has_ended = False
        self._is_over = False

    # -- passing.Passage

    def open(self) -> None:
        """Where it leads is asked while the other side makes ready."""
        self._is_waiting = True
        self._ask(remote_paths.find(self._target), self._learn_target)

    def from_client(self, data: bytes) -> None:
        (self._from_sender if self._is_upload else self._from_receiver).extend(data)
        self._go_on()

    def from_server(self, data: bytes) -> None:
        (self._from_receiver if self._is_upload else self._from_sender).extend(data)
        self._go_on()
        if len(self._from_receiver if self._is_upload else self._from_sender) > MAX_WAITING:
            self._break("the server does not wait for its turn")

    def end_of_client(self) -> None:
        self._has_ended = True
        self._go_on()

    @property
    def is_full(self) -> bool:
        return len(self._from_sender if self._is_upload else self._from_receiver) > MAX_WAITING

    def close(self) -> None:
        """A file that was not carried to its end is told too."""
        self._is_over = True
        if self._carried is not None:
            self._close_file("cut off")

    # -- whose turn it is

    def _go_on(self) -> None:
        try:
            while not self._is_over and not self._is_waiting and self._take():
                pass
        except (Broken, scp_server.Broken) as problem:
            self._break(str(problem))
        if self._has_ended and not self._is_waiting and not self._is_over:
            self._has_ended = False
            self._sides.end_to_server()

    def _break(self, reason: str) -> None:
        if not self._is_over:
            self.close()
            self._sides.break_off(f"the copy is ended: {reason}")

    def _take(self) -> bool:
        """False when the one whose turn it is has not said enough."""
        if self._turn is Turn.CONTENT:
            return self._take_content()
        from_whom = self._from_sender if self._turn in _SENDERS else self._from_receiver
        if not from_whom:
            return False
        if self._turn is not Turn.LINE and from_whom[0] == 0:
            del from_whom[:1]
            self._advance(b"\0", "")
            return True
        end = from_whom.find(b"\n")
        if end < 0:
            if len(from_whom) > MAX_LINE:
                raise Broken("a line is too long")
            return False
        line = bytes(from_whom[:end])
        del from_whom[: end + 1]
        if line[:1] in (b"\1", b"\2"):
            self._take_problem(line)
        elif self._turn is Turn.LINE:
            self._take_line(line)
        else:
            raise Broken("an answer is none")
        return True

    def _take_problem(self, line: bytes) -> None:
        """One side says what failed; after a 2 it says nothing more."""
        if line[:1] == b"\2":
            self._pass(line + b"\n")
            if self._carried is not None:
                self._close_file(_words(line))
            self._turn = Turn.LINE
        elif self._turn is Turn.LINE:
            self._pass(line + b"\n")
        else:
            self._advance(line + b"\n", _words(line))

    def _pass(self, data: bytes) -> None:
        """To the other side of the one whose turn it is."""
        if (self._turn in _SENDERS) is self._is_upload:
            self._sides.to_server(data)
        else:
            self._sides.to_client(data)

    def _answer_sender(self, data: bytes) -> None:
        if self._is_upload:
            self._sides.to_client(data)
        else:
            self._sides.to_server(data)

    def _advance(self, data: bytes, problem: str) -> None:
        """An answer of one byte, or a problem instead."""
        self._pass(data)
        match self._turn:
            case Turn.ACCEPTED if problem:
                self._tell_open(self._path, problem)
                self._turn = Turn.LINE
            case Turn.ACCEPTED:
                self._open_file()
                self._turn = Turn.CONTENT if self._left else Turn.SENT
            case Turn.ENTERED:
                if not problem:
                    self._folders.append(self._path)
                self._turn = Turn.LINE
            case Turn.SENT:
                self._problem = problem
                self._turn = Turn.TAKEN
            case Turn.TAKEN:
                self._close_file(self._problem or problem)
                self._turn = Turn.LINE
            case _:
                self._turn = Turn.LINE

    # -- lines

    def _take_line(self, line: bytes) -> None:
        kind = line[:1]
        if kind == b"E":
            if self._folders:
                self._folders.pop()
            self._pass(b"E\n")
            self._turn = Turn.CONFIRMED
        elif kind == b"T":
            scp_server.read_times(line[1:])
            self._pass(line + b"\n")
            self._turn = Turn.CONFIRMED
        else:
            _, size, name = scp_server.read_announcement(line)
            if len(self._folders) >= scp_server.MAX_DEPTH:
                raise Broken(f"more than {scp_server.MAX_DEPTH} folders within each other")
            self._announce(line, kind == b"D", size, self._place(name))

    def _place(self, name: bytes) -> bytes:
        """Where the file is that is announced by its name alone."""
        if self._folders:
            return posixpath.join(self._folders[-1], name)
        if self._is_upload:
            return posixpath.join(self._target, name) if self._is_folder else self._target
        if name == posixpath.basename(self._target) and not self._is_folder:
            return self._target
        return posixpath.join(posixpath.dirname(self._target), name) if self._is_folder else self._target

    def _announce(self, line: bytes, is_folder: bool, size: int, path: bytes) -> None:
        self._path, self._left = path, size

        def go() -> None:
            self._pass(line + b"\n")
            self._turn = Turn.ENTERED if is_folder else Turn.ACCEPTED

        if not self._clerk.is_governed:
            go()
            return

        def learn(found: Found | str) -> None:
            self._is_waiting = False
            reason = found if isinstance(found, str) else self._objection(found, path, size, is_folder)
            if reason:
                self._answer_sender(b"\1\n" if not self._is_upload else _said(reason))
                if not self._is_upload:
                    self._sides.to_client(_said(reason))
                if isinstance(found, str):
                    self._tell_open(path, found)
            else:
                go()
            self._go_on()

        self._is_waiting = True
        self._ask(remote_paths.find(path), learn)

    def _objection(self, found: Found, path: bytes, size: int, is_folder: bool) -> str:
        direction: Direction = "upload" if self._is_upload else "download"
        if is_folder and (not self._is_upload or found.is_folder):
            return ""  # what is in it is asked about by itself
        answer = self._clerk.answer(question(direction, found, path, self._home, size, is_folder=is_folder))
        return "" if answer.allowed else answer.reason

    def _learn_target(self, found: Found | str) -> None:
        self._is_waiting = False
        if isinstance(found, Found):
            self._is_folder = self._is_folder or (self._is_upload and found.is_folder)
        self._go_on()

    # -- files

    def _take_content(self) -> bool:
        carried = self._carried
        assert carried is not None
        piece = bytes(self._from_sender[: self._left])
        if not piece:
            return False
        del self._from_sender[: len(piece)]
        self._pass(piece)
        self._left -= len(piece)
        carried.taken.take(carried.written, piece)
        carried.written += len(piece)
        if not self._left:
            self._turn = Turn.SENT
        return True

    def _open_file(self) -> None:
        self._files += 1
        self._problem = ""
        self._carried = Carried(self._path, self._files)
        self._clerk.take(Told(OPEN, text(self._path), flags=_WRITES if self._is_upload else 1, file=self._files))

    def _close_file(self, error: str) -> None:
        carried, self._carried = self._carried, None
        assert carried is not None
        size = carried.written
        self._clerk.take(
            Told(
                CLOSE, text(carried.path), file=carried.number, read=0 if self._is_upload else size,
                written=size if self._is_upload else 0, sha256=carried.taken.text, error=error[:200],
            )
        )  # fmt: skip

    def _tell_open(self, path: bytes, error: str) -> None:
        self._clerk.take(Told(OPEN, text(path), flags=_WRITES if self._is_upload else 1, error=error[:200]))


def _words(line: bytes) -> str:
    return line[1:201].decode("utf-8", "replace").strip() or "failed"


def _said(reason: str) -> bytes:
    return b"\1scp: " + reason.replace("\n", " ").encode("utf-8", "replace")[:MAX_LINE] + b"\n"
