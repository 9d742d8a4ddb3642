"""Rule 60: origin and party must match, a challenge answers once and for its purpose, a cloned key is noticed."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from authenticator import Attester, SoftwareAuthenticator
from authorities import NOW
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import Maker, certificate

from teleport.credentials import webauthn
from teleport.credentials.webauthn import Challenge, Credential, RelyingParty
from teleport.foundation.errors import BadParameter, NotAuthenticated

PARTY = RelyingParty(id="example.com", origins=("https://proxy.example.com:3080",))
HANDLE = webauthn.new_user_handle()
Change = Callable[[dict[str, Any]], None]


def key(origin: str = PARTY.origins[0], **more: Any) -> SoftwareAuthenticator:
    return SoftwareAuthenticator(origin, **more)


def register(
    authenticator: SoftwareAuthenticator, party: RelyingParty = PARTY, *, passwordless: bool = False
) -> Credential:
    options, challenge = webauthn.begin_registration(party, HANDLE, "alice", (), NOW, passwordless=passwordless)
    answer = webauthn.parse_registration(authenticator.create_json(msgspec.json.encode(options)))
    return webauthn.finish_registration(party, challenge, answer, NOW)


def ask(*credentials: Credential, passwordless: bool = False) -> tuple[dict[str, Any], Challenge]:
    options, challenge = webauthn.begin_authentication(PARTY, credentials, NOW, passwordless=passwordless)
    return msgspec.json.decode(msgspec.json.encode(options)), challenge


def finish(
    challenge: Challenge, answer: dict[str, Any], *credentials: Credential, party: RelyingParty = PARTY
) -> Credential:
    response = webauthn.parse_authentication(json.dumps(answer).encode())
    return webauthn.finish_authentication(party, challenge, response, credentials, NOW).credential


def refuse(challenge: Challenge, answer: dict[str, Any], *credentials: Credential, match: str = "refused") -> None:
    with pytest.raises(NotAuthenticated, match=match):
        finish(challenge, answer, *credentials)


ORIGINS = [
    "https://evil.example.org",
    "https://proxy.example.com",
    "https://proxy.example.com:3081",
    "http://proxy.example.com:3080",
    "https://proxy.example.com:3080/",
    "https://proxy.example.com:3080.evil.org",
    "https://evil.proxy.example.com:3080",
    "https://example.com:3080",
    "",
    "null",
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_of_another_origin_gets_nothing(origin: str) -> None:
    with pytest.raises(NotAuthenticated, match="origin"):
        register(key(origin))
    good = key()
    credential = register(good)
    good.origin = origin
    options, challenge = ask(credential)
    refuse(challenge, good.get(options), credential, match="origin")


def test_an_origin_outside_the_party_is_refused_though_it_is_listed() -> None:
    careless = RelyingParty(id="example.com", origins=("https://evil.example.org",))
    with pytest.raises(NotAuthenticated, match="origin"):
        register(key("https://evil.example.org"), careless)


def test_a_key_of_another_party_is_refused() -> None:
    other = RelyingParty(id="proxy.example.com", origins=PARTY.origins)
    authenticator = key()
    credential = register(authenticator, other)
    options, challenge = webauthn.begin_authentication(other, [credential], NOW)
    answer = authenticator.get(msgspec.json.decode(msgspec.json.encode(options)))
    with pytest.raises(NotAuthenticated, match="RP ID"):
        finish(challenge, answer, credential)


def test_a_frame_of_another_origin_is_refused() -> None:
    authenticator = key()
    credential = register(authenticator)
    options, challenge = ask(credential)
    for said in (True, "false", None, 0):
        refuse(challenge, resigned(authenticator, options, crossOrigin=said), credential, match="another origin")


def resigned(authenticator: SoftwareAuthenticator, options: dict[str, Any], **said: object) -> dict[str, Any]:
    """An answer whose client data say something else, honestly signed."""
    original = authenticator._client_data
    authenticator._client_data = lambda kind, challenge: json.dumps(  # type: ignore[method-assign]
        {**json.loads(original(kind, challenge)), **said}
    ).encode()
    try:
        return authenticator.get(options)
    finally:
        authenticator._client_data = original  # type: ignore[method-assign]


def test_a_replayed_answer_fits_no_other_challenge() -> None:
    authenticator = key()
    credential = register(authenticator)
    options, challenge = ask(credential)
    answer = authenticator.get(options)
    used = finish(challenge, answer, credential)
    _, fresh = ask(used)
    refuse(fresh, answer, used, match=r"[Ww]rong challenge")
    refuse(challenge, answer, used, match="counter")


def test_a_cloned_key_is_noticed() -> None:
    authenticator = key()
    credential = register(authenticator)
    for counter in (10, 11):
        authenticator.passkeys[0].counter = counter
        options, challenge = ask(credential)
        credential = finish(challenge, authenticator.get(options), credential)
    for counter in (3, 11, -1):
        authenticator.passkeys[0].counter = counter
        options, challenge = ask(credential)
        refuse(challenge, authenticator.get(options), credential, match="may be cloned")


def test_a_challenge_serves_one_purpose_scope_and_time() -> None:
    authenticator = key()
    credential = register(authenticator)
    options, challenge = webauthn.begin_authentication(PARTY, [credential], NOW, scope="login")
    response = webauthn.parse_authentication(authenticator.get_json(msgspec.json.encode(options)))
    for scope in ("admin", ""):
        with pytest.raises(NotAuthenticated, match="something else"):
            webauthn.finish_authentication(PARTY, challenge, response, [credential], NOW, scope=scope)
    with pytest.raises(NotAuthenticated, match="expired"):
        webauthn.finish_authentication(
            PARTY, challenge, response, [credential], NOW + timedelta(minutes=6), scope="login"
        )
    _, registration = webauthn.begin_registration(PARTY, HANDLE, "alice", (), NOW, passwordless=False)
    with pytest.raises(NotAuthenticated, match="something else"):
        webauthn.finish_authentication(PARTY, registration, response, [credential], NOW)
    swapped = msgspec.structs.replace(challenge, purpose="registration")
    creation = webauthn.parse_registration(json.dumps(key().create(creation_options(swapped))).encode())
    with pytest.raises(NotAuthenticated, match="something else"):
        webauthn.finish_registration(PARTY, challenge, creation, NOW)


def creation_options(challenge: Challenge) -> dict[str, Any]:
    text = base64.urlsafe_b64encode(challenge.challenge).decode().rstrip("=")
    return {"publicKey": {"rp": {"id": PARTY.id}, "user": {"id": "YQ"}, "challenge": text}}


def test_an_assertion_is_no_registration_and_the_reverse() -> None:
    authenticator = key()
    credential = register(authenticator)
    options, challenge = ask(credential)
    refuse(challenge, resigned(authenticator, options, type="webauthn.create"), credential, match="type")


def test_somebody_elses_key_is_refused() -> None:
    alice, mallory = key(), key()
    hers, his = register(alice), register(mallory)
    options, challenge = ask(hers)
    stolen = mallory.get(
        {"publicKey": {**options["publicKey"], "allowCredentials": [{"id": text(his.credential_id)}]}}
    )
    refuse(challenge, stolen, hers, his, match="not one that was asked for")
    renamed = {**stolen, "id": text(hers.credential_id), "rawId": text(hers.credential_id)}
    refuse(challenge, renamed, hers, his, match="signature")


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_passkey_login_needs_a_passkey_its_owner_and_a_verified_user() -> None:
    plain, passkey = key(), key()
    second_factor, alone = register(plain), register(passkey, passwordless=True)
    options, challenge = ask(passwordless=True)
    plain.passkeys[0].discoverable = True
    refuse(challenge, plain.get(options), second_factor, alone, match="not registered for login without")
    passkey.verifies_user = False
    lenient = {"publicKey": {**options["publicKey"], "userVerification": "discouraged"}}
    refuse(challenge, passkey.get(lenient), alone, match="verifi")
    passkey.verifies_user = True
    answer = passkey.get(options)
    for handle in (text(b"somebody else"), None):
        changed = {**answer, "response": {**answer["response"], "userHandle": handle}}
        refuse(challenge, changed, alone, match=r"belongs to somebody else|not registered for login without")
    with pytest.raises(NotAuthenticated, match="whose"):
        webauthn.user_handle_of(webauthn.parse_authentication(json.dumps(plain_answer(answer)).encode()))
    assert finish(challenge, answer, alone)


def plain_answer(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "response": {name: value for name, value in answer["response"].items() if name != "userHandle"}}


def test_without_a_touch_there_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator = key()
    credential = register(authenticator)
    monkeypatch.setattr("authenticator.USER_PRESENT", 0)
    options, challenge = ask(credential)
    refuse(challenge, authenticator.get(options), credential, match=r"user [Pp]resent")
    with pytest.raises(NotAuthenticated, match=r"user [Pp]resent"):
        register(key())


def test_one_key_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    authenticator = key()
    credential = register(authenticator)
    options, challenge = webauthn.begin_registration(PARTY, HANDLE, "alice", [credential], NOW, passwordless=False)
    asked = msgspec.json.decode(msgspec.json.encode(options))
    asked["publicKey"]["excludeCredentials"] = []
    monkeypatch.setattr("authenticator.secrets.token_bytes", lambda _: credential.credential_id)
    answer = webauthn.parse_registration(json.dumps(authenticator.create(asked)).encode())
    with pytest.raises(NotAuthenticated, match="registered already"):
        webauthn.finish_registration(PARTY, challenge, answer, NOW)


GOOD, BAD = Maker("Good Keys"), Maker("Bad Keys")
STRICT = RelyingParty(id=PARTY.id, origins=PARTY.origins, attestation_allowed_cas=(GOOD.pem,))
WARY = RelyingParty(id=PARTY.id, origins=PARTY.origins, attestation_denied_cas=(BAD.pem,))


def test_only_allowed_makes_are_registered() -> None:
    assert register(key(attester=GOOD.attester()), STRICT).attestation_format == "packed"
    assert register(key(attester=GOOD.attester()), WARY)
    for party, attester in ((STRICT, BAD.attester()), (WARY, BAD.attester()), (STRICT, None), (WARY, None)):
        with pytest.raises(NotAuthenticated, match="its make"):
            register(key(attester=attester), party)


def test_a_make_is_not_pretended() -> None:
    pretender = Attester(ec.generate_private_key(ec.SECP256R1()), [GOOD.device])
    below = certificate("fake", BAD.device_key, "Good Keys device", GOOD.device_key, is_authority=False)
    unrelated = Attester(BAD.device_key, [BAD.device, GOOD.root])
    for attester in (pretender, Attester(BAD.device_key, [below, GOOD.device]), unrelated):
        with pytest.raises(NotAuthenticated):
            register(key(attester=attester), STRICT)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_a_stranger_sends_is_refused_or_read_never_raised_at(data: st.DataObject) -> None:
    authenticator = key()
    options, challenge = webauthn.begin_registration(PARTY, HANDLE, "alice", (), NOW, passwordless=False)
    answer = authenticator.create(msgspec.json.decode(msgspec.json.encode(options)))
    member = data.draw(st.sampled_from(["clientDataJSON", "attestationObject"]))
    raw = bytearray(base64.urlsafe_b64decode(answer["response"][member] + "=="))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position : position + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    answer["response"][member] = text(bytes(raw))
    with contextlib.suppress(NotAuthenticated, BadParameter):
        webauthn.finish_registration(PARTY, challenge, webauthn.parse_registration(json.dumps(answer).encode()), NOW)
