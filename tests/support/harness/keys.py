"""People with a security key in software: signing up with it, and programs that find it plugged in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ctap_key import SoftwareKey
from fido2.client import DefaultClientDataCollector, Fido2Client
from harness.cluster import Finished, run
from harness.people import PASSWORD, Browser, Person, converse

_WITH_KEY = str(Path(__file__).with_name("with_key.py"))


def with_key(person: Person, *words: str, program: str = "tsh") -> list[str]:
    """The program with the person's security key plugged in."""
    return [sys.executable, _WITH_KEY, str(person.home / "key.json"), program, *words]


def sign_up_with_key(person: Person, token: str, *, passkey: bool = False) -> Browser:
    """Password and key; the key is the person's only device."""
    person.home.mkdir(parents=True, exist_ok=True)
    browser = Browser(person.cluster.proxy)
    path = f"/webapi/mfa/token/{token}/registerchallenge"
    usage = "passwordless" if passkey else "mfa"
    asked = browser.call("POST", path, {"deviceType": "webauthn", "deviceUsage": usage})
    origin = DefaultClientDataCollector(f"https://{person.cluster.proxy}")
    client = Fido2Client(SoftwareKey(person.home / "key.json"), origin)
    made = client.make_credential(asked["webauthn"]["publicKey"])
    answer = {
        "token": token,
        "password": PASSWORD,
        "webauthnCreationResponse": json.loads(json.dumps(dict(made), default=dict)),
        "deviceName": "key",
    }
    browser.bearer = browser.call("PUT", "/webapi/users/password/token", answer)["token"]
    return browser


def log_in_with_key(person: Person, *arguments: str) -> str:
    """`tsh login` on a terminal: the password typed, the key touched."""
    words = ["login", f"--proxy={person.cluster.proxy}", f"--user={person.name}", "--insecure", *arguments]
    return converse(with_key(person, *words), person.environment, [("assword", PASSWORD)])


def run_with_key(person: Person, *words: str, program: str = "tsh", text: str = "") -> Finished:
    """Without a terminal: touching needs none."""
    return run(with_key(person, *words, program=program), person.environment, text)
