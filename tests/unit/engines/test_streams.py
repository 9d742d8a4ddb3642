"""Descriptors on the loop: nothing lost, nothing out of order, and a slow side holds the other back."""

from __future__ import annotations

import asyncio
import fcntl
import os

import pytest

from teleport.engines.ssh.streams import WRITE_HIGH, DescriptorReader, DescriptorWriter


def nothing() -> None:
    """For who does not care."""


async def test_a_pipe_is_read_to_its_end() -> None:
    read, write = os.pipe()
    got: list[bytes] = []
    reader = DescriptorReader(read, got.append)
    os.write(write, b"hello ")
    await asyncio.sleep(0)
    os.write(write, b"world")
    os.close(write)
    await asyncio.wait_for(reader.ended, 30)
    assert b"".join(got) == b"hello world"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read)


async def test_held_by_two_it_waits_for_both() -> None:
    read, write = os.pipe()
    got: list[bytes] = []
    reader = DescriptorReader(read, got.append)
    reader.hold("client")
    reader.hold("recorder")
    os.write(write, b"data")
    os.close(write)
    reader.release("client")
    done, _ = await asyncio.wait({reader.ended}, timeout=0.05)
    assert (done, got) == (set(), [])
    reader.release("recorder")
    await asyncio.wait_for(reader.ended, 30)
    assert got == [b"data"]


async def test_finished_it_reads_what_is_there_and_ends_although_others_hold_the_pipe() -> None:
    read, write = os.pipe()
    got: list[bytes] = []
    reader = DescriptorReader(read, got.append)
    reader.hold("client")
    os.write(write, b"last words")
    reader.finish()
    reader.release("client")
    await asyncio.wait_for(reader.ended, 30)
    assert got == [b"last words"]
    os.close(write)


async def test_a_terminal_ends_when_nobody_has_it_open() -> None:
    master, slave = os.openpty()
    got: list[bytes] = []
    reader = DescriptorReader(master, got.append, is_terminal=True)
    os.write(slave, b"x" * 3000)
    os.close(slave)
    await asyncio.wait_for(reader.ended, 30)
    assert b"".join(got) == b"x" * 3000


def room_of(pipe: int) -> int:
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)


async def test_what_a_pipe_does_not_take_waits_in_order() -> None:
    read, write = os.pipe()
    full: list[int] = []
    drained = asyncio.Event()
    writer = DescriptorWriter(write, lambda: full.append(1), drained.set)
    pieces = [bytes((number % 251,)) * 50_000 for number in range(20)]
    for piece in pieces:
        writer.write(piece)
    writer.end()
    assert full == [1]
    got: list[bytes] = []
    reader = DescriptorReader(read, got.append)
    await asyncio.wait_for(reader.ended, 30)
    assert b"".join(got) == b"".join(pieces)
    assert drained.is_set()
    assert len(b"".join(pieces)) > WRITE_HIGH


async def test_pipes_grow_when_they_were_full() -> None:
    read, write = os.pipe()
    fresh = room_of(write)
    writer = DescriptorWriter(write, nothing, nothing, room=4 * fresh)
    writer.write(bytes(fresh))
    assert room_of(write) == fresh
    writer.write(bytes(fresh))
    assert room_of(write) == 4 * fresh
    got = bytearray()
    is_whole = asyncio.Event()

    def take(data: bytes) -> None:
        got.extend(data)
        if len(got) == 2 * fresh:
            is_whole.set()

    reader = DescriptorReader(read, take, room=8 * fresh)
    await asyncio.wait_for(is_whole.wait(), 30)
    assert room_of(write) == 8 * fresh
    writer.close()
    await asyncio.wait_for(reader.ended, 30)


async def test_a_reader_that_went_away_swallows_the_rest() -> None:
    read, write = os.pipe()
    os.close(read)
    writer = DescriptorWriter(write, nothing, nothing)
    writer.write(b"to nobody")
    writer.write(b"to nobody")
    writer.end()
    writer.close()
