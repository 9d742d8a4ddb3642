"""Answers typed in the middle of a session: while one is awaited they are answers, and else they are input."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from teleport.client import presence
from teleport.client.presence import AtTheScreen
from teleport.foundation.errors import NotAuthenticated


class Screen(AtTheScreen):
    """Shows nothing, and says when it would."""

    def __init__(self) -> None:
        super().__init__()
        self.when_told: Callable[[], None] = lambda: None

    def tell(self, text: str) -> None:
        self.when_told()


@pytest.fixture
def screen() -> Screen:
    return Screen()


def asked(screen: Screen) -> tuple[threading.Thread, list[str]]:
    """A question that waits for its answer."""
    told, answers = threading.Event(), list[str]()
    screen.when_told = told.set
    thread = threading.Thread(target=lambda: answers.append(screen.ask_secret("code?")), daemon=True)
    thread.start()
    assert told.wait(10)
    assert screen.is_asking
    return thread, answers


def test_what_is_typed_is_input_while_nothing_is_asked(screen: Screen) -> None:
    assert screen.take(b"t") == b"t"


def test_an_answer_reaches_nobody_in_the_session(screen: Screen) -> None:
    thread, answers = asked(screen)
    assert screen.take(b"12") == b""
    assert screen.take(b"3456\r") == b""
    thread.join(10)
    assert answers == ["123456"]
    assert screen.take(b"t") == b"t"


def test_ctrl_c_leaves_the_session_whatever_is_asked(screen: Screen) -> None:
    thread, answers = asked(screen)
    assert screen.take(b"1") == b""
    assert screen.take(b"\x03") == b"\x03"
    assert screen.take(b"2\r") == b""
    thread.join(10)
    assert answers == ["2"], "what was typed before it is forgotten"


def test_no_answer_in_time_is_none(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "PRESENCE_ANSWER", 0.01)
    with pytest.raises(NotAuthenticated, match="no answer"):
        screen.ask_secret("code?")


def test_one_of_several_is_chosen_by_its_number(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "ask_secret", lambda _question: "2")
    assert screen.choose("which?", ["key", "code"]) == 1
