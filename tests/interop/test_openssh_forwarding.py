"""The stock OpenSSH client forwards ports, sockets and its key agent through our SSH service."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from harness.ports import free_port
from ssh_post import ROLE, Site, run, site

WITHOUT = ROLE + "    port_forwarding: false\n"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a service that gives back what it is sent, and ends when its client does."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(-1))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def forwarding(here: Site, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A client that forwards until the block ends."""
    command = here.person().ssh("-o", "ExitOnForwardFailure=yes", *options, "--", "echo ready; cat")
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            await process.stdout.readline()
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def say(port: int | str | tuple[str, int], data: bytes) -> bytes:
    if isinstance(port, str):
        opening = asyncio.open_unix_connection(port)
    else:
        opening = asyncio.open_connection(*(("127.0.0.1", port) if isinstance(port, int) else port))
    async with asyncio.timeout(20):
        reader, writer = await opening
        answer = b""
        with contextlib.suppress(ConnectionError, OSError):  # a refused forward may be reset at once
            writer.write(data)
            writer.write_eof()
            answer = await reader.read(-1)
        writer.close()
    return answer


async def is_open(port: int) -> bool:
    try:
        await say(port, b"")
    except ConnectionRefusedError:
        return False
    return True


async def test_a_local_port_leads_to_a_service_near_the_node(here: Site, echo: int) -> None:
    port, data = free_port(), os.urandom(3_000_000)
    async with forwarding(here, "-L", f"{port}:127.0.0.1:{echo}"):
        assert await say(port, data) == data
    (begun,) = await here.log.wait_for("port", "T3003I")
    assert begun.addr == f"127.0.0.1:{echo}"
    await here.log.wait_for("port", "T3003S")


async def test_a_remote_port_leads_back_to_the_client(here: Site, echo: int) -> None:
    port, data = free_port(), os.urandom(1_000_000)
    async with forwarding(here, "-R", f"{port}:127.0.0.1:{echo}"):
        assert await say(port, data) == data
    await here.log.wait_for("port", "T3003S")
    async with asyncio.timeout(20):
        while await is_open(port):  # the node hears in its own time that the client has gone
            await asyncio.sleep(0.02)


async def test_a_remote_port_is_open_to_others_where_a_role_says_so_by_name(here: Site, echo: int) -> None:
    """Another address of this host stands for other hosts."""
    for explicitly in (False, True):
        if explicitly:
            await here.apply(ROLE + "    ssh_port_forwarding: {remote: {enabled: true}}\n")
        port = free_port()
        async with forwarding(here, "-R", f"*:{port}:127.0.0.1:{echo}"):
            assert await say(port, b"near") == b"near"
            if explicitly:
                assert await say(("127.0.0.5", port), b"far") == b"far"
            else:
                with pytest.raises(ConnectionRefusedError):
                    await say(("127.0.0.5", port), b"far")
    port = free_port()
    async with forwarding(here, "-R", f"127.0.0.6:{port}:127.0.0.1:{echo}"):
        assert await say(("127.0.0.6", port), b"there") == b"there"
        with pytest.raises(ConnectionRefusedError):
            await say(port, b"here")
    (*_, event) = await here.log.wait_for("port", "T3003I", 3)
    assert event.addr == f"127.0.0.6:{port}"
    address = f"192.0.2.1:{free_port()}:127.0.0.1:{echo}"
    ran = await run(here.person().ssh("-R", address, "-o", "ExitOnForwardFailure=yes", "--", "true"))
    assert ran.status == 255
    (event,) = await here.log.wait_for("port", "T3003E")
    assert "192.0.2.1" in event.addr


async def test_sockets_are_forwarded_with_the_rights_of_the_user(here: Site, echo: int, tmp_path: Path) -> None:
    there, back = tmp_path / "there.sock", tmp_path / "back.sock"
    options = ("-L", f"{back}:{there}", "-R", f"{there}:127.0.0.1:{echo}")
    async with forwarding(here, *options):
        assert await say(str(back), b"round and round") == b"round and round"
        assert (there.stat().st_mode & 0o777) == 0o600


async def test_a_dynamic_forward_reaches_by_name(here: Site, echo: int) -> None:
    port = free_port()
    async with forwarding(here, "-D", str(port)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x05\x01\x00\x05\x01\x00\x03\x09localhost" + echo.to_bytes(2, "big"))
        async with asyncio.timeout(20):
            assert (await reader.readexactly(12))[:4] == b"\x05\x00\x05\x00"
            writer.write(b"named")
            writer.write_eof()
            assert await reader.read(-1) == b"named"
        writer.close()


async def test_a_service_that_is_not_there_is_told(here: Site) -> None:
    port, nobody = free_port(), free_port()
    async with forwarding(here, "-L", f"{port}:127.0.0.1:{nobody}"):
        assert await say(port, b"") == b""
        (event,) = await here.log.wait_for("port", "T3003E")
        assert event.addr == f"127.0.0.1:{nobody}"
        assert event.error == "Connection refused"


async def test_forwards_are_refused_where_roles_forbid_them(here: Site, echo: int) -> None:
    await here.apply(WITHOUT)
    port = free_port()
    async with forwarding(here, "-L", f"{port}:127.0.0.1:{echo}") as client:
        assert await say(port, b"secret") == b""
        (event,) = await here.log.wait_for("port", "T3003E")
        assert "not allowed" in event.error
        client.kill()
    remote = ("-R", f"{free_port()}:127.0.0.1:{echo}", "-o", "ExitOnForwardFailure=yes")
    refused = await run(here.person().ssh(*remote, "--", "true"))
    assert refused.status == 255
    assert b"remote port forwarding failed" in refused.err


async def test_the_key_agent_comes_along(here: Site, tmp_path: Path) -> None:
    agent = await asyncio.create_subprocess_exec("ssh-agent", "-D", "-a", str(tmp_path / "agent"))
    try:
        async with asyncio.timeout(20):
            while not (tmp_path / "agent").exists():
                await asyncio.sleep(0.02)
        person = here.person()
        environment = {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")}
        await run(["ssh-add", "-q", str(person.key)], env=environment)
        options = person.ssh("-o", "ForwardAgent=yes", "--", "ssh-add -l; echo $SSH_AUTH_SOCK")
        options[options.index("IdentityAgent=none")] = f"IdentityAgent={tmp_path / 'agent'}"
        ran = await run(options, env=environment)
        assert b"ED25519" in ran.out
        socket_path = Path(ran.out.decode().splitlines()[-1])
        assert socket_path.parts[1:2] == ("tmp",)
        async with asyncio.timeout(20):
            while socket_path.parent.exists():
                await asyncio.sleep(0.02)
    finally:
        agent.terminate()
        await agent.wait()


async def test_the_key_agent_stays_where_roles_do_not_allow_it(here: Site, tmp_path: Path) -> None:
    await here.apply(ROLE.replace("forward_agent: true", "forward_agent: false"))
    ran = await run(here.person().ssh("-o", "ForwardAgent=yes", "--", "echo [$SSH_AUTH_SOCK]"))
    assert ran.out == b"[]\n"
