"""Files of a profile that belong together are read and written as one."""

from __future__ import annotations

import resource
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from teleport.client.files import read_text, together, write_private
from teleport.client.places import LocalPlace


def test_a_reader_never_sees_some_of_each(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("key", "certificate")]
    for name in names:
        write_private(name, "first")
    is_half_written, may_go_on = threading.Event(), threading.Event()

    def write() -> None:
        with together(str(tmp_path), writes=True):
            write_private(names[0], "second")
            is_half_written.set()
            may_go_on.wait(30)
            write_private(names[1], "second")

    def read() -> None:
        with together(str(tmp_path)):
            seen.extend(read_text(name) for name in names)

    seen: list[str] = []
    writer, reader = threading.Thread(target=write), threading.Thread(target=read)
    writer.start()
    assert is_half_written.wait(30)
    reader.start()
    reader.join(0.2)
    assert seen == []
    may_go_on.set()
    writer.join(30)
    reader.join(30)
    assert seen == ["second", "second"]


async def keep_private(path: str) -> None:
    write_private(path, "x" * 100)


async def copy_here(path: str) -> None:
    file = await LocalPlace().open(path, writes=True)
    try:
        await file.write(b"x" * 100, 0)
    finally:
        await file.close()


@pytest.mark.parametrize("write", [keep_private, copy_here])
async def test_where_the_disk_is_full_is_told(tmp_path: Path, write: Callable[[str], Awaitable[None]]) -> None:
    path = str(tmp_path / "file")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # Python ignores the signal of it
    try:
        with pytest.raises(OSError, match="File too large") as refusal:
            await write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refusal.value.filename == path
