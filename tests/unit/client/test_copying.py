"""What a copy carries and what it leaves out, between two folders of this machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from teleport.client.copying import CopyChoice, End, copy
from teleport.client.places import LocalPlace
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


def test_a_file_whose_size_is_told_as_nothing_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    sources = ["/proc/cpuinfo", str(tmp_path / "empty")]
    (tmp_path / "copy").mkdir()
    asyncio.run(copy(LocalPlace(), sources, End(LocalPlace(), str(tmp_path / "copy")), CopyChoice()))
    assert "processor" in (tmp_path / "copy" / "cpuinfo").read_text()
    assert (tmp_path / "copy" / "empty").read_bytes() == b""
