"""Everything that is read before its sender is known: refused or read, never an error of another kind."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable

import msgspec
import pytest
from authenticator import SoftwareAuthenticator
from authorities import NOW, Authority, alice, host
from hypothesis import given, settings
from hypothesis import strategies as st

from teleport.credentials import jwt, peers, ssh_certificates, webauthn, x509
from teleport.credentials.keys import PrivateKey, PublicKey
from teleport.credentials.webauthn import RelyingParty
from teleport.foundation.errors import BadParameter, NotAuthenticated

USER, HOST = Authority("user"), Authority("host")
TRUSTED = [USER.trusted, HOST.trusted]
KEY = PrivateKey.generate("ecdsa-p256")
REFUSALS = (BadParameter, NotAuthenticated)

DER = x509.to_der(x509.issue_user(alice(), KEY.public, USER.tls, NOW))
USER_LINE = ssh_certificates.issue_user(alice(), KEY.public, USER.ssh, NOW)
HOST_LINE = ssh_certificates.issue_host(host(), KEY.public, HOST.ssh, NOW, ["web-1"])
SAID = {"iss": "example", "aud": "app", "sub": "alice", "exp": int(NOW.timestamp()) + 600}
TOKEN = jwt.sign(SAID, KEY)
PARTY = RelyingParty(id="localhost", origins=("https://localhost:3080",))

cuts = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 6), st.binary(max_size=8)), min_size=1, max_size=4)


def damaged(raw: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    out = bytearray(raw)
    for position, removed, added in changes:
        at = position % (len(out) + 1)
        out[at : at + removed] = added
    return bytes(out)


def blob(line: str) -> bytes:
    return base64.b64decode(line.split()[1])


def line_of(kind: str, raw: bytes) -> str:
    return f"{kind} {base64.b64encode(raw).decode()}"


@given(cuts)
@settings(max_examples=200, deadline=None)
def test_x509(changes: list[tuple[int, int, bytes]]) -> None:
    changed = damaged(DER, changes)
    if changed == DER:
        assert peers.verify_peer(changed, TRUSTED, NOW) == alice()
    else:
        with pytest.raises(NotAuthenticated):
            peers.verify_peer(changed, TRUSTED, NOW)


@given(cuts, st.booleans())
@settings(max_examples=200, deadline=None)
def test_ssh(changes: list[tuple[int, int, bytes]], is_user: bool) -> None:
    original = USER_LINE if is_user else HOST_LINE
    changed = line_of(original.split()[0], damaged(blob(original), changes))
    if changed == original:
        return
    with pytest.raises(NotAuthenticated):
        ssh_certificates.verify_user(changed, TRUSTED, "root", NOW, "")
    with pytest.raises(NotAuthenticated):
        ssh_certificates.verify_host(changed, TRUSTED, ["web-1"], NOW)


@given(st.text(max_size=200) | st.text("ssh-ed25519cert@openm.AB =\n", max_size=200))
@settings(max_examples=100, deadline=None)
def test_text_for_a_key_or_certificate(text: str) -> None:
    readers: list[Callable[[str], object]] = [
        PublicKey.from_text,
        PrivateKey.from_pem,
        ssh_certificates.read_user,
        ssh_certificates.read_host,
        x509.load,
    ]
    for read in readers:
        with contextlib.suppress(BadParameter):
            read(text)


@given(cuts)
@settings(max_examples=200, deadline=None)
def test_tokens(changes: list[tuple[int, int, bytes]]) -> None:
    changed = damaged(TOKEN.encode(), changes).decode("latin-1")
    if changed != TOKEN:
        with pytest.raises(NotAuthenticated):
            jwt.verify(changed, [KEY.public], dict[str, object], audience="app", issuer="example", now=NOW)


@given(cuts, st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "userHandle"]))
@settings(max_examples=150, deadline=None)
def test_assertions(changes: list[tuple[int, int, bytes]], member: str) -> None:
    authenticator = SoftwareAuthenticator()
    handle = b"handle"
    options, challenge = webauthn.begin_registration(PARTY, handle, "alice", (), NOW, passwordless=True)
    created = authenticator.create_json(msgspec.json.encode(options))
    known = webauthn.finish_registration(PARTY, challenge, webauthn.parse_registration(created), NOW)
    asked, challenge = webauthn.begin_authentication(PARTY, [known], NOW, passwordless=True)
    answer = json.loads(authenticator.get_json(msgspec.json.encode(asked)))
    raw = base64.urlsafe_b64decode(answer["response"][member] + "==")
    changed = damaged(raw, changes)
    answer["response"][member] = base64.urlsafe_b64encode(changed).decode().rstrip("=")
    response = webauthn.parse_authentication(json.dumps(answer).encode())
    for look in (webauthn.challenge_of, webauthn.user_handle_of):
        with contextlib.suppress(NotAuthenticated):
            look(response)
    if changed == raw:
        assert webauthn.finish_authentication(PARTY, challenge, response, [known], NOW)
    else:
        with pytest.raises(NotAuthenticated):
            webauthn.finish_authentication(PARTY, challenge, response, [known], NOW)
