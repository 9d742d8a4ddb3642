"""Our side of the link to a server of files: in order, nothing lost, and the client does not wait for the log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.engines.ssh import file_desk
from teleport.engines.ssh.file_link import Answer, Bases, FileLink, Question, Told, read
from teleport.foundation.service import TaskOwner


class Clerk:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.is_behind = False
        self.has_caught_up = asyncio.Event()

    def take(self, told: Told) -> None:
        self.taken.append(told.path)

    def answer(self, question: Question) -> Answer:
        self.taken.append(f"asked {question.path}")
        return Answer(True)

    def learn(self, bases: Bases) -> None:
        self.taken.append("learned")

    async def caught_up(self) -> None:
        await self.has_caught_up.wait()


class Link:
    """Both ends."""

    def __init__(self, *, is_asked: bool = True) -> None:
        self.clerk = Clerk()
        self.tasks = TaskOwner("link")
        self.broken: list[bool] = []
        self.ours = FileLink(self.clerk, self.tasks, lambda: self.broken.append(True), is_asked=is_asked)
        assert self.ours.theirs is not None
        self.server: socket.socket = self.ours.theirs.dup()
        self.ours.hand_over()
        self.server.setblocking(False)

    def tell(self, path: str) -> None:
        self.say({"do": "tell", "action": 1, "path": path})

    def ask(self, path: str) -> None:
        self.say({"do": "ask", "direction": "upload", "path": path})

    def say(self, message: dict[str, object]) -> None:
        self.server.send(json.dumps(message).encode())

    async def until_taken(self, *paths: str) -> None:
        async with asyncio.timeout(20):
            while self.clerk.taken != list(paths):
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def opened(*, is_asked: bool) -> AsyncIterator[Link]:
    made = Link(is_asked=is_asked)
    yield made
    made.server.close()
    made.ours.finish()
    await made.tasks.close()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    async with opened(is_asked=True) as made:
        yield made


@pytest.fixture
async def teller() -> AsyncIterator[Link]:
    async with opened(is_asked=False) as made:
        yield made


async def test_what_is_told_is_taken_without_an_answer_as_well(link: Link) -> None:
    link.tell("a")
    link.tell("b")
    await link.until_taken("a", "b")


async def test_a_server_that_only_tells_loses_nothing_whether_it_pauses_or_not(link: Link, teller: Link) -> None:
    for one in (link, teller):
        told: list[str] = []
        for count in (1, 200, 0, 3):
            for _ in range(count):
                told.append(str(len(told)))
                one.tell(told[-1])
            await one.until_taken(*told)
            await asyncio.sleep(0.03)  # it may look once more, and then waits to be woken
        one.tell("last")
        one.server.close()
        await one.until_taken(*told, "last")
        one.ours.finish()
        assert one.clerk.taken == [*told, "last"]


async def test_a_question_comes_behind_all_that_was_told_before_it(link: Link) -> None:
    link.tell("a")
    link.tell("b")
    link.ask("c")
    link.tell("d")
    await link.until_taken("a", "b", "asked c", "d")
    assert json.loads(link.server.recv(1000))["allowed"]


async def test_the_end_loses_nothing(link: Link) -> None:
    paths = [str(number) for number in range(150)]
    for path in paths:
        link.tell(path)
    link.ours.finish()
    assert link.clerk.taken == paths


async def test_while_the_log_is_behind_nothing_more_is_heard(link: Link) -> None:
    link.clerk.is_behind = True
    link.tell("a")
    for _ in range(20):
        await asyncio.sleep(0)
    assert link.clerk.taken == []
    link.clerk.is_behind = False
    link.clerk.has_caught_up.set()
    await link.until_taken("a")


async def test_who_says_what_it_should_not_is_heard_no_more(link: Link) -> None:
    link.tell("a")
    link.say({"do": "tell", "action": 99, "path": "b"})
    link.tell("c")
    async with asyncio.timeout(20):
        while not link.broken:
            await asyncio.sleep(0.01)
    assert link.clerk.taken == ["a"]


@given(st.binary(max_size=80), st.binary(max_size=80), st.text(max_size=40), st.integers(0, 1 << 62))
def test_every_action_is_read_as_it_was_told(path: bytes, target: bytes, error: str, size: int) -> None:
    names = file_desk.text(path), file_desk.text(target)
    message = file_desk.told(2, *names, {"read": size, "error": error, "sha256": file_desk.UNKNOWN})
    assert read(message) == Told(
        action=2, path=names[0], target=names[1], read=size, error=error, sha256=file_desk.UNKNOWN
    )
