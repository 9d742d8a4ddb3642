"""Rule 13: who asks and does not listen costs bounded memory; who does not log in is sent away in time."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import timedelta
from pathlib import Path

import asyncssh
import pytest
from asyncssh.packet import Boolean, String
from ssh_post import ME, Site, site

from teleport.engines.engine import Limits
from teleport.engines.ssh import packet
from teleport.engines.ssh.connection import ServerConnection
from teleport.engines.ssh.visit import Visit

FLOODED = 128 << 10


def link_of(here: Site) -> ServerConnection:
    (send_away,) = here.engine._admissions._admitted.values()
    visit = getattr(send_away, "__self__", None)
    assert isinstance(visit, Visit)
    return visit.link


async def test_requests_without_end_stop_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the same, smaller: what counts is that there is an end
    monkeypatch.setattr(packet, "WRITE_HIGH", 32 << 10)
    monkeypatch.setattr(packet, "WRITE_LOW", 16 << 10)
    monkeypatch.setattr(packet, "FLOODED", FLOODED)
    async with site(tmp_path) as here:
        person = here.person()
        async with asyncssh.connect(
            "127.0.0.1", here.port, username=ME, known_hosts=None, config=None, agent_path=None,
            client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))],
        ) as client:  # fmt: skip
            await client.run("true")
            link = link_of(here)
            client._transport.pause_reading()  # type: ignore[union-attr]
            request = (String(b"keepalive@openssh.com"), Boolean(True))
            worst = 0
            async with asyncio.timeout(60):
                while not link._is_flooded:
                    for _ in range(5000):
                        client.send_packet(80, *request)
                    await asyncio.sleep(0)
                    worst = max(worst, link.bytes_waiting)
            assert worst < 2 * FLOODED
            client.abort()


async def test_a_slow_reader_holds_its_program_back(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        person = here.person()
        async with asyncssh.connect(
            "127.0.0.1", here.port, username=ME, known_hosts=None, config=None, agent_path=None,
            client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))],
        ) as client:  # fmt: skip
            session = await client.create_process("cat /dev/zero", encoding=None, window=1 << 31)
            client._transport.pause_reading()  # type: ignore[union-attr]
            link = link_of(here)
            async with asyncio.timeout(30):
                while not link._is_congested:
                    await asyncio.sleep(0.01)
            for _ in range(20):
                await asyncio.sleep(0.02)
                held = sum(channel._send_buf_len for channel in link._channels.values())
                assert link.bytes_waiting + held < 8 << 20
            session.close()
            client.abort()


async def test_whoever_does_not_log_in_is_sent_away(tmp_path: Path) -> None:
    async with site(tmp_path, Limits(login_grace=timedelta(seconds=2))) as here:
        waiting = [socket.create_connection(("127.0.0.1", here.port)) for _ in range(20)]
        begun = time.monotonic()
        for sock in waiting[:10]:
            sock.sendall(b"SSH-2.0-half\r\n")
        async with asyncio.timeout(20):
            while len(here.connections) < len(waiting):
                await asyncio.sleep(0)
        async with asyncio.timeout(30):
            while len(here.connections):
                await asyncio.sleep(0.02)
        assert time.monotonic() - begun > 1
        for sock in waiting:
            sock.close()


async def test_keys_without_end_are_not_tried(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        stranger = here.person("mallory", authority=None)
        here.authorities.clear()
        pairs = [(str(stranger.key), str(stranger.directory / "id-cert.pub"))] * 30
        with pytest.raises(asyncssh.DisconnectError, match="too many keys"):
            await asyncssh.connect(
                "127.0.0.1",
                here.port,
                username=ME,
                known_hosts=None,
                config=None,
                agent_path=None,
                client_keys=pairs,
            )
        assert len([event for event in here.log.events if event.type == "auth"]) <= 5
