"""Talking to an OpenID provider: its discovery document, its keys, a code for tokens, more claims.

Every answer is bounded in time and size; redirects are not followed; the issuer is compared as it is written.
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote_plus, urlencode
from weakref import WeakValueDictionary

import msgspec

from teleport.auth.outgoing import Destination
from teleport.credentials import tls_contexts
from teleport.credentials.jwt import NamedKey
from teleport.credentials.key_sets import read_key_set
from teleport.foundation.clock import Clock
from teleport.foundation.errors import BadParameter, NotAuthenticated, TeleportError, Unavailable
from teleport.model.resources.oidc_connector import OIDCConnectorSpec
from teleport.net.http_client import HttpClient

TIMEOUT = 10.0
MAX_ANSWER = 256 * 1024
KEPT = 300.0
REREAD_AFTER = 10.0
_MAX_PROVIDERS = 64
_WELL_KNOWN = "/.well-known/openid-configuration"
T = TypeVar("T")


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    id_token: str
    access_token: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


@dataclass
class _Kept:
    """`missed`: when the keys were read again for one that was not among them."""

    discovered: Discovered
    read: float
    keys: tuple[NamedKey, ...] = ()
    keys_read: float = -KEPT
    missed: float = -REREAD_AFTER
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Failed(msgspec.Struct):
    problem: TeleportError
    at: float


class Providers:
    """All providers that connectors name; what they say of themselves is kept for five minutes.

    Strangers start logins: however many do, a provider is asked by one at a time, and one that fails is left alone
    for some seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._failed: dict[str, _Failed] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def discover(self, issuer: str) -> Discovered:
        """Raises Unavailable, and BadParameter for a document of another issuer."""
        return (await self._known(issuer)).discovered

    async def keys(self, issuer: str, key_name: str = "") -> Sequence[NamedKey]:
        """The keys it signs with, none that it has taken out five minutes ago.

        They are read again at once when there is none of this name, but not at every stranger's wish.
        """
        kept = await self._known(issuer)
        async with kept.turn:  # who comes while they are read takes what was read
            now = self._clock.monotonic()
            is_missing = bool(key_name) and all(named.name != key_name for named in kept.keys)
            is_old = not kept.keys or now - kept.keys_read >= KEPT
            if is_old or (is_missing and now - kept.missed >= REREAD_AFTER):
                kept.missed = kept.missed if is_old else now
                document = await _fetch(issuer, "GET", kept.discovered.jwks_uri, "jwks_uri")
                kept.keys, kept.keys_read = read_key_set(document), now
            return kept.keys

    async def exchange(self, spec: OIDCConnectorSpec, code: str, verifier: str, redirect: str) -> Tokens:
        """Tokens for the code of a login. Raises NotAuthenticated when the provider refuses it."""
        found = await self.discover(spec.issuer_url)
        secret = spec.client_secret.reveal() if spec.client_secret else ""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        methods = found.token_endpoint_auth_methods_supported
        if "client_secret_basic" in methods or "client_secret_post" not in methods:
            pair = f"{quote_plus(spec.client_id)}:{quote_plus(secret)}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        else:
            form |= {"client_id": spec.client_id, "client_secret": secret}
        body = urlencode(form).encode()
        answer = await _fetch(spec.issuer_url, "POST", found.token_endpoint, "token_endpoint", headers, body)
        return _decoded(answer, Tokens, "token_endpoint")

    async def userinfo(self, spec: OIDCConnectorSpec, tokens: Tokens, subject: str) -> dict[str, object]:
        """More claims of the same subject; none where the provider has no such endpoint. Raises NotAuthenticated."""
        found = await self.discover(spec.issuer_url)
        if not found.userinfo_endpoint or not tokens.access_token:
            return {}
        headers = {"authorization": f"Bearer {tokens.access_token}", "accept": "application/json"}
        answer = await _fetch(spec.issuer_url, "GET", found.userinfo_endpoint, "userinfo_endpoint", headers)
        claims = _decoded(answer, dict[str, object], "userinfo_endpoint")
        if claims.get("sub") != subject:
            raise NotAuthenticated("userinfo_endpoint: the answer is about another subject than the ID token")
        return claims

    async def _known(self, issuer: str) -> _Kept:
        kept = self._fresh(issuer)
        if kept is not None:
            return kept
        turn = self._turns.get(issuer)
        if turn is None:
            turn = self._turns[issuer] = asyncio.Lock()
        async with turn:
            return self._fresh(issuer) or await self._read(issuer)

    def _fresh(self, issuer: str) -> _Kept | None:
        """Raises as the last attempt did, a moment ago."""
        kept, failed, now = self._kept.get(issuer), self._failed.get(issuer), self._clock.monotonic()
        if kept is not None and now - kept.read < KEPT:
            return kept
        if failed is not None and now - failed.at < REREAD_AFTER:
            raise failed.problem
        return None

    async def _read(self, issuer: str) -> _Kept:
        try:
            found = await _discovered(issuer)
        except TeleportError as problem:
            if len(self._failed) >= _MAX_PROVIDERS:
                self._failed.clear()
            self._failed[issuer] = _Failed(problem, self._clock.monotonic())
            raise
        self._failed.pop(issuer, None)
        self._kept[issuer] = kept = _Kept(found, self._clock.monotonic())
        while len(self._kept) > _MAX_PROVIDERS:
            self._kept.popitem(last=False)
        return kept


async def _discovered(issuer: str) -> Discovered:
    document = await _fetch(issuer, "GET", issuer.rstrip("/") + _WELL_KNOWN, "spec.issuer_url")
    found = _decoded(document, Discovered, "discovery document")
    if found.issuer != issuer:
        raise BadParameter(f"discovery document: it is of issuer {found.issuer[:200]!r}, expected {issuer!r}")
    Destination.read(found.authorization_endpoint, "authorization_endpoint")
    return found


async def _fetch(
    issuer: str,
    method: str,
    url: str,
    what: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> bytes:
    where = Destination.read(url, what)
    if where.is_here and not Destination.read(issuer, "spec.issuer_url").is_here:
        raise BadParameter(f"{what}: {url[:200]!r} is on this machine, and the issuer is not")
    await where.check_reachable()
    tls = tls_contexts.system_client_context() if where.is_tls else None
    client = HttpClient(where.address, tls=tls, connect_timeout=TIMEOUT)
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            client.stream(method, where.target, {"user-agent": "teleport", **(headers or {})}, body) as answer,
        ):
            pieces = bytearray()
            async for piece in answer:
                pieces += piece
                if len(pieces) > MAX_ANSWER:
                    raise Unavailable(f"{what}: the answer is larger than {MAX_ANSWER} bytes")
            status = answer.status
    except TimeoutError:
        raise Unavailable(f"{what}: no answer within {TIMEOUT:g} s") from None
    finally:
        await client.close()
    if 400 <= status < 500:
        raise NotAuthenticated(f"{what}: refused with status {status} {_error_of(bytes(pieces))}")
    if status != 200:
        raise Unavailable(f"{what}: answered with status {status}, expected 200")
    return bytes(pieces)


def _error_of(body: bytes) -> str:
    """The code of an error as RFC 6749 has it; what a server says besides stays where it is."""
    try:
        return msgspec.json.decode(body, type=_Refusal).error[:80]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _decoded(body: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadParameter(f"{what}: {problem}") from None
