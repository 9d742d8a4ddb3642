"""Recovery codes: what a person writes down to get back in without her second factor. Each is good once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from teleport.credentials import passwords

# no letters that are mistaken for others on paper
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 5, 4
_PREFIX = "tele"


def generate_codes(count: int = 3) -> list[str]:
    """`tele-abcd-…` with 99 random bits each."""
    return [
        "-".join([_PREFIX, *("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))])
        for _ in range(count)
    ]


async def hash_codes(codes: Sequence[str]) -> list[str]:
    """What to store of them."""
    return [await passwords.hash_code(_normal(code)) for code in codes]


async def match_code(code: str, stored: Sequence[str]) -> int | None:
    """Which stored hash a code belongs to: remove it by compare-and-swap before letting anyone in.

    Every hash is tried, and one is tried where there is none, so that time tells nothing.
    """
    normal = _normal(code)
    answers = [await passwords.verify_password(hashed, normal) for hashed in stored or ("",)]
    return answers.index(True) if any(answers) else None


def _normal(code: str) -> str:
    return "".join(code.lower().replace("-", " ").split())
