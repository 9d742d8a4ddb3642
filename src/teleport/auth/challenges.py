"""Challenges that wait for an answer: kept in the store for any auth server, good once, five minutes."""

from __future__ import annotations

import base64

import msgspec

from teleport.credentials.webauthn import Challenge
from teleport.foundation.errors import NotFound
from teleport.storage.store import Store

_PREFIX = "/challenges/"


class WaitingChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """`user` is empty for a passkey login, where the answer tells who it is. `link` ties it to one sign-up link.

    `answered` is the digest of the answer that was accepted to a challenge for a series, `device` whose it was.
    """

    challenge: Challenge
    user: str = ""
    link: str = ""
    answered: str = ""
    device: str = ""


class Challenges:
    """What was asked and not answered yet."""

    def __init__(self, store: Store) -> None:
        self._backend = store.backend

    async def put(self, waiting: WaitingChallenge) -> None:
        await self._backend.create(
            _key(waiting.challenge.challenge), msgspec.json.encode(waiting), expires=waiting.challenge.expires
        )

    async def take(self, challenge: bytes, scope: str) -> WaitingChallenge | None:
        """The challenge an answer names, for this scope, removed unless it may be used again. None: no such."""
        try:
            item = await self._backend.get(_key(challenge))
        except NotFound:
            return None
        waiting = msgspec.json.decode(item.value, type=WaitingChallenge)
        if waiting.challenge.scope != scope:
            return None
        if not waiting.challenge.allow_reuse:
            try:
                await self._backend.delete(item.key, item.revision)
            except NotFound:
                return None  # somebody answered it between our read and now
        return waiting

    async def remember(self, waiting: WaitingChallenge, answered: str, device: str) -> None:
        """The same answer is good again until the challenge expires."""
        kept = msgspec.structs.replace(waiting, answered=answered, device=device)
        await self._backend.put(
            _key(waiting.challenge.challenge), msgspec.json.encode(kept), expires=waiting.challenge.expires
        )


def _key(challenge: bytes) -> str:
    return _PREFIX + base64.urlsafe_b64encode(challenge).decode().rstrip("=")
