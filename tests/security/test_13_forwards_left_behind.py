"""Rule 13: who leaves while a forward connects holds nothing at the host: what was connected for nobody is closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest
from ssh_post import ME, site

from teleport.engines.ssh.forwarding import SocketSide
from teleport.engines.ssh.local_backend import LocalBackend


async def test_what_was_connected_for_who_has_left_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, connected, may_go_on = LocalBackend.connect_tcp, asyncio.Event(), asyncio.Event()

    async def slowly(backend: LocalBackend, host: str, port: int) -> SocketSide:
        far = await connect(backend, host, port)
        connected.set()
        await may_go_on.wait()
        return far

    monkeypatch.setattr(LocalBackend, "connect_tcp", slowly)
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.read())
        writer.close()

    async with site(tmp_path) as here, await asyncio.start_server(serve, "127.0.0.1", 0) as target:
        person = here.person()
        client = await asyncssh.connect(
            "127.0.0.1", here.port, username=ME, known_hosts=None, config=None, agent_path=None,
            client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))],
        )  # fmt: skip
        asking = asyncio.get_running_loop().create_task(
            client.open_connection("127.0.0.1", target.sockets[0].getsockname()[1])
        )
        async with asyncio.timeout(20):
            await connected.wait()
            client.abort()
            await asyncio.wait({asking})
            await here.connections.wait(20)
            assert not len(here.connections)
            may_go_on.set()
            assert await heard == b""
        assert isinstance(asking.exception(), asyncssh.Error)
        await here.log.wait_for("port", "T3003S")
