"""Rule 8: a client that sends what only a server may say gains nothing by it."""

from __future__ import annotations

from pathlib import Path

import pytest
import raw_ssh as raw
from raw_ssh import Boolean, String, UInt32, raw_client
from ssh_post import site

SERVER_MESSAGES = {
    "success": (raw.USERAUTH_SUCCESS,),
    "failure": (raw.USERAUTH_FAILURE, String(b"publickey"), Boolean(True)),
    "key is fine": (raw.USERAUTH_PK_OK, String(b"ssh-ed25519"), String(b"key")),
    "service accepted": (6, String(b"ssh-connection")),
}


@pytest.mark.parametrize("message", SERVER_MESSAGES.values(), ids=SERVER_MESSAGES)
async def test_no_session_follows(tmp_path: Path, message: tuple[int, bytes]) -> None:
    async with site(tmp_path) as here, raw_client(here.port) as client:
        await client.until(6)
        client.say(*message)
        client.say(raw.CHANNEL_OPEN, String(b"session"), UInt32(0), UInt32(1 << 20), UInt32(1 << 15))
        assert await client.until(91, 92) == raw.DISCONNECT
