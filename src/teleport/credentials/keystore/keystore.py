"""The promise of a key store."""

from __future__ import annotations

from typing import Protocol

import msgspec

from teleport.credentials.keys import KeyKind, Signer


class KeyReference(msgspec.Struct, frozen=True, kw_only=True):
    """Names a key in a key store. `secret` is the private key itself in the software store, else a handle."""

    store: str
    public_key: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyReference(store={self.store!r})"


class Keystore(Protocol):
    """Makes and uses private keys. `name` is what references of this store carry."""

    name: str

    async def generate(self, kind: KeyKind) -> KeyReference: ...

    def signer(self, reference: KeyReference) -> Signer:
        """Raises BadParameter for a reference of another store or one that does not match its public key."""
        ...
