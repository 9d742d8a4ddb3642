"""Our side of the link to a server of files (`file_desk`): takes what it tells, answers what it asks.

It speaks as a host user, so what comes is checked like a stranger's words. While the log is behind, nothing is taken:
the server then waits, and with it its client.

An action is told before it is answered to the client, so it is here, whatever becomes of the server. It is taken down
a moment later, with all that was told meanwhile: a client that waits for one answer after the other does not wait for
the log as well, and many actions together cost a fraction of what each costs alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import Annotated, Literal, Protocol, TypeAlias

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.foundation.service import TaskOwner

MAX_MESSAGE = 128 << 10
_BUFFER = 256 << 10
_MOST_HEARD = 64
_PATIENCE = 0.01
"""Seconds that what was told waits for more of it."""

Path: TypeAlias = Annotated[str, msgspec.Meta(max_length=4096)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Told(msgspec.Struct, frozen=True, tag_field="do", tag="tell", forbid_unknown_fields=True):
    """An action that was tried. Of an open `file` is a number, which its close repeats."""

    action: Annotated[int, msgspec.Meta(ge=1, le=19)]
    path: Path
    target: Path = ""
    resolved: Path = ""
    flags: Count = 0
    file: Count = 0
    error: Annotated[str, msgspec.Meta(max_length=200)] = ""
    read: Count = 0
    written: Count = 0
    sha256: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Question(msgspec.Struct, frozen=True, tag_field="do", tag="ask", forbid_unknown_fields=True):
    """May this be copied? `path` is where it is, `asked` how it was called, `to` where it would be moved.

    `link`: may a symbolic link to `to` (empty: nobody knows where it leads) be made or moved to `path`, where nobody
    of ours holds open what was asked about?
    """

    direction: Literal["download", "upload", "move", "link"]
    path: Path
    asked: Path = ""
    to: Path = ""
    size: Count = 0
    folder: bool = False


class Bases(msgspec.Struct, frozen=True, tag_field="do", tag="bases", forbid_unknown_fields=True):
    """Where folders that rules name really are."""

    bases: dict[Path, Path]


class Answer(msgspec.Struct, frozen=True):
    allowed: bool
    reason: str = ""
    limit: int = -1


_decoder: msgspec.json.Decoder[Told | Question | Bases] = msgspec.json.Decoder(Told | Question | Bases)


class Clerk(Protocol):
    """Who is told and asked."""

    def take(self, told: Told) -> None: ...

    def answer(self, question: Question) -> Answer: ...

    def learn(self, bases: Bases) -> None: ...

    @property
    def is_behind(self) -> bool:
        """Whether much of what was told still waits to be taken down: the teller pauses."""
        ...

    async def caught_up(self) -> None: ...


def read(message: bytes) -> Told | Question | Bases:
    """Raises BadParameter."""
    try:
        return _decoder.decode(message)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        raise BadParameter(f"a server of files says what it should not: {problem}") from problem


class FileLink:
    """One end of the link; the other is the server's. Owned by the copy.

    A server that asks (`is_asked`) is heard at once. One that only tells does not wake us for each word.
    """

    def __init__(
        self, clerk: Clerk, tasks: TaskOwner, on_broken: Callable[[], None], *, is_asked: bool = True
    ) -> None:
        """Raises OSError."""
        self._clerk = clerk
        self._is_asked = is_asked
        self._tasks = tasks
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self.theirs: socket.socket | None = theirs
        self._heard: deque[Told] = deque()
        self._taking: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._is_closed = False
        self._has_ended = False
        self._loop.add_reader(self._ours, self._readable)

    def hand_over(self) -> None:
        """The server has its end."""
        if self.theirs is not None:
            self.theirs.close()
            self.theirs = None

    def _take_heard(self) -> None:
        """Have what was told taken down now."""
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
        try:
            while self._heard:
                self._clerk.take(self._heard.popleft())
        except BadParameter:
            self._break()

    def finish(self) -> None:
        """The server has ended: take the rest of what it told, and close."""
        if self._is_closed:
            return
        self.hand_over()
        while self._hear():
            pass
        self._take_heard()
        self._close()

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if self._waiting is not None:
                self._waiting.cancel()
            if self._taking is not None:
                self._taking.cancel()
            self._loop.remove_reader(self._ours)
            self.hand_over()
            self._ours.close()

    def _break(self) -> None:
        """It said what it should not: nothing more is heard of it."""
        self._heard.clear()
        self._close()
        self._on_broken()

    def _readable(self) -> None:
        if self._clerk.is_behind:
            self._take_heard()
            self._loop.remove_reader(self._ours)
            self._waiting = self._tasks.start(self._wait(), "wait for the log")
        elif not self._is_asked:
            self._loop.remove_reader(self._ours)
            self._taking = self._loop.call_later(_PATIENCE, self._look)
        else:
            self._hear()  # one: most come alone, and looking whether another is there costs as much
            if len(self._heard) >= _MOST_HEARD:
                self._take_heard()
            elif self._heard and self._taking is None:
                self._taking = self._loop.call_later(_PATIENCE, self._take_heard)

    def _look(self) -> None:
        """Take what was told meanwhile. As long as there is some, the next look is at a time, not at a word."""
        self._taking = None
        count = 0
        while count < _MOST_HEARD and self._hear():
            count += 1
        self._take_heard()
        if self._is_closed or self._has_ended:
            return
        if count and not self._clerk.is_behind:
            self._taking = self._loop.call_later(0 if count == _MOST_HEARD else _PATIENCE, self._look)
        else:
            self._loop.add_reader(self._ours, self._readable)

    async def _wait(self) -> None:
        await self._clerk.caught_up()
        self._waiting = None
        if not self._is_closed:
            self._loop.add_reader(self._ours, self._readable)

    def _hear(self) -> bool:
        """False when there is nothing now, or never again."""
        if self._is_closed:
            return False
        try:
            message = self._ours.recv(MAX_MESSAGE)
        except BlockingIOError:
            return False
        except OSError:
            message = b""
        if not message:
            self._has_ended = True
            self._loop.remove_reader(self._ours)
            return False
        try:
            self._obey(read(message))
        except BadParameter:
            self._take_heard()
            self._break()
            return False
        return True

    def _obey(self, message: Told | Question | Bases) -> None:
        if isinstance(message, Told):
            self._heard.append(message)
            return
        self._take_heard()  # in order, and nobody is answered meanwhile
        if isinstance(message, Bases):
            self._clerk.learn(message)
        else:
            with contextlib.suppress(OSError):  # it has gone
                self._ours.send(msgspec.json.encode(self._clerk.answer(message)))


def path_of(told: str) -> str:
    """A path as it was told, a character for each byte; bytes that are no UTF-8 become lone surrogates.

    Raises BadParameter.
    """
    try:
        return told.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError as problem:
        raise BadParameter("a server of files tells a path that is none") from problem


def shown(path: str) -> str:
    """A path as people and the log read it: what is no text becomes a mark."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
