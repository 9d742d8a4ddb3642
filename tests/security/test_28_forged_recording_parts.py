"""Rule 28: a recording is written by the host that began it, once, and under its session's name only."""

from __future__ import annotations

from pathlib import Path

import pytest

from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import AccessDenied, AlreadyExists, BadParameter
from teleport.storage.recording_files import FileRecordings

SID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"


async def _content(recordings: FileRecordings) -> bytes:
    return b"".join([piece async for piece in recordings.open(SID)])


async def test_another_host_neither_adds_nor_replaces_nor_ends_an_upload(tmp_path: Path) -> None:
    recordings = FileRecordings(tmp_path / "records", SystemClock())
    await recordings.begin(SID, "honest")
    await recordings.put_part(SID, 1, b"what happened", "honest")
    with pytest.raises(AccessDenied):
        await recordings.begin(SID, "forger")
    with pytest.raises(AccessDenied):
        await recordings.put_part(SID, 1, b"what did not", "forger")
    with pytest.raises(AccessDenied):
        await recordings.put_part(SID, 2, b", and then this", "forger")
    with pytest.raises(AccessDenied):
        await recordings.complete(SID, owner="forger", partial=True)
    with pytest.raises(AccessDenied):
        await recordings.abandon(SID, "forger")
    await recordings.complete(SID, owner="honest")
    assert await _content(recordings) == b"what happened"


async def test_a_complete_recording_stays_as_it_is(tmp_path: Path) -> None:
    recordings = FileRecordings(tmp_path / "records", SystemClock())
    await recordings.begin(SID, "honest")
    await recordings.put_part(SID, 1, b"what happened", "honest")
    await recordings.complete(SID, owner="honest")
    for host in ("honest", "forger"):
        with pytest.raises(AlreadyExists):
            await recordings.begin(SID, host)
        with pytest.raises(AlreadyExists):
            await recordings.put_part(SID, 1, b"what did not", host)
    assert await _content(recordings) == b"what happened"


@pytest.mark.parametrize("name", [f"../{SID}", f"{SID}/../../x", "..", f"{SID}\0", "/etc/passwd", SID.upper()])
async def test_a_recording_is_written_nowhere_else(tmp_path: Path, name: str) -> None:
    recordings = FileRecordings(tmp_path / "records", SystemClock())
    with pytest.raises(BadParameter):
        await recordings.begin(name, "forger")
    assert list(tmp_path.iterdir()) == []
