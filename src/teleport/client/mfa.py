"""The second factor: a one-time code typed in, or a security key that is plugged in and touched."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from teleport.client import prompt
from teleport.client.prompt import Conversation
from teleport.foundation.errors import BadParameter, NotAuthenticated, Unsupported

Mode = Literal["auto", "otp", "cross-platform", "platform"]
MODES: tuple[Mode, ...] = ("auto", "otp", "cross-platform", "platform")


class Answer(NamedTuple):
    """One of the two."""

    totp_code: str = ""
    webauthn: bytes = b""


def answer_challenge(
    *,
    totp: bool,
    webauthn: bytes | None,
    origin: str,
    mode: str = "auto",
    asking: Conversation = prompt.STANDARD,
) -> Answer:
    """Answers with what the challenge allows and the person chooses. Neither offered: nothing to answer.

    Raises Unsupported when only a security key is accepted and none can be used here.
    """
    if not totp and webauthn is None:
        return Answer()
    if mode == "otp" and not totp:
        raise BadParameter("this user has no one-time code device; leave out --mfa-mode=otp")
    use_key = webauthn is not None and mode != "otp"
    if use_key and totp and mode == "auto":
        use_key = has_security_key() and asking.choose("Second factor:", ["security key", "one-time code"]) == 0
    if use_key:
        assert webauthn is not None
        return Answer(webauthn=touch_security_key(webauthn, origin, asking))
    return Answer(totp_code=ask_code(asking))


def ask_code(asking: Conversation = prompt.STANDARD, question: str = "Enter an OTP code from a device:") -> str:
    code = asking.ask_secret(question).replace(" ", "")
    if not (code.isascii() and code.isdigit()):
        raise BadParameter("an OTP code is a number of six digits")
    return code


def has_security_key() -> bool:
    """Whether one is plugged in that this machine lets us use."""
    try:
        return bool(_devices())
    except (ImportError, OSError):
        return False


def touch_security_key(challenge: bytes, origin: str, asking: Conversation = prompt.STANDARD) -> bytes:
    """The assertion, JSON as browsers make it."""
    device = _chosen_device(asking)
    asking.tell("Tap your security key")
    options = json.loads(challenge)["publicKey"]
    client = _client(device, origin, asking)
    with _Explained("it is none of those that you registered here; plug in another one"):
        selection = client.get_assertion(options)
        return _encoded(selection.get_response(_whose(selection.get_assertions(), asking)))


def register_security_key(challenge: bytes, origin: str, asking: Conversation = prompt.STANDARD) -> bytes:
    """A new credential on a key, JSON as browsers make it."""
    device = _chosen_device(asking)
    asking.tell("Tap your new security key")
    client = _client(device, origin, asking)
    with _Explained("it is registered already; plug in another one"):
        return _encoded(client.make_credential(json.loads(challenge)["publicKey"]))


def _devices() -> Sequence[Any]:
    from fido2.hid import CtapHidDevice

    return list(CtapHidDevice.list_devices())


def _chosen_device(asking: Conversation) -> Any:
    try:
        devices = _devices()
    except (ImportError, OSError) as problem:
        raise Unsupported(
            f"security keys cannot be used here ({problem}); use a one-time code or the browser"
        ) from None
    if not devices:
        raise Unsupported("no security key is plugged in; plug one in, or use --mfa-mode=otp")
    if len(devices) == 1:
        return devices[0]
    names = [str(getattr(device, "product_name", None) or device) for device in devices]
    return devices[asking.choose("Which security key?", names)]


def _client(device: Any, origin: str, asking: Conversation) -> Any:
    from fido2.client import DefaultClientDataCollector, Fido2Client, UserInteraction

    class OnTerminal(UserInteraction):
        def request_pin(self, permissions: Any, rp_id: str | None) -> str | None:
            return asking.ask_secret("Enter your security key's PIN:")

    return Fido2Client(device, DefaultClientDataCollector(origin), user_interaction=OnTerminal())


def _whose(assertions: Sequence[Any], asking: Conversation) -> int:
    """A key may hold passkeys of several users."""
    if len(assertions) == 1:
        return 0
    names = [str((assertion.user or {}).get("name") or "unnamed") for assertion in assertions]
    return asking.choose("Log in as:", names)


def _encoded(response: Mapping[str, Any]) -> bytes:
    return json.dumps(_plain(dict(response))).encode()


def _plain(value: Any) -> Any:
    """What the library answers with, as JSON: bytes in base64url."""
    from base64 import urlsafe_b64encode

    if isinstance(value, bytes):
        return urlsafe_b64encode(value).decode().rstrip("=")
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    return value


class _Explained:
    """What a key refuses, in our words; `ineligible` is what it means here that a key does not qualify."""

    def __init__(self, ineligible: str) -> None:
        self._ineligible = ineligible

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        client = sys.modules["fido2.client"]
        if isinstance(problem, client.ClientError):
            if problem.code == client.ClientError.ERR.DEVICE_INELIGIBLE:
                raise NotAuthenticated(f"this security key does not do: {self._ineligible}") from problem
            cause = str(problem.code.name).lower().replace("_", " ")
            raise NotAuthenticated(f"the security key did not answer: {cause}") from problem
