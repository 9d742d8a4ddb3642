"""Rule 34, for SSH: a malformed certificate or packet is refused, and is no error of ours."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import raw_ssh as raw
from raw_ssh import Boolean, String, raw_client
from ssh_post import site

CERTIFICATE = b"ssh-ed25519-cert-v01@openssh.com"
SIGNATURE = String(String(b"ssh-ed25519") + String(bytes(64)))


def asked(blob: bytes) -> bytes:
    start = b"".join(map(String, (b"root", b"ssh-connection", b"publickey")))
    return start + Boolean(True) + String(CERTIFICATE) + String(blob) + SIGNATURE


@pytest.mark.parametrize("body", [b"", bytes(32), String(bytes(32)) * 9])
async def test_a_certificate_that_is_none(tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "teleport"):
        async with site(tmp_path) as here, raw_client(here.port) as client:
            client.say(raw.USERAUTH_REQUEST, asked(String(CERTIFICATE) + body))
            assert await client.until(raw.USERAUTH_FAILURE, raw.USERAUTH_SUCCESS) == raw.USERAUTH_FAILURE
    assert not caplog.records


@pytest.mark.parametrize("body", [b"", b"\xff" * 4, asked(b"")[:30], String("ünï".encode() + b"\xff") * 3])
async def test_a_request_that_is_cut_or_no_text(
    tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "teleport"):
        async with site(tmp_path) as here, raw_client(here.port) as client:
            await client.until(6)
            client.say(raw.USERAUTH_REQUEST, body)
            assert await client.until(raw.USERAUTH_SUCCESS) == raw.DISCONNECT
    assert not caplog.records
