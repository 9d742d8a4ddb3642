"""People of a cluster: sign up through the public API as a browser would, log in with tsh, run tsh."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import pty
import re
import select
import ssl
import struct
import time
import urllib.request
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from harness.cluster import Cluster, Finished, clean_environment, run
from harness.processes import BIN

PASSWORD = "correct horse battery"


def one_time_code(secret: str, at: float | None = None) -> str:
    """RFC 6238 with SHA-1, six digits, 30 seconds."""
    padded = secret.upper() + "=" * (-len(secret) % 8)
    counter = struct.pack(">Q", int((time.time() if at is None else at) // 30))
    digest = hmac.new(base64.b32decode(padded), counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack_from('>I', digest, offset)[0] & 0x7FFFFFFF) % 1000000:06d}"


class Browser:
    """The calls a page makes: cookies, the anti-forgery header, the bearer token. TLS is not verified."""

    def __init__(self, proxy: str) -> None:
        self.base = f"https://{proxy}"
        self.cookies = CookieJar()
        context = ssl._create_unverified_context()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        self.bearer = ""
        self.call("GET", "/web/login", raw=True)

    def cookie(self, name: str) -> str:
        return next((cookie.value or "" for cookie in self.cookies if cookie.name == name), "")

    def call(self, method: str, path: str, body: Any = None, raw: bool = False) -> Any:
        """Raises urllib.error.HTTPError for a refusal."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("X-CSRF-Token", self.cookie("__Host-csrf"))
        if self.bearer:
            request.add_header("Authorization", f"Bearer {self.bearer}")
        with self._opener.open(request, timeout=20) as answer:
            content = answer.read()
        return content if raw else json.loads(content or b"{}")


@dataclass
class Person:
    """Somebody with a password and an authenticator, and a home of their own."""

    cluster: Cluster
    name: str
    home: Path
    secret: str = ""
    used: set[str] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        return {**clean_environment(self.home), "TELEPORT_NO_DAEMON": "1"}

    def invite(self, roles: str = "access,editor,auditor", logins: str = "") -> str:
        """The token of the sign-up link that `tctl users add` prints."""
        wanted = [f"--logins={logins}"] if logins else []
        out = self.cluster.tctl("users", "add", self.name, f"--roles={roles}", *wanted).ok().out
        found = re.search(r"/web/invite/([0-9a-f]+)", out)
        assert found is not None, out
        return found[1]

    def sign_up(self, token: str) -> Browser:
        browser = Browser(self.cluster.proxy)
        path = f"/webapi/mfa/token/{token}/registerchallenge"
        challenge = browser.call("POST", path, {"deviceType": "totp", "deviceUsage": "mfa"})
        self.secret = challenge["totp"]["secret"]
        answer = {"token": token, "password": PASSWORD, "second_factor_token": self.code(), "deviceName": "phone"}
        granted = browser.call("PUT", "/webapi/users/password/token", answer)
        browser.bearer = granted["token"]
        return browser

    def code(self) -> str:
        """A code that was not used before: codes are accepted once, so this may wait for the next."""
        while (code := one_time_code(self.secret)) in self.used:
            time.sleep(0.5)
        self.used.add(code)
        return code

    def log_in(self, *arguments: str) -> str:
        """`tsh login` on a terminal, typing password and code; what the terminal showed."""
        words = ["login", f"--proxy={self.cluster.proxy}", f"--user={self.name}", "--insecure", *arguments]
        return converse(
            [str(BIN / "tsh"), *words], self.environment, [("assword", PASSWORD), ("code|OTP|otp", self.code())]
        )

    def tsh(self, *arguments: str, text: str = "", timeout: float = 60) -> Finished:
        self.home.mkdir(parents=True, exist_ok=True)
        return run([str(BIN / "tsh"), *arguments], self.environment, text, timeout)


def converse(
    arguments: list[str], environment: dict[str, str], answers: list[tuple[str, str]], timeout: float = 60
) -> str:
    """Run a program on a terminal of its own; type each answer when its pattern appears. Fails on a bad status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(arguments[0], arguments, environment)
    seen, pending, end = "", list(answers), time.monotonic() + timeout
    start = 0
    while time.monotonic() < end:
        readable, _, _ = select.select([terminal], [], [], 0.2)
        if readable:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece.decode(errors="replace")
        if pending and re.search(pending[0][0], seen[start:]):
            start = len(seen)
            os.write(terminal, pending.pop(0)[1].encode() + b"\n")
    else:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, seen
    return seen
