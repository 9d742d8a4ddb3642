"""Rule 61: seeds, keys and join secrets are left on no disk and in no text that is shown or logged."""

from __future__ import annotations

import os
import pickle
import ssl
import tempfile
from pathlib import Path

import pytest
from authorities import NOW

from teleport.credentials import tls_contexts, totp, x509
from teleport.credentials.keys import PrivateKey
from teleport.credentials.keystore.software import SoftwareKeystore
from teleport.credentials.sealing import Box, new_key
from teleport.foundation.errors import BadParameter

KEY = PrivateKey.generate("ecdsa-p256")
CERTIFICATE = x509.issue_server(["localhost"], KEY, NOW)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Every path that the ssl module is given to read a key from."""
    seen: list[str] = []
    original = ssl.SSLContext.load_cert_chain

    def load(self: ssl.SSLContext, path: str, *more: object) -> None:
        seen.append(path)
        assert os.stat(path).st_mode & 0o077 == 0 or path.startswith("/proc/self/fd/")
        original(self, path)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return seen


def test_a_key_for_tls_never_touches_the_disk(opened: list[str], tmp_path: Path) -> None:
    tls_contexts.server_context(CERTIFICATE, KEY.pem())
    assert len(opened) == 1
    assert opened[0].startswith("/proc/self/fd/")
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_memory_file_nothing_is_left(
    opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    tls_contexts.server_context(CERTIFICATE, KEY.pem())
    with pytest.raises(BadParameter):
        tls_contexts.server_context(CERTIFICATE, PrivateKey.generate("ecdsa-p256").pem())
    assert len(opened) == 2
    assert all(path.startswith(str(tmp_path)) for path in opened)
    assert list(tmp_path.iterdir()) == []


async def test_secrets_do_not_show_themselves() -> None:
    reference = await SoftwareKeystore().generate("ed25519")
    box_key = new_key()
    for holder, secret in (
        (KEY, KEY.pem().splitlines()[1]),
        (reference, reference.secret.splitlines()[1]),
        (Box(box_key), box_key.hex()),
    ):
        assert secret not in f"{holder!r} {holder} {[holder]}"
    with pytest.raises(TypeError):
        pickle.dumps(KEY)


def test_a_qr_code_is_drawn_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    secret = totp.new_secret()
    picture = totp.qr_svg(totp.otpauth_uri(secret, "example", "alice"))
    assert secret not in picture
    assert list(tmp_path.iterdir()) == []


def test_refusals_do_not_quote_secrets() -> None:
    secret = KEY.pem().splitlines()[1]
    broken = f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----"
    with pytest.raises(BadParameter) as refused:
        PrivateKey.from_pem(broken)
    assert secret not in repr(refused.value)
    assert refused.value.__cause__ is None
    with pytest.raises(BadParameter) as refused:
        totp.code_at(secret + "!", NOW)
    assert secret not in repr(refused.value)
