"""Rule 10: what anybody on the way may slip in before keys are exchanged counts for nothing and ends the connection.

CVE-2023-46445: extension information; CVE-2023-46446: a login of the attacker's, before that of the client.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import raw_ssh as raw
from raw_ssh import Boolean, String, UInt32, raw_client
from ssh_post import ME, site

SLIPPED_IN = {
    "extensions": (raw.EXT_INFO, UInt32(1) + String(b"server-sig-algs") + String(b"ssh-rsa")),
    "a service": (raw.SERVICE_REQUEST, String(b"ssh-userauth")),
    "a login": (raw.USERAUTH_REQUEST, b"".join(map(String, (ME.encode(), b"ssh-connection", b"none")))),
    "a global request": (raw.GLOBAL_REQUEST, String(b"keepalive@openssh.com") + Boolean(True)),
    "keys of the second kind": (raw.KEXINIT, bytes(16) + String(b"") * 10 + bytes(5)),
}


@pytest.mark.parametrize("is_strict", [True, False], ids=["strict order", "without strict order"])
@pytest.mark.parametrize("message", SLIPPED_IN.values(), ids=SLIPPED_IN)
async def test_ends_the_connection(tmp_path: Path, message: tuple[int, bytes], is_strict: bool) -> None:
    loose = None if is_strict else [b"ext-info-c"]
    async with site(tmp_path) as here:
        async with raw_client(here.port, injected=message, extra_kex_algs=loose) as client:
            assert await client.until(6, raw.USERAUTH_FAILURE, raw.EXT_INFO) == raw.DISCONNECT
        async with raw_client(here.port, extra_kex_algs=loose) as client:
            assert await client.until(6) == 6, "the same without it is served"
