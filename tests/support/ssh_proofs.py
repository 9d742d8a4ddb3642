"""How a client proves to hold the key of its certificate (RFC 4252 section 7), piece by piece."""

from __future__ import annotations

import base64

import raw_ssh as raw
from raw_ssh import Boolean, RawClient, String
from ssh_post import ME, Person

from teleport.credentials.keys import PrivateKey


def blob(person: Person) -> bytes:
    return base64.b64decode((person.directory / "id-cert.pub").read_text().split()[1])


def request(person: Person, signed: bool) -> bytes:
    algorithm = String(b"ssh-ed25519-cert-v01@openssh.com")
    return b"".join(
        (String(ME.encode()), String(b"ssh-connection"), String(b"publickey"), Boolean(signed), algorithm,
         String(blob(person)))
    )  # fmt: skip


def signature(client: RawClient, key: PrivateKey, body: bytes) -> bytes:
    signed = key.sign(String(client._session_id) + bytes((raw.USERAUTH_REQUEST,)) + body)
    return String(String(b"ssh-ed25519") + String(signed))


def key_of(person: Person) -> PrivateKey:
    return PrivateKey.from_pem(person.key.read_bytes())
