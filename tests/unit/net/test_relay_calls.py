"""The relay's own calls: what they read and write, and that no other thread runs meanwhile."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from teleport.net.relay_calls import Room


@pytest.fixture
def patient_switching() -> Iterator[None]:
    """A thread that wants the interpreter's lock waits until it is given up."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_bytes_come_and_go_and_an_end_is_nothing() -> None:
    room = Room(8)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"0123456789")
        assert room.receive(ours.fileno()) == 8
        assert room.copy(2, 8) == b"234567"
        assert room.receive(ours.fileno()) == 2
        assert room.send(ours.fileno(), 2) == 2
        assert theirs.recv(8) == b"89"
        theirs.close()
        assert room.receive(ours.fileno()) == 0


def test_what_cannot_be_done_now_or_any_more_is_told() -> None:
    room = Room(1 << 16)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(BlockingIOError):
            room.receive(ours.fileno())
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while ours.send(bytes(1 << 16)):
                pass
        with pytest.raises(BlockingIOError):
            room.send(ours.fileno(), room.size)
        theirs.close()
        with pytest.raises(BrokenPipeError):
            room.send(ours.fileno(), 1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        room.receive(-1)


@pytest.mark.usefixtures("patient_switching")
def test_no_other_thread_runs_between_reading_and_writing() -> None:
    turns, is_over = 0, threading.Event()

    def wait_for_turns() -> None:
        nonlocal turns
        while not is_over.is_set():
            turns += 1
            time.sleep(0)

    room = Room(4096)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        other = threading.Thread(target=wait_for_turns, daemon=True)
        other.start()
        try:
            sys.setswitchinterval(60)
            time.sleep(0.01)  # from here on the other asks by the new interval
            before = turns
            for _ in range(1000):
                assert room.send(ours.fileno(), 100) == room.receive(theirs.fileno()) == 100
            assert turns == before
        finally:
            is_over.set()
            other.join()
