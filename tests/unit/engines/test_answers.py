"""Answers of a server of files: in order and unchanged, though their pages are lent to the pipe."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest

from teleport.engines.ssh.answers import MOST_ROOMS, Answers

SIZE = 200_000


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 1 << 20)
    yield read, write
    os.close(read)
    os.close(write)


def filled(answers: Answers, number: int, size: int = SIZE) -> bytes:
    """Sends an answer that is all of one number."""
    content = bytes((number,)) * size
    answer = answers.room()[:size]
    answer[:] = content
    answers.add(answer)
    return content


def read_exactly(pipe: int, size: int) -> bytes:
    pieces = []
    while size and (piece := os.read(pipe, size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def test_pages_that_nobody_has_read_yet_are_left_alone(pipe: tuple[int, int]) -> None:
    answers = Answers(pipe[1], SIZE)
    said = [filled(answers, number) for number in range(MOST_ROOMS + 1)]  # the pipe holds all of them
    assert read_exactly(pipe[0], 2 * SIZE) == b"".join(said[:2])
    said += [filled(answers, 100 + number) for number in range(2)]  # in the rooms of the first two
    assert read_exactly(pipe[0], (MOST_ROOMS + 1) * SIZE) == b"".join(said[2:])


def test_short_answers_keep_their_place_between_long_ones(pipe: tuple[int, int]) -> None:
    answers = Answers(pipe[1], SIZE)
    said = [filled(answers, 1, 10), filled(answers, 2), filled(answers, 3, 10), filled(answers, 4, 10)]
    answers.send()
    assert read_exactly(pipe[0], SIZE + 30) == b"".join(said)


def test_what_is_no_pipe_gets_copies() -> None:
    sink = os.memfd_create("heard")
    answers = Answers(sink, SIZE)
    said = [filled(answers, number) for number in range(MOST_ROOMS + 2)]
    assert os.pread(sink, 1 << 22, 0) == b"".join(said)
    os.close(sink)


def test_a_reader_that_has_gone_is_told() -> None:
    read, write = os.pipe()
    answers = Answers(write, SIZE)
    os.close(read)
    with pytest.raises(BrokenPipeError):
        filled(answers, 1)
    os.close(write)
