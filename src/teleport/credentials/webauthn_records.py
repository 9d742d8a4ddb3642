"""What WebAuthn needs kept between its halves and between its uses. Nothing in it is secret."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from fido2.rpid import verify_rp_id


class RelyingParty(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. `id` is a domain; `origins` are exact, with port, each inside it: `https://example.com:3080`.

    Attestation is demanded when one of the lists (PEM) is not empty: a device must descend from an allowed authority,
    if any is named, and from no denied one.
    """

    id: str
    origins: tuple[str, ...]
    name: str = "Teleport"
    attestation_allowed_cas: tuple[str, ...] = ()
    attestation_denied_cas: tuple[str, ...] = ()

    @property
    def conveyance(self) -> Literal["direct", "none"]:
        """Whether a device must say what make it is."""
        return "direct" if self.attestation_allowed_cas or self.attestation_denied_cas else "none"

    def is_origin(self, origin: str) -> bool:
        """Whether a page of `origin` may ask for this party: listed, exactly, and inside the party's domain."""
        return origin in {_normal_origin(known) for known in self.origins} and verify_rp_id(self.id, origin)


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a device; nothing in it is secret. `public_key` is COSE, `relying_party` its domain."""

    credential_id: bytes
    public_key: bytes
    user_handle: bytes
    sign_count: int = 0
    aaguid: str = ""
    passwordless: bool = False
    attestation_format: str = "none"
    attestation_object: bytes = b""
    transports: tuple[str, ...] = ()
    relying_party: str = ""


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept until the answer comes: for five minutes, for one answer unless `allow_reuse`. Serialises to JSON.

    `scope` is the caller's word for what the answer will allow. `credentials` are those that may answer, or at
    registration those already there.
    """

    purpose: Literal["registration", "authentication"]
    challenge: bytes
    expires: datetime
    passwordless: bool = False
    user_handle: bytes = b""
    credentials: tuple[bytes, ...] = ()
    scope: str = ""
    allow_reuse: bool = False


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """A proof. `credential` carries the new sign count: store it by compare-and-swap before letting anyone in."""

    credential: Credential
    user_verified: bool


def web_origin(host: str, port: int = 443) -> str:
    """The origin of a page at `host`, as browsers write it."""
    shown = f"[{host}]" if ":" in host else host.lower()
    return f"https://{shown}" if port == 443 else f"https://{shown}:{port}"


def _normal_origin(origin: str) -> str:
    parts = urlsplit(origin)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port not in (None, default) else "")
