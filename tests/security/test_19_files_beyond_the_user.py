"""Rule 19: copies and sockets are opened with the rights of the host user, never with ours."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ssh_post import Site, run, site

from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.spawner import Spawner
from teleport.foundation.errors import AccessDenied

NOBODY = HostUser("nobody", 65534, 65534, (65534,), "/", "/bin/sh")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


async def test_a_file_of_another_user_is_not_copied(here: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for you")
    secret.chmod(0)
    person = here.person()
    login = "nobody" if os.geteuid() == 0 else "no-such-user"
    command = [
        "scp",
        "-q",
        "-s",
        *person.options("-P", str(here.port)),
        f"{login}@127.0.0.1:{secret}",
        f"{tmp_path}/x",
    ]
    ran = await run(command)
    assert ran.status != 0
    assert not (tmp_path / "x").exists()


async def test_a_socket_of_another_user_is_not_reached(tmp_path: Path) -> None:
    import socket

    path = tmp_path / "private.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        tmp_path.chmod(0)
        spawner = Spawner()
        try:
            with pytest.raises(AccessDenied, match="Permission denied"):
                await spawner.connect(str(path), NOBODY)
        finally:
            tmp_path.chmod(0o700)
            await spawner.close()
