"""19: a server that lists names like `../../x` must not make a copy write elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest
from client_side import LoopThread

from teleport.client import copying, sftp
from teleport.client.copying import CopyChoice, End
from teleport.client.places import LocalPlace, RemotePlace
from teleport.foundation.errors import BadParameter


class EvilFiles(asyncssh.SFTPServer):
    """Lists one file more than there is, under a name of its choice."""

    name = b""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        yield asyncssh.SFTPName(self.name, attrs=asyncssh.SFTPAttrs(permissions=0o100644))

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        kind = 0o040755 if path.endswith(b"/dir") else 0o100644
        return asyncssh.SFTPAttrs(permissions=kind, size=4)

    lstat = stat


@pytest.mark.parametrize("name", [b"../escaped", b"..", b"/escaped", b"a/../../escaped"])
def test_a_name_that_leads_out_is_refused(name: bytes, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()

    async def copy() -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        files = type("Files", (EvilFiles,), {"name": name})
        server = await asyncssh.listen(
            "127.0.0.1", 0, config=None, server_host_keys=[key], sftp_factory=files, server_factory=Open
        )
        async with (
            server,
            asyncssh.connect(
                "127.0.0.1", server.get_port(), config=None, known_hosts=None, username="x", client_keys=None
            ) as connection,
        ):
            client = await connection.start_sftp_client()
            end = End(LocalPlace(), str(tmp_path / "inside"))
            await copying.copy(RemotePlace(client), ["/dir"], end, CopyChoice(recursive=True))

    with LoopThread() as loop:
        if name == b"..":
            asyncio.run_coroutine_threadsafe(copy(), loop).result(20)
        else:
            with pytest.raises(BadParameter, match="would be written elsewhere"):
                asyncio.run_coroutine_threadsafe(copy(), loop).result(20)
    assert {path.name for path in tmp_path.rglob("*")} <= {"inside", "dir"}


class Open(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0b"])
def test_names_that_are_no_single_name(name: str) -> None:
    with pytest.raises(BadParameter):
        sftp.safe_name(name)


def test_ordinary_names_are_kept() -> None:
    assert sftp.safe_name("ünï code..txt") == "ünï code..txt"
