"""A provider of OpenID Connect on a free port that signs with its own keys: honest, or lying as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from teleport.credentials.jwt import key_set
from teleport.credentials.keys import PrivateKey

CLIENT, SECRET = "teleport", "client secret of the tests"
Claims = dict[str, Any]


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class OpenIdProvider:
    """`claims` replace the honest ones of whoever logs in; None takes one away. `forge` makes the token."""

    claims: Claims = field(default_factory=dict)
    userinfo: Claims | None = None
    discovery: Claims = field(default_factory=dict)
    forge: Callable[[OpenIdProvider, Claims], str] | None = None
    keys: list[PrivateKey] = field(default_factory=lambda: [PrivateKey.generate("rsa-2048")])
    now: Callable[[], float] = time.time
    size: int = 0
    """Bytes of padding in the answer with tokens."""
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """What was asked, by the code that was given for it."""
    calls: list[str] = field(default_factory=list)

    def __enter__(self) -> OpenIdProvider:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.calls.append(self.path)
                self._say(*owner._get(self.path))

            def do_POST(self) -> None:
                owner.calls.append(self.path)
                body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._say(*owner._tokens(form, self.headers.get("authorization", "")))

            def _say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def log_in(self, link: str) -> dict[str, str]:
        """What somebody's browser brings back who logged in behind this link."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        code = f"code-{len(self.asked)}"
        self.asked[code] = asked
        return {"state": asked["state"], "code": code, "issuer": self.issuer}

    def honest(self, asked: dict[str, str]) -> Claims:
        now = int(self.now())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "subject-of-alice",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "email": "alice@example.com",
            "email_verified": True,
            "groups": ["dev"],
        }
        return {name: value for name, value in (claims | self.claims).items() if value is not None}

    def sign(self, claims: Claims, key: PrivateKey | None = None, **header: Any) -> str:
        """RS256, as most providers do it."""
        signed = f"{part({'alg': 'RS256', 'typ': 'JWT', **header})}.{part(claims)}"
        return f"{signed}.{part((key or self.keys[0]).sign(signed.encode()))}"

    def unsigned(self, claims: Claims) -> str:
        return f"{part({'alg': 'none'})}.{part(claims)}."

    def with_public_key(self, claims: Claims) -> str:
        """HS256, with what everybody may read as the secret."""
        signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
        secret = self.keys[0].public.pem.encode()
        return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"

    def _get(self, path: str) -> tuple[int, bytes]:
        match urlsplit(path).path:
            case "/.well-known/openid-configuration":
                honest = {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                }
                more = {"userinfo_endpoint": f"{self.issuer}/me"} if self.userinfo is not None else {}
                return 200, json.dumps(honest | more | self.discovery).encode()
            case "/keys":
                return 200, key_set([key.public for key in self.keys])
            case "/me" if self.userinfo is not None:
                return 200, json.dumps(self.userinfo).encode()
            case _:
                return 404, b"{}"

    def _tokens(self, form: dict[str, str], authorization: str) -> tuple[int, bytes]:
        asked = self.asked.pop(form.get("code", ""), None)
        pair = base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '+')}".encode()).decode()
        if asked is None or authorization != f"Basic {pair}":
            return 400, b'{"error": "invalid_grant"}'
        challenge = part(hashlib.sha256(form["code_verifier"].encode()).digest())
        if asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, b'{"error": "invalid_grant"}'
        claims = self.honest(asked)
        token = self.forge(self, claims) if self.forge is not None else self.sign(claims)
        answer = {"id_token": token, "access_token": "opaque", "token_type": "Bearer", "padding": "x" * self.size}
        return 200, json.dumps(answer).encode()
