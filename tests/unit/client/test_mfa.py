"""Security keys through the real client library, answered to the real verifier."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from ctap_key import SoftwareKey

from teleport.client import mfa, prompt
from teleport.credentials import webauthn
from teleport.credentials.webauthn import Credential, RelyingParty
from teleport.foundation.errors import NotAuthenticated

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PARTY = RelyingParty(id="localhost", origins=("https://localhost:3080",))
ORIGIN = "https://localhost:3080"


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftwareKey:
    made = SoftwareKey(tmp_path / "key.json")
    monkeypatch.setattr(mfa, "_devices", lambda: [made])
    return made


def registered(*, passwordless: bool = False, user: str = "alice", known: tuple[Credential, ...] = ()) -> Credential:
    options, challenge = webauthn.begin_registration(
        PARTY, user.encode() * 8, user, known, NOW, passwordless=passwordless
    )
    answer = mfa.register_security_key(msgspec.json.encode(options), ORIGIN)
    return webauthn.finish_registration(PARTY, challenge, webauthn.parse_registration(answer), NOW)


def proved(credentials: list[Credential], *, passwordless: bool = False) -> webauthn.Assertion:
    options, challenge = webauthn.begin_authentication(PARTY, credentials, NOW, passwordless=passwordless)
    answer = webauthn.parse_authentication(mfa.touch_security_key(msgspec.json.encode(options), ORIGIN))
    return webauthn.finish_authentication(PARTY, challenge, answer, credentials, NOW + timedelta(seconds=1))


def test_a_key_is_registered_and_proves_itself(key: SoftwareKey) -> None:
    credential = registered()
    assert not credential.passwordless
    assert proved([credential]).credential.sign_count == 1


def test_a_passkey_verifies_its_owner_and_says_whose_it_is(key: SoftwareKey) -> None:
    credential = registered(passwordless=True)
    assertion = proved([credential], passwordless=True)
    assert assertion.user_verified
    assert assertion.credential.user_handle == credential.user_handle


def test_of_several_users_on_one_key_the_person_chooses(key: SoftwareKey, monkeypatch: pytest.MonkeyPatch) -> None:
    registered(passwordless=True, user="alice")
    bob = registered(passwordless=True, user="bob")
    offered: list[str] = []

    class Somebody:
        def choose(self, question: str, choices: object) -> int:
            assert isinstance(choices, list)
            offered.extend(choices)
            return choices.index("bob")

    options, challenge = webauthn.begin_authentication(PARTY, (), NOW, passwordless=True)
    talk = prompt.STANDARD
    monkeypatch.setattr(talk, "choose", Somebody().choose)
    answer = webauthn.parse_authentication(mfa.touch_security_key(msgspec.json.encode(options), ORIGIN, talk))
    assert sorted(offered) == ["alice", "bob"]
    assert webauthn.finish_authentication(PARTY, challenge, answer, [bob], NOW).credential.user_handle == b"bob" * 8


def test_a_key_is_registered_once(key: SoftwareKey) -> None:
    credential = registered()
    with pytest.raises(NotAuthenticated, match="registered already"):
        registered(known=(credential,))


def test_a_key_that_knows_nothing_of_the_user_refuses(key: SoftwareKey, tmp_path: Path) -> None:
    credential = registered()
    (tmp_path / "key.json").write_text("[]")
    key.__init__(tmp_path / "key.json")  # type: ignore[misc]
    with pytest.raises(NotAuthenticated, match="none of those"):
        proved([credential])


def test_a_page_of_another_origin_gets_nothing(key: SoftwareKey) -> None:
    credential = registered()
    options, challenge = webauthn.begin_authentication(PARTY, [credential], NOW)
    answer = webauthn.parse_authentication(
        mfa.touch_security_key(msgspec.json.encode(options), "https://localhost:4443")
    )
    with pytest.raises(NotAuthenticated):
        webauthn.finish_authentication(PARTY, challenge, answer, [credential], NOW)
