"""Rule 37: a malicious host behind a proxy that goes on as its client costs bounded memory, whatever it says."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.packet import Boolean, String, UInt32
from remote_host import Behave, HostConnection, RemoteHost, remote_host
from ssh_post import Site, run, site

from teleport.client.ssh_connection import _Client as TshClient
from teleport.engines.ssh import packet
from teleport.engines.ssh.remote_backend import RemoteBackend
from teleport.engines.ssh.remote_connection import RemoteConnection
from teleport.engines.ssh.scp_tap import ScpTap
from teleport.engines.ssh.visit import Visit
from teleport.proxy.web.terminal import MAX_BANNER
from teleport.proxy.web.terminal import _Client as PageClient

OPEN, CONFIRMED, FAILED, DATA, GLOBAL_REQUEST = 90, 91, 92, 94, 80


@asynccontextmanager
async def led_to(tmp_path: Path, behave: Behave, **options: Any) -> AsyncIterator[tuple[Site, RemoteHost]]:
    async with site(tmp_path) as here, remote_host(here.clock.now, behave, **options) as host:
        here.post.upstream = host
        yield here, host


def link_to_host(here: Site) -> RemoteConnection:
    (send_away,) = here.engine._admissions._admitted.values()
    visit = getattr(send_away, "__self__", None)
    assert isinstance(visit, Visit)
    assert isinstance(visit.backend, RemoteBackend)
    assert visit.backend._link is not None
    return visit.backend._link


async def until_over(connection: HostConnection, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not connection.is_over:
            await asyncio.sleep(0.01)


async def test_an_honest_one_is_served(tmp_path: Path) -> None:
    async def behave(_: HostConnection, process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.stdout.write(b"from the host\n")
        process.exit(3)

    async with led_to(tmp_path, behave) as (here, _):
        ran = await run(here.person().ssh("--", "true"))
        assert (ran.status, ran.out) == (3, b"from the host\n"), ran.err


async def test_output_beyond_the_window_ends_the_connection(tmp_path: Path) -> None:
    """The person reads nothing, so nothing is taken from the host beyond what its window allows."""
    sent = 0

    async def behave(connection: HostConnection, process: asyncssh.SSHServerProcess[bytes]) -> None:
        nonlocal sent
        number = process.channel._send_chan
        assert number is not None
        while not connection.is_over and sent < 1 << 30:
            connection.send_bare(DATA, UInt32(number), String(bytes(32 << 10)))
            sent += 32 << 10
            while connection.unsent() > 1 << 20 and not connection.is_over:
                await asyncio.sleep(0.001)

    async with led_to(tmp_path, behave) as (here, host):
        client = await asyncio.create_subprocess_exec(
            *here.person().ssh("--", "true"), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, limit=1024,
        )  # fmt: skip
        try:
            async with asyncio.timeout(30):
                while not host.connections:
                    await asyncio.sleep(0.01)
            await until_over(host.connections[0])
        finally:
            client.kill()
            await client.communicate()
    assert sent < 32 << 20


KINDS = {
    "key agent": (b"auth-agent@openssh.com", b""),
    "forwarded port": (b"forwarded-tcpip", String(b"localhost") + UInt32(22) + String(b"10.0.0.1") + UInt32(1)),
    "forwarded socket": (b"forwarded-streamlocal@openssh.com", String(b"/tmp/x") + String(b"")),
    "screen": (b"x11", String(b"10.0.0.1") + UInt32(1)),
    "session": (b"session", b""),
    "port": (b"direct-tcpip", String(b"localhost") + UInt32(22) + String(b"10.0.0.1") + UInt32(1)),
    "unheard of": (b"tun@openssh.com", UInt32(1) + UInt32(2)),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_no_channel_is_opened_that_nobody_asked_for(tmp_path: Path, kind: str) -> None:
    name, rest = KINDS[kind]
    flooding: list[HostConnection] = []

    async def behave(connection: HostConnection, process: asyncssh.SSHServerProcess[bytes]) -> None:
        del connection.heard[:]
        flooding.append(connection)
        opened = UInt32(9000) + UInt32(1 << 20) + UInt32(1 << 15)
        for _ in range(300):
            connection.send_bare(OPEN, String(name), opened, rest)
        async with asyncio.timeout(20):
            while not connection.is_over and connection.heard.count(FAILED) < 300:
                await asyncio.sleep(0.01)
        process.exit(0)

    async with led_to(tmp_path, behave) as (here, _):
        await run(here.person().ssh("--", "true"))
    (host,) = flooding  # which may be cut off by its own library at the first answer, and this task with it
    assert CONFIRMED not in host.heard
    assert host.heard, "the host heard an answer"


async def test_questions_without_end_stop_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet, "WRITE_HIGH", 32 << 10)
    monkeypatch.setattr(packet, "WRITE_LOW", 16 << 10)
    monkeypatch.setattr(packet, "FLOODED", flooded := 128 << 10)
    worst = 0
    is_stopped = False

    async def behave(connection: HostConnection, process: asyncssh.SSHServerProcess[bytes]) -> None:
        nonlocal worst, is_stopped
        link = link_to_host(here)
        transport = connection._transport
        assert transport is not None
        transport.pause_reading()
        # so that few answers hide in the system; the questions' way stays wide
        for end, room in ((transport, socket.SO_RCVBUF), (link._transport, socket.SO_SNDBUF)):
            assert end is not None
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, room, 4096)
        async with asyncio.timeout(60):
            while not is_stopped and not connection.is_over:
                if transport.get_write_buffer_size() < flooded:  # always more to read, and turns left to read it
                    for _ in range(200):
                        connection.send_bare(GLOBAL_REQUEST, String(b"keepalive@openssh.com"), Boolean(True))
                await asyncio.sleep(0)
                worst = max(worst, link._transport.get_write_buffer_size() if link._transport else 0)
                is_stopped = link._is_flooded
        connection.abort()

    async with led_to(tmp_path, behave) as (here, _):
        await run(here.person().ssh("--", "true"))
    assert is_stopped
    assert worst < 2 * flooded


async def test_lines_without_end_before_the_version_are_not_read(tmp_path: Path) -> None:
    written = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        try:
            while written < 1 << 30:
                writer.write(b"a line of a greeting\r\n" * 1000)
                await writer.drain()
                written += 22000
        except OSError:
            pass
        finally:
            writer.close()

    async def nothing(_: HostConnection, process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.exit(0)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server, led_to(tmp_path, nothing) as (here, host):
        host.port = server.sockets[0].getsockname()[1]
        ran = await run(here.person().ssh("--", "true"))
        assert ran.status == 255
        assert "cannot be reached" in ran.err.decode()
        server.close()
    assert written < 64 << 20


@pytest.mark.parametrize("kind", [TshClient, PageClient])
def test_words_before_the_login_are_kept_in_part(kind: type[Any]) -> None:
    client = kind()
    for _ in range(1000):
        client.auth_banner_received("x" * 10_000, "")
    assert len(client.banner) <= MAX_BANNER


class _Unheard:
    """In place of the log, which is elsewhere."""

    def scp(self, *_: object, **__: object) -> None: ...


def grown_by(act: Any) -> int:
    """Bytes that stay taken."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        act()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_folders_within_folders_are_not_remembered() -> None:
    tap: Any = ScpTap(_Unheard(), "sid", "/srv", is_upload=False)  # type: ignore[arg-type]

    def descend() -> None:
        for _ in range(5000):
            tap.hear_server(b"D0755 0 " + b"n" * 8000 + b"\n")

    assert grown_by(descend) < 1 << 20
