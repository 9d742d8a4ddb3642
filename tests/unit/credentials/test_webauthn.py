from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from authenticator import Refused, SoftwareAuthenticator
from authorities import NOW

from teleport.credentials import webauthn
from teleport.credentials.webauthn import Challenge, Credential, RelyingParty
from teleport.foundation.errors import BadParameter, NotAuthenticated

PARTY = RelyingParty(id="localhost", origins=("https://localhost:3080", "https://proxy.localhost:443"))
HANDLE = webauthn.new_user_handle()


def register(
    authenticator: SoftwareAuthenticator,
    *,
    passwordless: bool = False,
    party: RelyingParty = PARTY,
    existing: tuple[Credential, ...] = (),
) -> Credential:
    options, challenge = webauthn.begin_registration(
        party, HANDLE, "alice", existing, NOW, passwordless=passwordless, scope="sign-up"
    )
    kept = msgspec.json.decode(msgspec.json.encode(challenge), type=Challenge)
    answer = webauthn.parse_registration(authenticator.create_json(msgspec.json.encode(options)))
    assert webauthn.challenge_of(answer) == challenge.challenge
    return webauthn.finish_registration(party, kept, answer, NOW, scope="sign-up")


def prove(
    authenticator: SoftwareAuthenticator, *devices: Credential, passwordless: bool = False
) -> webauthn.Assertion:
    options, challenge = webauthn.begin_authentication(PARTY, devices, NOW, passwordless=passwordless)
    kept = msgspec.json.decode(msgspec.json.encode(challenge), type=Challenge)
    answer = webauthn.parse_authentication(authenticator.get_json(msgspec.json.encode(options)))
    if passwordless:
        assert webauthn.user_handle_of(answer) == HANDLE
    return webauthn.finish_authentication(PARTY, kept, answer, devices, NOW)


def test_a_key_is_registered_and_proves_itself_again_and_again() -> None:
    key = SoftwareAuthenticator(verifies_user=False)
    device = register(key)
    assert device.user_handle == HANDLE
    assert device.relying_party == "localhost"
    assert device.transports == ("usb",)
    assert device.aaguid == "7e1e9e07-0000-0000-0000-00007e1e9e07"
    assert not device.passwordless
    for count in (1, 2, 3):
        proof = prove(key, device)
        assert proof.credential.sign_count == count
        assert not proof.user_verified
        device = proof.credential


def test_the_right_one_of_several_devices_proves() -> None:
    one, two = SoftwareAuthenticator(), SoftwareAuthenticator()
    devices = register(one), register(two)
    assert prove(two, *devices).credential.credential_id == devices[1].credential_id
    with pytest.raises(Refused):
        register(one, existing=devices)


def test_a_passkey_logs_in_alone() -> None:
    passkey = SoftwareAuthenticator()
    device = register(passkey, passwordless=True)
    assert device.passwordless
    proof = prove(passkey, device, passwordless=True)
    assert proof.user_verified
    assert prove(passkey, proof.credential).credential.sign_count == 2


def test_every_allowed_origin_counts_with_its_port() -> None:
    for origin in PARTY.origins[0], "https://proxy.localhost":
        key = SoftwareAuthenticator(origin)
        assert prove(key, register(key)).credential
    assert webauthn.web_origin("Proxy.Example.com", 443) == "https://proxy.example.com"
    assert webauthn.web_origin("proxy.example.com", 3080) == "https://proxy.example.com:3080"
    assert webauthn.web_origin("::1", 3080) == "https://[::1]:3080"


def test_an_authenticator_that_never_counts_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    key = SoftwareAuthenticator()
    device = register(key)
    for _ in range(2):
        key.passkeys[0].counter = -1
        assert prove(key, device).credential.sign_count == 0


def test_options_say_what_the_ceremony_needs() -> None:
    options, _ = webauthn.begin_registration(PARTY, HANDLE, "alice", (), NOW, passwordless=True)
    asked = msgspec.json.decode(msgspec.json.encode(options))["publicKey"]
    assert asked["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert asked["rp"] == {"name": "Teleport", "id": "localhost"}
    assert asked["user"]["displayName"] == "alice"
    assert {"alg": -7, "type": "public-key"} in asked["pubKeyCredParams"]
    assert asked["attestation"] == "none"
    login, _ = webauthn.begin_authentication(PARTY, (), NOW, passwordless=True)
    assert login.public_key.allow_credentials == []
    assert login.public_key.user_verification == "required"


def test_there_is_nothing_to_ask_of_somebody_without_devices() -> None:
    device = register(SoftwareAuthenticator())
    elsewhere = msgspec.structs.replace(device, relying_party="other.example.com")
    for devices in ((), (elsewhere,)):
        with pytest.raises(BadParameter, match="no security key"):
            webauthn.begin_authentication(PARTY, devices, NOW)


def test_answers_come_in_time() -> None:
    key = SoftwareAuthenticator()
    device = register(key)
    options, challenge = webauthn.begin_authentication(PARTY, [device], NOW)
    answer = webauthn.parse_authentication(key.get_json(msgspec.json.encode(options)))
    with pytest.raises(NotAuthenticated, match="expired"):
        webauthn.finish_authentication(PARTY, challenge, answer, [device], NOW + timedelta(minutes=5))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b'{"id":1}', b"x" * 200_000])
def test_rubbish_is_no_response(raw: bytes) -> None:
    for parse in (webauthn.parse_registration, webauthn.parse_authentication):
        with pytest.raises(BadParameter):
            parse(raw)
