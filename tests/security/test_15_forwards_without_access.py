"""Rule 15: no forward without access to the node itself, nor as a host user that does not exist."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from ssh_post import ME, ROLE, Site, run, site


async def _tries_to_forward(here: Site, login: str, roles: tuple[str, ...] = ("access",)) -> bool:
    """Whether a connection reached a service of the node through a forward of the client."""
    reached = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        writer.write(b"welcome")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await run(here.person(roles=roles).ssh("-W", f"127.0.0.1:{port}", "--", login=login), stdin=b"let me in")
    return reached.is_set()


async def test_who_may_log_in_may_forward(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        assert await _tries_to_forward(here, ME)


@pytest.mark.parametrize("login", ["no-such-user", "root-of-all"])
async def test_nobody_forwards_as_a_user_that_is_not_there_or_not_allowed(tmp_path: Path, login: str) -> None:
    async with site(tmp_path) as here:
        assert not await _tries_to_forward(here, login)
        await here.log.wait_for("auth", "T3007W")


async def test_nobody_forwards_through_a_node_the_roles_do_not_reach(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.apply(ROLE.replace('{"*": "*"}', "{env: prod}"))
        assert not await _tries_to_forward(here, ME)
        await here.log.wait_for("auth", "T3007W")
