"""Rule 7: nothing is done for a client that has not proven who it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import raw_ssh as raw
from raw_ssh import Boolean, String, UInt32, raw_client
from ssh_post import site

REQUESTS = {
    "a session": (raw.CHANNEL_OPEN, String(b"session"), UInt32(0), UInt32(1 << 20), UInt32(1 << 15)),
    "a forward": (
        raw.CHANNEL_OPEN, String(b"direct-tcpip"), UInt32(0), UInt32(1 << 20), UInt32(1 << 15), String(b"127.0.0.1"),
        UInt32(22), String(b"127.0.0.1"), UInt32(1),
    ),
    "a listener": (raw.GLOBAL_REQUEST, String(b"tcpip-forward"), Boolean(True), String(b"127.0.0.1"), UInt32(0)),
    "a command": (98, UInt32(0), String(b"exec"), Boolean(True), String(b"true")),
    "data": (94, UInt32(0), String(b"true\n")),
}  # fmt: skip


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_ends_the_connection(tmp_path: Path, request_: tuple[int, bytes]) -> None:
    async with site(tmp_path) as here, raw_client(here.port) as client:
        await client.until(6)
        client.say(*request_)
        assert await client.until(81, 82, 91, 92, 99, 100) == raw.DISCONNECT
        assert here.engine._spawner._program is None
