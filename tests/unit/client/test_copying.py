"""What a copy carries and what it leaves out, between two folders of this machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from teleport.client.copying import CopyChoice, End, copy
from teleport.client.places import Attributes, Entry, LocalPlace
from teleport.foundation.errors import BadParameter


def copied(source: Path, target: Path) -> list[str]:
    """The paths that were left out, of a copy that fails for them."""
    skipped: list[str] = []
    choice = CopyChoice(recursive=True, skipped=skipped.append)
    with pytest.raises(BadParameter, match=f"{len(skipped) or ''}.*not copied: only regular files"):
        asyncio.run(copy(LocalPlace(), [str(source)], End(LocalPlace(), str(target)), choice))
    return skipped


def test_special_files_are_named_and_left_out_and_the_rest_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "zoo").write_text("kept")
    os.mkfifo(source / "deep" / "pipe")
    (source / "device").symlink_to("/dev/zero")
    assert copied(source, tmp_path / "copy") == [str(source / "deep" / "pipe"), str(source / "device")]
    assert {path.name for path in (tmp_path / "copy").rglob("*")} == {"deep", "zoo"}
    assert copied(Path("/dev/zero"), tmp_path / "zero") == ["/dev/zero"]
    assert not (tmp_path / "zero").exists()


class Told(LocalPlace):
    """Its listings tell all of what is no link, as those of a server do."""

    def __init__(self) -> None:
        self.looked_at: list[str] = []

    async def find(self, path: str) -> Attributes | None:
        self.looked_at.append(os.path.basename(path))
        return await super().find(path)

    async def entries(self, path: str) -> AsyncIterator[Entry]:
        for entry in os.scandir(path):
            found = None if entry.is_symlink() else await super().find(entry.path)
            yield Entry(entry.name, found)


def test_what_a_listing_tells_is_not_asked_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    for number in range(30):
        (source / "deep" / str(number)).write_text(str(number))
    (source / "link").symlink_to("deep/7")
    place = Told()
    asyncio.run(copy(place, [str(source)], End(LocalPlace(), str(tmp_path / "copy")), CopyChoice(recursive=True)))
    assert sorted(place.looked_at) == ["link", "source"]
    assert (tmp_path / "copy" / "link").read_text() == (tmp_path / "copy" / "deep" / "7").read_text() == "7"
    assert len(list((tmp_path / "copy" / "deep").iterdir())) == 30


def test_a_file_whose_size_is_told_as_nothing_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    sources = ["/proc/cpuinfo", str(tmp_path / "empty")]
    (tmp_path / "copy").mkdir()
    asyncio.run(copy(LocalPlace(), sources, End(LocalPlace(), str(tmp_path / "copy")), CopyChoice()))
    assert "processor" in (tmp_path / "copy" / "cpuinfo").read_text()
    assert (tmp_path / "copy" / "empty").read_bytes() == b""
