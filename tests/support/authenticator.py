"""An authenticator in software: what a security key, or a browser with a passkey, does, in the browser's JSON.

It makes real structures (client data, authenticator data, COSE key, packed attestation) from the published format
and shares no code with the side that verifies them, except for CBOR.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40

Json = dict[str, Any]


@dataclass
class Passkey:
    """One credential inside the authenticator."""

    credential_id: bytes
    key: ec.EllipticCurvePrivateKey
    rp_id: str
    user_handle: bytes
    discoverable: bool
    counter: int = 0


@dataclass
class Attester:
    """The maker's key and certificate, put into every device of a make."""

    key: ec.EllipticCurvePrivateKey
    chain: list[x509.Certificate]


class Refused(Exception):
    """The authenticator has no credential for this, as a browser's NotAllowedError."""


class SoftwareAuthenticator:
    """Registers and proves. `origin` is the page that asks; `verifies_user` says it checks a finger or a PIN."""

    aaguid = bytes.fromhex("7e1e9e0700000000000000007e1e9e07")

    def __init__(
        self, origin: str = "https://localhost:3080", *, verifies_user: bool = True, attester: Attester | None = None
    ) -> None:
        self.origin = origin
        self.verifies_user = verifies_user
        self.attester = attester
        self.passkeys: list[Passkey] = []

    def create(self, options: Mapping[str, Any]) -> Json:
        """What `navigator.credentials.create(options)` gives, as JSON."""
        asked = options["publicKey"]
        if any(self._held(item["id"], asked["rp"]["id"]) for item in asked.get("excludeCredentials", [])):
            raise Refused("already registered")
        selection = asked.get("authenticatorSelection", {})
        passkey = Passkey(
            credential_id=secrets.token_bytes(32),
            key=ec.generate_private_key(ec.SECP256R1()),
            rp_id=asked["rp"]["id"],
            user_handle=_bytes(asked["user"]["id"]),
            discoverable=selection.get("residentKey") in ("required", "preferred"),
        )
        self._check_verification(selection)
        self.passkeys.append(passkey)
        client_data = self._client_data("webauthn.create", asked["challenge"])
        data = self._authenticator_data(passkey, ATTESTED) + self._attested(passkey)
        form, statement = self._statement(asked, data + hashlib.sha256(client_data).digest())
        attestation = cbor.encode({"fmt": form, "attStmt": statement, "authData": data})
        return self._credential(
            passkey,
            {
                "clientDataJSON": _text(client_data),
                "attestationObject": _text(attestation),
                "authenticatorData": _text(data),
                "publicKeyAlgorithm": -7,
                "transports": ["usb"],
            },
        )

    def get(self, options: Mapping[str, Any]) -> Json:
        """What `navigator.credentials.get(options)` gives, as JSON."""
        asked = options["publicKey"]
        passkey = self._choose(asked)
        self._check_verification(asked)
        passkey.counter += 1
        client_data = self._client_data("webauthn.get", asked["challenge"])
        data = self._authenticator_data(passkey)
        signature = passkey.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": _text(client_data),
            "authenticatorData": _text(data),
            "signature": _text(signature),
        }
        if passkey.discoverable:
            response["userHandle"] = _text(passkey.user_handle)
        return self._credential(passkey, response)

    def create_json(self, options: str | bytes) -> bytes:
        """`create` from and to JSON text."""
        return json.dumps(self.create(json.loads(options))).encode()

    def get_json(self, options: str | bytes) -> bytes:
        """`get` from and to JSON text."""
        return json.dumps(self.get(json.loads(options))).encode()

    def _choose(self, asked: Mapping[str, Any]) -> Passkey:
        allowed = asked.get("allowCredentials", [])
        if allowed:
            held = [passkey for item in allowed if (passkey := self._held(item["id"], asked["rpId"]))]
        else:
            held = [passkey for passkey in self.passkeys if passkey.discoverable and passkey.rp_id == asked["rpId"]]
        if not held:
            raise Refused("no credential for this")
        return held[-1]

    def _held(self, credential_id: str, rp_id: str) -> Passkey | None:
        wanted = _bytes(credential_id)
        return next((key for key in self.passkeys if key.credential_id == wanted and key.rp_id == rp_id), None)

    def _check_verification(self, asked: Mapping[str, Any]) -> None:
        if asked.get("userVerification") == "required" and not self.verifies_user:
            raise Refused("this authenticator cannot verify its user")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said, separators=(",", ":")).encode()

    def _authenticator_data(self, passkey: Passkey, flags: int = 0) -> bytes:
        flags |= USER_PRESENT | (USER_VERIFIED if self.verifies_user else 0)
        return hashlib.sha256(passkey.rp_id.encode()).digest() + bytes([flags]) + passkey.counter.to_bytes(4, "big")

    def _attested(self, passkey: Passkey) -> bytes:
        point = passkey.key.public_key().public_numbers()
        key = cbor.encode({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        return self.aaguid + len(passkey.credential_id).to_bytes(2, "big") + passkey.credential_id + key

    def _statement(self, asked: Mapping[str, Any], signed: bytes) -> tuple[str, Json]:
        if self.attester is None or asked.get("attestation") != "direct":
            return "none", {}
        signature = self.attester.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        chain = [certificate.public_bytes(serialization.Encoding.DER) for certificate in self.attester.chain]
        return "packed", {"alg": -7, "sig": signature, "x5c": chain}

    def _credential(self, passkey: Passkey, response: Json) -> Json:
        return {
            "id": _text(passkey.credential_id),
            "rawId": _text(passkey.credential_id),
            "type": "public-key",
            "response": response,
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {},
        }


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
