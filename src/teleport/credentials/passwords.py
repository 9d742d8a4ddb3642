"""Passwords: the rule for new ones, and argon2id hashes that take as long for nobody as for somebody."""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from teleport.foundation.errors import BadParameter, LimitExceeded

MIN_LENGTH, MAX_LENGTH = 12, 128

# about 60 ms and 32 MiB each; two at a time bound what a flood of logins may cost
_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
_WORKERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")
_MAX_WAITING = 128
# nobody's password, of the same cost: the hash of 32 random bytes that were thrown away
_DUMMY = "$argon2id$v=19$m=32768,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class _Queue:
    """How many wait for a hash."""

    waiting = 0


def check_password(password: str) -> None:
    """The rule for a new password. Raises BadParameter."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise BadParameter(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters, this one has {len(password)}")


async def hash_password(password: str) -> str:
    """The hash to store, in the usual `$argon2id$…` form. Raises BadParameter for a password against the rule."""
    check_password(password)
    return await _in_thread_hash(password)


async def verify_password(stored: str, password: str) -> bool:
    """Whether `password` is the one hashed as `stored`.

    `stored` is empty for an unknown user or one without password: then the same work is done and the answer is no.
    Raises LimitExceeded when too many are waiting.
    """
    if _Queue.waiting >= _MAX_WAITING:
        raise LimitExceeded("too many logins at once, try again in a moment")
    _Queue.waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_WORKERS, _verify, stored, password)
    finally:
        _Queue.waiting -= 1


def needs_rehash(stored: str) -> bool:
    """Whether a hash that was just verified is of an older cost: hash the password anew and store it."""
    try:
        return _HASHER.check_needs_rehash(stored)
    except InvalidHashError:
        return True


async def hash_code(code: str) -> str:
    """As `hash_password`, for secrets that people did not choose."""
    return await _in_thread_hash(code)


async def _in_thread_hash(text: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_WORKERS, _HASHER.hash, _normal(text))


def _verify(stored: str, password: str) -> bool:
    # over-long guesses are cut, not skipped: they cost what others cost and still match nothing
    is_possible = bool(stored) and len(password) <= MAX_LENGTH
    try:
        return _HASHER.verify(stored if is_possible else _DUMMY, _normal(password[:MAX_LENGTH])) and is_possible
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> bytes:
    """One password however a keyboard composes its characters; bytes that are no text stay what they are."""
    return unicodedata.normalize("NFKC", password).encode(errors="surrogatepass")
