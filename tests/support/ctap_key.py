"""A security key in software that speaks CTAP 2.0 to the client library, as one on a USB port would.

What it keeps is in a file, so that several programs can use the same key one after the other. It touches itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.ctap import CtapDevice
from fido2.hid import CAPABILITY

MAKE_CREDENTIAL, GET_ASSERTION, GET_INFO, GET_NEXT_ASSERTION = 0x01, 0x02, 0x04, 0x08
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
OK, EXCLUDED, NO_CREDENTIALS, INVALID_COMMAND = b"\x00", b"\x19", b"\x2e", b"\x01"
_MAKER = bytes.fromhex("7e1e9e0800000000000000007e1e9e08")

_ABILITIES = {
    1: ["FIDO_2_0"],
    3: _MAKER,
    4: {"rk": True, "up": True, "uv": True, "clientPin": False},
    5: 2048,
    6: [1],
}


class SoftwareKey(CtapDevice):
    """`path` holds its credentials; a new file is a new key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
        self._pending: list[bytes] = []

    @property
    def capabilities(self) -> int:
        return int(CAPABILITY.CBOR)

    @classmethod
    def list_devices(cls) -> Iterator[CtapDevice]:
        return iter(())

    def call(self, cmd: int, data: bytes = b"", event: Any = None, on_keepalive: Any = None) -> bytes:
        request: Any = cbor.decode(data[1:]) if len(data) > 1 else {}
        match data[0]:
            case 0x04:
                return OK + cbor.encode(_ABILITIES)
            case 0x01:
                return self._make(request)
            case 0x02:
                return self._assert(request)
            case 0x08:
                return OK + self._pending.pop(0)
            case _:
                return INVALID_COMMAND

    def copy_to(self, path: Path) -> SoftwareKey:
        """A clone, as a thief of its memory would have."""
        path.write_text(json.dumps(self._held))
        return SoftwareKey(path)

    def _make(self, request: Mapping[int, Any]) -> bytes:
        party = request[2]["id"]
        if any(self._find(party, item["id"]) for item in request.get(5, [])):
            return EXCLUDED
        key = ec.generate_private_key(ec.SECP256R1())
        made = {
            "id": secrets.token_hex(32),
            "party": party,
            "user": base64.b64encode(request[3]["id"]).decode(),
            "name": request[3].get("name", ""),
            "resident": bool(request.get(7, {}).get("rk")),
            "counter": 0,
            "key": key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
        }
        self._held.append(made)
        self._save()
        point, identifier = key.public_key().public_numbers(), bytes.fromhex(made["id"])
        cose = cbor.encode({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        attested = _MAKER + len(identifier).to_bytes(2, "big") + identifier + cose
        return OK + cbor.encode({1: "none", 2: _data(made, ATTESTED | PRESENT | VERIFIED) + attested, 3: {}})

    def _assert(self, request: Mapping[int, Any]) -> bytes:
        party, allowed, options = request[1], request.get(3, []), request.get(5, {})
        if allowed:
            found = [held for item in allowed if (held := self._find(party, item["id"])) is not None]
        else:
            found = [held for held in self._held if held["party"] == party and held["resident"]]
        if not found:
            return NO_CREDENTIALS
        flags = (PRESENT if options.get("up", True) else 0) | (VERIFIED if options.get("uv") else 0)
        answers = [self._signed(held, request[2], flags, named=not allowed) for held in found]
        first, self._pending = answers[0], [cbor.encode(answer) for answer in answers[1:]]
        return OK + cbor.encode({**first, 5: len(found)} if len(found) > 1 else first)

    def _signed(self, held: dict[str, Any], digest: bytes, flags: int, *, named: bool) -> dict[int, Any]:
        if flags & PRESENT:
            held["counter"] += 1
            self._save()
        data = _data(held, flags)
        key = serialization.load_pem_private_key(held["key"].encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        user = {"id": base64.b64decode(held["user"])} | ({"name": held["name"]} if named else {})
        return {
            1: {"id": bytes.fromhex(held["id"]), "type": "public-key"},
            2: data,
            3: key.sign(data + digest, ec.ECDSA(hashes.SHA256())),
            **({4: user} if held["resident"] else {}),
        }

    def _find(self, party: str, identifier: bytes) -> dict[str, Any] | None:
        for held in self._held:
            if held["party"] == party and held["id"] == identifier.hex():
                return held
        return None

    def _save(self) -> None:
        self._path.write_text(json.dumps(self._held))


def _data(held: Mapping[str, Any], flags: int) -> bytes:
    party = str(held["party"]).encode()
    return hashlib.sha256(party).digest() + bytes([flags]) + int(held["counter"]).to_bytes(4, "big")
