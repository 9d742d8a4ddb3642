"""Signatures of webhooks: id, time and body are bound together, and a secret that is short is refused."""

from __future__ import annotations

import pytest

from teleport.credentials.webhook_signatures import check_secret, is_signed, sign
from teleport.foundation.errors import BadParameter

SECRET = "a secret that nobody would guess at all"


def test_a_signature_holds_for_what_was_signed_alone() -> None:
    signature = sign(SECRET, "one", 7, b"body")
    assert is_signed(SECRET, "one", 7, b"body", signature)
    assert is_signed(SECRET, "one", 7, b"body", f"v1=00, {signature}")
    assert not is_signed(SECRET, "two", 7, b"body", signature)
    assert not is_signed(SECRET, "one", 8, b"body", signature)
    assert not is_signed(SECRET, "one", 7, b"bodY", signature)
    assert not is_signed(SECRET + "!", "one", 7, b"body", signature)
    assert not is_signed(SECRET, "one", 7, b"body", "")
    assert not is_signed(SECRET, "one", 7, b"body", "\ud800")


def test_the_form_is_fixed() -> None:
    """So that a receiver in another language can be written from the guide."""
    assert sign(SECRET, "one", 7, b"body") == ("v1=1aa78b3b484857ae70fba2f24ead157dab7769353ce4fad65932211d296ded01")


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_short_secrets_are_refused(secret: str) -> None:
    with pytest.raises(BadParameter):
        check_secret(secret)
