"""Escape keys at the beginning of a line, and the terminal's settings as SSH sends them."""

from __future__ import annotations

import contextlib
import os
import pty
import termios

import pytest

from teleport.client import terminal
from teleport.client.terminal import EscapeKeys


@pytest.mark.parametrize(
    ("typed", "sent", "leaves"),
    [
        (b"ls\r~.", b"ls\r", True),
        (b"~.", b"", True),
        (b"echo ~.\r", b"echo ~.\r", False),
        (b"\r~~.", b"\r~.", False),
        (b"\r~x", b"\r~x", False),
        (b"\r~?", b"\r", False),
    ],
)
@pytest.mark.parametrize("piecewise", [True, False])
def test_escape_keys(typed: bytes, sent: bytes, leaves: bool, piecewise: bool) -> None:
    keys = EscapeKeys()
    pieces = [bytes([byte]) for byte in typed] if piecewise else [typed]
    assert b"".join(keys.feed(piece) for piece in pieces) == sent
    assert keys.wants_leave is leaves
    assert keys.wants_help is (b"~?" in typed)


def test_without_them_everything_goes_through() -> None:
    keys = EscapeKeys(enabled=False)
    assert keys.feed(b"\r~.") == b"\r~."
    assert not keys.wants_leave


def test_the_terminal_is_as_before_after_a_failure() -> None:
    leader, follower = pty.openpty()
    try:
        before = termios.tcgetattr(follower)
        with contextlib.suppress(RuntimeError), terminal.raw(follower):
            assert not termios.tcgetattr(follower)[3] & termios.ECHO
            raise RuntimeError
        assert termios.tcgetattr(follower) == before
        sent = terminal.modes(follower)
        assert (sent[1], sent[53]) == (3, 1), "VINTR is Ctrl-C, ECHO is on"
    finally:
        os.close(leader)
        os.close(follower)


def test_a_pipe_has_no_modes_and_a_usual_size() -> None:
    reading, writing = os.pipe()
    assert terminal.modes(reading) == {}
    assert terminal.size(reading) == (80, 24)
    os.close(reading)
    os.close(writing)
