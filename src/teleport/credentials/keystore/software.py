"""Keys in our own storage: the reference holds the private key in PEM, so it is stored among the secrets."""

from __future__ import annotations

from teleport.credentials import keys
from teleport.credentials.keys import KeyKind, PrivateKey, PublicKey, Signer
from teleport.credentials.keystore.keystore import KeyReference
from teleport.foundation.errors import BadParameter


class SoftwareKeystore:
    """A Keystore without a state of its own."""

    name = "software"

    async def generate(self, kind: KeyKind) -> KeyReference:
        key = await keys.generate(kind)
        return KeyReference(store=self.name, public_key=key.public.pem, secret=key.pem())

    def signer(self, reference: KeyReference) -> Signer:
        """Raises BadParameter for a reference of another store, or whose halves do not go together."""
        if reference.store != self.name:
            raise BadParameter(f"key of store {reference.store!r} asked of store {self.name!r}")
        key = PrivateKey.from_pem(reference.secret)
        if key.public != PublicKey.from_pem(reference.public_key):
            raise BadParameter(f"private key {key.public.fingerprint} does not belong to its public key")
        return key
