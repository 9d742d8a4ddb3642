"""The event spool: nothing acknowledged is lost, nothing is forgotten before it was discarded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teleport.session.event_spool import EventSpool


@pytest.fixture
def spool(tmp_path: Path) -> EventSpool:
    spool = EventSpool(tmp_path / "events", segment_size=200)
    spool.open()
    return spool


def drain(spool: EventSpool, limit: int = 1 << 20) -> list[bytes]:
    found: list[bytes] = []
    while lines := spool.peek(limit):
        found += lines
        spool.discard()
    return found


def test_keeps_order_over_many_segments(spool: EventSpool) -> None:
    lines = [b"event %d" % number for number in range(100)]
    for line in lines:
        spool.append([line])
    assert drain(spool, 50) == lines


def test_what_was_not_discarded_comes_again(spool: EventSpool) -> None:
    spool.append([b"one", b"two"])
    assert spool.peek() == spool.peek() == [b"one", b"two"]


def test_a_new_run_finds_what_the_last_one_left(spool: EventSpool, tmp_path: Path) -> None:
    spool.append([b"one", b"two"])
    spool.close()
    again = EventSpool(tmp_path / "events")
    assert again.open() == 1
    again.append([b"three"])
    assert drain(again) == [b"one", b"two", b"three"]


def test_a_torn_last_line_is_passed_over(spool: EventSpool, tmp_path: Path) -> None:
    spool.append([b"one"])
    spool.close()
    (segment,) = (tmp_path / "events").glob("*/*")
    with segment.open("ab") as file:
        file.write(b'{"half')
    again = EventSpool(tmp_path / "events")
    again.open()
    again.append([b"two"])
    assert drain(again) == [b"one", b"two"]
    assert list((tmp_path / "events").glob("*/*")) == []
    again.close()
    assert list((tmp_path / "events").iterdir()) == []


def test_an_event_longer_than_a_read_is_read_whole(spool: EventSpool) -> None:
    long = b"x" * 5000
    spool.append([long, b"short"])
    assert drain(spool, 100) == [long, b"short"]


def test_a_failed_write_leaves_nothing_behind(spool: EventSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append([b"one"])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            spool.append([b"lost"])
    spool.append([b"two"])
    assert drain(spool) == [b"one", b"two"]


def test_sent_segments_are_removed(spool: EventSpool, tmp_path: Path) -> None:
    for number in range(50):
        spool.append([b"event %d" % number])
    drain(spool)
    assert list((tmp_path / "events").glob("*/*")) == []


def test_two_processes_append_and_send_for_themselves(spool: EventSpool, tmp_path: Path) -> None:
    other = EventSpool(tmp_path / "events")
    other.open()
    spool.append([b"old"])
    other.append([b"new"])
    assert spool.peek() == [b"old"]
    assert other.peek() == [b"new"]
    spool.append([b"old too"])
    assert drain(other) == [b"new"]
    assert drain(spool) == [b"old", b"old too"]


def test_what_a_process_leaves_goes_to_who_is_there(spool: EventSpool, tmp_path: Path) -> None:
    other = EventSpool(tmp_path / "events")
    other.open()
    other.append([b"new", b"newer"])
    assert other.peek(1)[0] == b"new"
    spool.append([b"old"])
    assert other.peek() == [b"new", b"newer"]
    spool.close()
    other.discard()
    assert drain(other) == [b"old"]


def test_an_older_shelf_found_in_between_shifts_nothing(spool: EventSpool, tmp_path: Path) -> None:
    """What was read and sent of one segment is not taken off another."""
    spool.append([b"left behind"])
    other = EventSpool(tmp_path / "events")
    other.open()
    other.append([b"first", b"second"])
    assert other.peek(7) == [b"first"]
    other.discard()
    spool.close()
    assert drain(other, 7) == [b"left behind", b"second"]
