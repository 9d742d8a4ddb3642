"""The second factor: a one-time code typed in, or a security key that is plugged in and touched."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from teleport.client import prompt
from teleport.foundation.errors import BadParameter, NotAuthenticated, Unsupported

Mode = Literal["auto", "otp", "cross-platform", "platform"]
MODES: tuple[Mode, ...] = ("auto", "otp", "cross-platform", "platform")


class Answer(NamedTuple):
    """One of the two."""

    totp_code: str = ""
    webauthn: bytes = b""


def answer_challenge(*, totp: bool, webauthn: bytes | None, origin: str, mode: str = "auto") -> Answer:
    """Answers with what the challenge allows and the person chooses. Neither offered: nothing to answer.

    Raises Unsupported when only a security key is accepted and none can be used here.
    """
    if not totp and webauthn is None:
        return Answer()
    if mode == "otp" and not totp:
        raise BadParameter("this user has no one-time code device; leave out --mfa-mode=otp")
    use_key = webauthn is not None and mode != "otp"
    if use_key and totp and mode == "auto":
        use_key = has_security_key() and prompt.choose("Second factor:", ["security key", "one-time code"]) == 0
    if use_key:
        assert webauthn is not None
        return Answer(webauthn=touch_security_key(webauthn, origin))
    return Answer(totp_code=ask_code())


def ask_code() -> str:
    code = prompt.ask_secret("Enter an OTP code from a device:").replace(" ", "")
    if not (code.isascii() and code.isdigit()):
        raise BadParameter("an OTP code is a number of six digits")
    return code


def has_security_key() -> bool:
    """Whether one is plugged in that this machine lets us use."""
    try:
        return bool(_devices())
    except (ImportError, OSError):
        return False


def touch_security_key(challenge: bytes, origin: str) -> bytes:
    """The assertion, JSON as browsers make it. The first key that is touched answers."""
    try:
        devices = _devices()
    except (ImportError, OSError) as problem:
        raise Unsupported(
            f"security keys cannot be used here ({problem}); use a one-time code or the browser"
        ) from None
    if not devices:
        raise Unsupported("no security key is plugged in; plug one in, or use --mfa-mode=otp")
    print("Tap your security key", file=sys.stderr)
    return _assertion(devices[0], json.loads(challenge), origin)


def _devices() -> Sequence[Any]:
    from fido2.hid import CtapHidDevice

    return list(CtapHidDevice.list_devices())


def _assertion(device: Any, options: dict[str, Any], origin: str) -> bytes:
    from fido2.client import ClientError, DefaultClientDataCollector, Fido2Client, UserInteraction

    class OnTerminal(UserInteraction):
        def request_pin(self, permissions: Any, rp_id: str | None) -> str | None:
            return prompt.ask_secret("Enter your security key's PIN:")

    client = Fido2Client(device, DefaultClientDataCollector(origin), user_interaction=OnTerminal())
    try:
        selection = client.get_assertion(options["publicKey"])
    except ClientError as problem:
        raise NotAuthenticated(f"the security key did not answer: {problem.code.name.lower()}") from problem
    return json.dumps(_plain(dict(selection.get_response(0)))).encode()


def _plain(value: Any) -> Any:
    """What the library answers with, as JSON: bytes in base64url."""
    from base64 import urlsafe_b64encode

    if isinstance(value, bytes):
        return urlsafe_b64encode(value).decode().rstrip("=")
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    return value
