"""What one process leaves behind, and to whom."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teleport.process import data_dir, run


@pytest.mark.parametrize("is_replaced", [False, True])
def test_the_pid_file_goes_with_the_process_unless_it_is_the_successor_s(tmp_path: Path, is_replaced: bool) -> None:
    path = tmp_path / "pid"
    with data_dir.locked(tmp_path) as lock, run._pid_file(path, lock):
        assert path.read_text() == f"{os.getpid()}\n"
        if is_replaced:
            lock.release()  # from now on the other may write its own at any moment
    assert path.exists() is is_replaced
