"""Rule 12: a claimed length is believed only up to the limit, before and after login."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
from raw_ssh import RawClient, raw_client
from ssh_post import ME, site


async def test_a_huge_first_packet_ends_the_connection_at_once(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        await reader.readline()
        writer.write(b"SSH-2.0-test\r\n" + (0x7FFFFFF0).to_bytes(4, "big") + bytes(12))
        async with asyncio.timeout(20):
            while await reader.read(65536):
                pass
        writer.close()


async def test_a_huge_packet_under_encryption_ends_the_connection(tmp_path: Path) -> None:
    async with site(tmp_path) as here, raw_client(here.port, encryption_algs=["aes128-gcm@openssh.com"]) as client:
        await client.until(6)
        _send_length(client)
        assert await client.until(99) == 1


async def test_a_huge_packet_after_login_ends_the_connection(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        person = here.person()
        async with asyncssh.connect(
            "127.0.0.1", here.port, username=ME, known_hosts=None, config=None, agent_path=None,
            client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))],
            encryption_algs=["aes128-gcm@openssh.com"],
        ) as client:  # fmt: skip
            await client.run("true")
            _send_length(client)
            async with asyncio.timeout(20):
                await client.wait_closed()


def _send_length(client: asyncssh.SSHClientConnection | RawClient) -> None:
    assert client._transport is not None
    client._transport.write((0x7FFFFFF0).to_bytes(4, "big") + bytes(64))
