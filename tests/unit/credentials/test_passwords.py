from __future__ import annotations

import asyncio
import time
import unicodedata

import argon2
import pytest

from teleport.credentials import passwords, recovery
from teleport.foundation.errors import BadParameter, LimitExceeded

GOOD = "correct horse battery"


async def test_the_right_password_and_no_other_is_accepted() -> None:
    stored = await passwords.hash_password(GOOD)
    assert stored.startswith("$argon2id$v=19$m=32768,t=3,p=1$")
    assert await passwords.verify_password(stored, GOOD)
    for wrong in (GOOD.upper(), GOOD + " ", "", "x" * 1_000_000, GOOD[:-1]):
        assert not await passwords.verify_password(stored, wrong)
    assert await passwords.hash_password(GOOD) != stored


async def test_one_password_however_it_is_typed() -> None:
    composed, decomposed = (unicodedata.normalize(form, "pässwörd of mine") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert await passwords.verify_password(await passwords.hash_password(composed), decomposed)


@pytest.mark.parametrize("length", [0, 11, 129, 100_000])
async def test_a_password_has_12_to_128_characters(length: int) -> None:
    with pytest.raises(BadParameter, match="12 to 128 characters") as refused:
        await passwords.hash_password("x" * length)
    assert "xxx" not in str(refused.value)


@pytest.mark.parametrize("length", [12, 128])
def test_the_bounds_themselves_are_fine(length: int) -> None:
    passwords.check_password("한" * length)


async def test_nobody_is_known_by_no_hash_or_a_broken_one() -> None:
    for stored in ("", "rubbish", "$argon2id$v=19$m=32768,t=3,p=1$AAAA$AAAA", "plain " + GOOD):
        assert not await passwords.verify_password(stored, GOOD)


async def test_nobody_takes_as_long_as_somebody() -> None:
    stored = await passwords.hash_password(GOOD)

    async def shortest(known: str, password: str) -> float:
        spent = []
        for _ in range(5):
            begin = time.process_time()
            await passwords.verify_password(known, password)
            spent.append(time.process_time() - begin)
        return min(spent)

    wrong = await shortest(stored, "wrong wrong wrong")
    for nobody in (await shortest("", "wrong wrong wrong"), await shortest(stored, "x" * 5000)):
        assert 0.5 < nobody / wrong < 2


async def test_hashes_of_an_older_cost_are_told() -> None:
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
    assert await passwords.verify_password(old, GOOD)
    assert passwords.needs_rehash(old)
    assert passwords.needs_rehash("rubbish")
    assert not passwords.needs_rehash(await passwords.hash_password(GOOD))


async def test_a_flood_of_logins_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MAX_WAITING", 3)
    answers = await asyncio.gather(*(passwords.verify_password("", GOOD) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(answer, LimitExceeded) for answer in answers) == 2
    assert not await passwords.verify_password("", GOOD)  # and the place is free again


async def test_recovery_codes_are_long_different_and_readable() -> None:
    codes = recovery.generate_codes()
    assert len(set(codes)) == 3
    for code in codes:
        assert code.startswith("tele-")
        assert len(code) == 4 + 5 * 5
        assert not set(code.removeprefix("tele-")) & set("ilo01")


async def test_a_recovery_code_tells_which_hash_it_spends() -> None:
    codes = recovery.generate_codes()
    stored = await recovery.hash_codes(codes)
    assert await recovery.match_code(codes[1].upper().replace("-", " "), stored) == 1
    assert await recovery.match_code(codes[1], stored[:1]) is None
    assert await recovery.match_code("tele-", stored) is None
    assert await recovery.match_code(codes[0], []) is None
