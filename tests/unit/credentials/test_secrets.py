from __future__ import annotations

import pytest

from teleport.credentials import sealing, tokens
from teleport.credentials.keys import PrivateKey
from teleport.credentials.keystore.keystore import KeyReference, Keystore
from teleport.credentials.keystore.software import SoftwareKeystore
from teleport.credentials.sealing import Box
from teleport.foundation.errors import BadParameter, NotAuthenticated


def test_tokens_are_sixteen_random_bytes_in_hex() -> None:
    made = {tokens.random_token() for _ in range(100)}
    assert len(made) == 100
    assert all(len(bytes.fromhex(token)) == 16 for token in made)
    assert len(tokens.random_token(32)) == 64


def test_uuids_are_of_the_random_kind() -> None:
    made = tokens.new_uuid()
    assert made[14] == "4"
    assert made != tokens.new_uuid()


def test_comparison_and_digest() -> None:
    assert tokens.equal("a\ud800", "a\ud800")
    assert not tokens.equal("a", "b")
    assert tokens.digest("a") == tokens.digest("a") != tokens.digest("b")
    assert "a" * 8 not in tokens.digest("a" * 8)


def test_a_box_opens_with_its_key_for_its_purpose() -> None:
    box = Box(sealing.new_key())
    sealed = box.seal(b"secret", "console login")
    assert b"secret" not in sealed
    assert box.open(sealed, "console login") == b"secret"
    assert box.seal(b"secret", "console login") != sealed
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for refused in (changed, b"", sealed[:20], b"\x02" + sealed[1:]):
        with pytest.raises(NotAuthenticated):
            box.open(refused, "console login")
    with pytest.raises(NotAuthenticated):
        Box(sealing.new_key()).open(sealed, "console login")
    with pytest.raises(BadParameter):
        Box(b"short")


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ed25519"])
async def test_a_software_key_is_found_again_by_its_reference(kind: str) -> None:
    store: Keystore = SoftwareKeystore()
    reference = await store.generate(kind)  # type: ignore[arg-type]
    signer = store.signer(reference)
    assert signer.public.kind == kind
    assert signer.public.verify(signer.sign(b"x"), b"x")
    other = await store.generate(kind)  # type: ignore[arg-type]
    swapped = KeyReference(store="software", public_key=other.public_key, secret=reference.secret)
    foreign = KeyReference(store="pkcs11", public_key=reference.public_key, secret=reference.secret)
    for wrong in (swapped, foreign):
        with pytest.raises(BadParameter):
            store.signer(wrong)


async def test_a_reference_does_not_show_its_secret() -> None:
    reference = await SoftwareKeystore().generate("ed25519")
    assert PrivateKey.from_pem(reference.secret).pem() == reference.secret
    assert reference.secret.splitlines()[1] not in repr(reference) + str(reference)
