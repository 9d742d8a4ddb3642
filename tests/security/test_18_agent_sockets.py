"""Rule 18: nobody can prepare, enter or redirect the folder of a forwarded key agent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ssh_post import ME

from teleport.engines.ssh.host_users import HostUser, find
from teleport.engines.ssh.user_folder import UserFolder


@pytest.fixture
async def user() -> HostUser:
    return await find(ME)


async def test_the_folder_is_the_users_alone(user: HostUser) -> None:
    folder = UserFolder(user, "agent", "agent.sock")
    try:
        found = os.lstat(folder.path)
        assert stat.S_IMODE(found.st_mode) == 0o700
        assert found.st_uid == user.uid
    finally:
        folder.remove()
    assert not Path(folder.path).exists()


async def test_removal_does_not_follow_what_was_put_in_its_place(user: HostUser, tmp_path: Path) -> None:
    folder = UserFolder(user, "agent", "agent.sock")
    Path(folder.file_path).write_text("")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "agent.sock").write_text("keep me")
    moved = Path(f"{folder.path}-moved")
    Path(folder.path).rename(moved)
    Path(folder.path).symlink_to(precious)
    folder.remove()
    assert (precious / "agent.sock").read_text() == "keep me"
    assert not (moved / "agent.sock").exists()
    Path(folder.path).unlink()
    moved.rmdir()


async def test_two_folders_are_never_the_same(user: HostUser) -> None:
    folders = [UserFolder(user, "agent", "agent.sock") for _ in range(10)]
    assert len({folder.path for folder in folders}) == 10
    for folder in folders:
        folder.remove()
