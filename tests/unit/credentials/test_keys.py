from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import pytest

from teleport.credentials import keys
from teleport.credentials.keys import KeyKind, PrivateKey, PublicKey
from teleport.foundation.errors import BadParameter, TeleportError

KINDS: list[KeyKind] = ["ecdsa-p256", "ed25519", "rsa-2048"]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_survives_its_text_forms_and_signs(kind: KeyKind) -> None:
    key = await keys.generate(kind)
    assert key.public.kind == kind
    assert PrivateKey.from_pem(key.pem()).public == key.public
    assert PrivateKey.from_pem(key.ssh_pem()).public == key.public
    assert PublicKey.from_text(key.public.pem) == key.public
    assert PublicKey.from_text(key.public.ssh("a comment")) == key.public
    assert key.public.verify(key.sign(b"message"), b"message")
    assert not key.public.verify(key.sign(b"message"), b"massage")
    assert not PrivateKey.generate(kind).public.verify(key.sign(b"message"), b"message")


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ed25519"])
def test_openssh_reads_our_keys_and_agrees_on_the_fingerprint(kind: KeyKind, tmp_path: Path) -> None:
    key = PrivateKey.generate(kind)
    file = tmp_path / "id"
    file.touch(mode=0o600)
    file.write_text(key.ssh_pem())
    derived = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True).stdout
    assert PublicKey.from_ssh(derived) == key.public
    listed = subprocess.run(["ssh-keygen", "-l", "-f", file], capture_output=True, text=True, check=True).stdout
    assert key.public.fingerprint in listed


def test_a_private_key_does_not_show_itself() -> None:
    key = PrivateKey.generate("ed25519")
    secret = key.pem().splitlines()[1]
    assert secret not in repr(key) + str(key) + f"{key}"
    assert key.public.fingerprint in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_a_refused_private_key_is_not_quoted() -> None:
    text = "-----BEGIN PRIVATE KEY-----\nsecretsecret\n-----END PRIVATE KEY-----"
    with pytest.raises(BadParameter) as refused:
        PrivateKey.from_pem(text)
    assert "secretsecret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "text", ["", "rubbish", "ssh-ed25519 AAAA", "-----BEGIN PUBLIC KEY-----\n", "x" * 100_000, "é"]
)
def test_rubbish_is_no_key(text: str) -> None:
    for read in (PublicKey.from_text, PublicKey.from_pem, PublicKey.from_ssh, PrivateKey.from_pem):
        with pytest.raises(BadParameter):
            read(text)


def test_weak_and_foreign_keys_are_refused(tmp_path: Path) -> None:
    subprocess.run(["openssl", "genrsa", "-out", tmp_path / "small", "1024"], check=True, capture_output=True)
    with pytest.raises(BadParameter, match="1024 bits"):
        PrivateKey.from_pem((tmp_path / "small").read_text())
    subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", tmp_path / "x"], check=True)
    with pytest.raises(TeleportError, match="not accepted"):
        PrivateKey.from_pem((tmp_path / "x").read_text())
