"""Rule 11: no key is agreed on that somebody else could know: numbers of a small group, the point at infinity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh
import pytest
import raw_ssh as raw
from asyncssh import kex_dh
from asyncssh.packet import MPInt, String
from raw_ssh import raw_client
from remote_host import HostConnection, remote_host
from ssh_post import run, site

PRIME = kex_dh._group16_p
NUMBERS = {"zero": 0, "one": 1, "minus one": PRIME - 1, "the prime": PRIME, "beyond": PRIME + 2, "negative": -2}
POINTS = {"nothing": b"", "zero": bytes(32), "one": b"\x01" + bytes(31), "short": b"x" * 31, "long": b"x" * 33}
GROUP = "diffie-hellman-group16-sha512"
CURVE = "curve25519-sha256"


def lie(patch: pytest.MonkeyPatch, kind: type[Any], side: str, said: bytes) -> None:
    """One side sends this in place of its public number. The other, in the same process, goes on as it is."""
    name = "_format_client_key" if side == "client" else "_format_server_key"
    honest = getattr(kind, name)

    def format_key(exchange: Any) -> bytes:
        is_liar = exchange._conn.is_client() is (side == "client") and isinstance(exchange._conn, LIARS)
        return said if is_liar else bytes(honest(exchange))

    patch.setattr(kind, name, format_key)


LIARS = (raw.RawClient, HostConnection)
CASES = [
    *(pytest.param(GROUP, kex_dh._KexDHBase, MPInt(number), id=name) for name, number in NUMBERS.items()),
    *(pytest.param(CURVE, kex_dh._KexECDH, String(point), id=f"point {name}") for name, point in POINTS.items()),
]


@pytest.mark.parametrize(("exchange", "kind", "said"), CASES)
async def test_a_client_that_offers_it_is_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    exchange: str, kind: type[Any], said: bytes,
) -> None:  # fmt: skip
    lie(monkeypatch, kind, "client", said)
    async with site(tmp_path) as here:
        async with raw_client(here.port, kex_algs=[exchange]) as client:
            assert await client.until(6, 31) == raw.DISCONNECT
        ran = await run(here.person().ssh("--", "echo served"))
        assert ran.out == b"served\n"
    assert not [record for record in caplog.records if record.levelname == "ERROR"], "strangers fill no log"


@pytest.mark.parametrize(("exchange", "kind", "said"), CASES)
async def test_a_host_that_offers_it_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    exchange: str, kind: type[Any], said: bytes,
) -> None:  # fmt: skip
    async def never(_: HostConnection, process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.exit(0)

    lie(monkeypatch, kind, "server", said)
    async with site(tmp_path) as here, remote_host(here.clock.now, never, kex_algs=[exchange]) as host:
        here.post.upstream = host
        ran = await run(here.person().ssh("--", "true"))
    assert ran.status == 255
    assert host.connections, "the host was asked"
    assert b"cannot be reached" in ran.err or b"speaks nothing that is safe" in ran.err, ran.err
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
