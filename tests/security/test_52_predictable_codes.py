"""Rule 52: no token, code or key follows from a seed, and none is short enough to be guessed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from teleport.credentials import recovery, sealing, tokens, totp, webauthn

MAKERS: dict[str, Callable[[], object]] = {
    "token": tokens.random_token,
    "uuid": tokens.new_uuid,
    "recovery code": lambda: recovery.generate_codes(1)[0],
    "totp secret": totp.new_secret,
    "sealing key": sealing.new_key,
    "user handle": webauthn.new_user_handle,
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_seeded_generator_changes_nothing(name: str) -> None:
    made = set()
    for _ in range(20):
        random.seed(7)
        made.add(MAKERS[name]())
    assert len(made) == 20


def test_what_admits_its_bearer_has_many_bits() -> None:
    assert len(bytes.fromhex(tokens.random_token())) * 8 >= 128
    letters = recovery.generate_codes(1)[0].removeprefix("tele").replace("-", "")
    alphabet = {letter for code in recovery.generate_codes(200) for letter in code.removeprefix("tele-")} - {"-"}
    assert len(letters) * math.log2(len(alphabet)) >= 96
