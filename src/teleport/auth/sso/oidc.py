"""Logging in at an OpenID provider: the code flow with PKCE, a state and a nonce for each login.

Who starts a login is who ends it: a browser shows the cookie it was given, a client opens what was sealed for it.
Every failure reads the same; the reason is in the audit log and in auth's own log.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from teleport.api.routes.login import LoginGranted
from teleport.api.routes.sso import (
    SEAL_PURPOSE,
    FinishLogin,
    LoginAnswer,
    LoginStarted,
    ProviderAnswer,
    SealedAnswer,
    StartLogin,
    StartWebLogin,
)
from teleport.auth import figures
from teleport.auth.caller import Caller
from teleport.auth.certificates import Certificates, Keys, certificate_format
from teleport.auth.cluster import Cluster
from teleport.auth.limits import network_of
from teleport.auth.login_rules import rewritten
from teleport.auth.outgoing import is_loopback
from teleport.auth.sso.accounts import TYPE, Proved, account_of, is_account_of, take_back
from teleport.auth.sso.connectors import check_connector, connector_of, max_age_of, redirect_url
from teleport.auth.sso.provider import Providers
from teleport.auth.sso.waiting import ClientLogin, OpenLogin, ProvedLogin, WaitingLogins
from teleport.auth.web_sessions import WebSessions
from teleport.credentials.id_tokens import Expected, judge, subject_of
from teleport.credentials.jwt import key_name_of
from teleport.credentials.sealing import KEY_BYTES, Box
from teleport.credentials.tokens import digest, equal, random_token
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated, TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.events.user import SSOLogin, SSOLoginFailed
from teleport.model.resources.oidc_connector import OIDCConnector
from teleport.model.resources.user import User
from teleport.policy import claims as policy

log = get_logger("auth.sso")

REFUSAL = "single sign-on failed; an administrator finds the reason in the audit log"
HOME = "/web"
_MAX_TEXT = 4096
_MAX_NEXT = 1024


class _Outcome(msgspec.Struct):
    """What is known of a login so far, for its event."""

    connector: str = ""
    user: str = ""
    attributes: dict[str, tuple[str, ...]] = {}
    applied: tuple[str, ...] = ()


class OidcLogins:
    """Starts logins and ends them."""

    def __init__(self, cluster: Cluster, certificates: Certificates, web_sessions: WebSessions) -> None:
        self._cluster = cluster
        self._certificates = certificates
        self._web_sessions = web_sessions
        self._providers = Providers(cluster.clock)
        self._waiting = WaitingLogins(cluster)

    async def start(self, caller: Caller, request: StartLogin) -> LoginStarted:
        """Raises BadParameter, NotFound, LimitExceeded; NotAuthenticated when the provider cannot be used."""
        Keys.read(request.ssh_pub_key, request.tls_pub_key)
        certificate_format(request.compatibility)
        client = ClientLogin(
            callback=_own_address(request.callback),
            seal_key=_seal_key(request.seal_key),
            ssh_key=request.ssh_pub_key,
            tls_key=request.tls_pub_key,
            ttl=request.ttl,
            compatibility=request.compatibility,
            route_to_cluster=request.route_to_cluster,
            kubernetes_cluster=request.kubernetes_cluster,
        )
        return await self._start(caller, request.connector_id, request.proxy_host, client=client)

    async def start_web(self, caller: Caller, request: StartWebLogin) -> LoginStarted:
        """For a browser with a fresh cookie. Raises as `start`."""
        if len(request.browser) < 32:
            raise BadParameter("the browser's secret is too short")
        way = request.next if _is_own_page(request.next) else HOME
        return await self._start(
            caller, request.connector_id, request.proxy_host, browser=digest(request.browser), next_page=way
        )

    async def callback(self, caller: Caller, request: ProviderAnswer) -> LoginAnswer:
        """Ends a login. Raises NotAuthenticated with the one text for everything that may be wrong.

        A client hears of a failure at its own address, once it is clear that the login is its.
        """
        outcome = _Outcome()
        found = await self._waiting.find(request.state, OpenLogin)
        if found is None:
            raise await self._refused(caller, outcome, "no login is under way with this state; it was used or ended")
        outcome.connector = found.connector
        if found.client is None and not (request.browser and equal(digest(request.browser), found.browser)):
            # the login stays: whoever brings a state to another browser must not end it for its owner
            raise await self._refused(caller, outcome, "the answer came in another browser than the login began in")
        if await self._waiting.take(request.state, OpenLogin) is None:
            raise await self._refused(caller, outcome, "the state was used twice at once")
        try:
            user = await self._prove(caller, found, request, outcome)
            if found.client is None:
                session = await self._web_sessions.create(caller, user)
                await self._succeeded(caller, outcome)
                return LoginAnswer(redirect_url=found.next, session=session)
            return await self._ticket(found, found.client, user, outcome)
        except TeleportError as problem:
            refused = await self._refused(caller, outcome, problem.message)
            if found.client is None:
                raise refused from problem
            answer = SealedAnswer(error=refused.message, event_id=refused.event_id)
            return _sealed(found.client, answer)

    async def finish(self, caller: Caller, request: FinishLogin) -> LoginGranted:
        """The certificates of a client whose user was proved; the ticket is good once."""
        outcome = _Outcome()
        proved = await self._waiting.take(request.ticket, ProvedLogin)
        if proved is None:
            raise await self._refused(caller, outcome, "the ticket is unknown, was used, or has ended")
        outcome = _Outcome(proved.connector, proved.user, proved.attributes, proved.applied_login_rules)
        try:
            user = await self._cluster.store.find(User, proved.user)
            if user is None or not is_account_of(user, proved.connector):
                raise AccessDenied("the user was deleted while the login went on")
            client = proved.client
            issued = await self._certificates.for_login(
                caller,
                user,
                Keys.read(client.ssh_key, client.tls_key),
                ttl=timedelta(microseconds=client.ttl // 1000) if client.ttl > 0 else None,
                compatibility=client.compatibility,
                route_to_cluster=client.route_to_cluster,
                kubernetes_cluster=client.kubernetes_cluster,
            )
        except TeleportError as problem:
            raise await self._refused(caller, outcome, problem.message) from problem
        await self._succeeded(caller, outcome)
        return LoginGranted(
            username=user.name,
            cert=issued.ssh_certificate,
            tls_cert=issued.tls_certificate,
            host_signers=issued.host_signers,
            expires=issued.expires,
        )

    async def _start(
        self,
        caller: Caller,
        name: str,
        proxy_host: str,
        *,
        browser: str = "",
        next_page: str = "",
        client: ClientLogin | None = None,
    ) -> LoginStarted:
        connector = await connector_of(self._cluster, name)
        await self._waiting.require_room(caller.address)
        spec = connector.spec
        try:
            await check_connector(self._cluster, connector)
            found = await self._providers.discover(spec.issuer_url)
        except TeleportError as problem:
            raise await self._refused(caller, _Outcome(connector.name), problem.message) from problem
        state = random_token(32)
        waiting = OpenLogin(
            connector=connector.name,
            nonce=random_token(32),
            verifier=random_token(32),
            redirect=redirect_url(spec, proxy_host),
            network=network_of(caller.address),
            browser=browser,
            next=next_page,
            client=client,
        )
        await self._waiting.put(state, waiting)
        query = urlencode(_question(connector, waiting, state))
        mark = "&" if "?" in found.authorization_endpoint else "?"
        return LoginStarted(f"{found.authorization_endpoint}{mark}{query}")

    async def _prove(self, caller: Caller, waiting: OpenLogin, request: ProviderAnswer, outcome: _Outcome) -> User:
        """Everything between the provider's word and a user of this cluster, in order."""
        connector = await connector_of(self._cluster, waiting.connector)
        await check_connector(self._cluster, connector)
        spec = connector.spec
        if request.issuer and request.issuer != spec.issuer_url:
            raise NotAuthenticated(f"the answer is of issuer {request.issuer[:200]!r}, not of {spec.issuer_url!r}")
        if request.error or not request.code:
            raise NotAuthenticated(f"the provider answered without a code: {request.error[:80] or 'no error given'}")
        if len(request.code) > _MAX_TEXT:
            raise BadParameter("the provider's code is too long")
        tokens = await self._providers.exchange(spec, request.code, waiting.verifier, waiting.redirect)
        keys = await self._providers.keys(spec.issuer_url, key_name_of(tokens.id_token))
        expected = Expected(
            issuer=spec.issuer_url,
            client_id=spec.client_id,
            nonce=waiting.nonce,
            acr_values=tuple(spec.acr_values.split()),
            max_age=max_age_of(spec),
        )
        claims = judge(tokens.id_token, keys, expected, self._cluster.clock.now())
        subject = subject_of(claims)
        claims = policy.joined(claims, await self._providers.userinfo(spec, tokens, subject))
        outcome.attributes = policy.traits_of(claims)
        outcome.user = policy.name_of(claims, spec.username_claim)
        if not spec.allow_unverified_email:
            policy.check_email(claims)
        made = await rewritten(self._cluster, outcome.attributes)
        outcome.applied = made.applied
        proved = Proved(connector=connector.name, name=outcome.user, subject=subject, traits=made.traits)
        try:
            roles = policy.roles_of(spec.claims_to_roles, made.traits)
        except AccessDenied:
            await take_back(self._cluster, caller, proved)
            raise
        return await account_of(self._cluster, caller, msgspec.structs.replace(proved, roles=roles))

    async def _ticket(self, waiting: OpenLogin, client: ClientLogin, user: User, outcome: _Outcome) -> LoginAnswer:
        ticket = random_token(32)
        proved = ProvedLogin(
            connector=waiting.connector,
            user=user.name,
            client=client,
            attributes=outcome.attributes,
            applied_login_rules=outcome.applied,
        )
        await self._waiting.put(ticket, proved)
        return _sealed(client, SealedAnswer(ticket=ticket))

    async def _succeeded(self, caller: Caller, outcome: _Outcome) -> None:
        figures.LOGINS.inc()
        await self._cluster.journal.record(SSOLogin(success=True, **_told(caller, outcome)))

    async def _refused(self, caller: Caller, outcome: _Outcome, why: str) -> NotAuthenticated:
        figures.FAILED_LOGINS.inc()
        log.warning("single sign-on refused", connector=outcome.connector, user=outcome.user, reason=why)
        event = SSOLoginFailed(success=False, error=why, **_told(caller, outcome))
        return NotAuthenticated(REFUSAL, event_id=await self._cluster.journal.record(event))


def _question(connector: OIDCConnector, waiting: OpenLogin, state: str) -> dict[str, str]:
    """What the provider is asked (OpenID Connect Core, 3.1.2.1; RFC 7636)."""
    spec, max_age = connector.spec, max_age_of(connector.spec)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(waiting.verifier.encode()).digest()).decode().rstrip("=")
    question = {
        "response_type": "code",
        "client_id": spec.client_id,
        "redirect_uri": waiting.redirect,
        "scope": " ".join(dict.fromkeys(["openid", *(spec.scope or ["email", "profile"])])),
        "state": state,
        "nonce": waiting.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "prompt": "select_account" if spec.prompt is None else spec.prompt,
        "acr_values": spec.acr_values,
        "max_age": str(int(max_age.total_seconds())) if max_age is not None else "",
    }
    return {name: value for name, value in question.items() if value}


def _own_address(callback: str) -> str:
    try:
        parts = urlsplit(callback)
        port = parts.port
    except ValueError as problem:
        raise BadParameter(f"callback: {problem}") from None
    is_plain = len(callback) <= _MAX_NEXT and callback.isascii() and callback.isprintable() and " " not in callback
    is_bare = not (parts.query or parts.fragment or parts.username) and "?" not in callback
    if not is_plain or not is_bare or parts.scheme != "http" or not port or not is_loopback(parts.hostname or ""):
        raise BadParameter("callback: expected http://127.0.0.1:<port>/<path>, the client's own machine")
    return callback


def _seal_key(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise BadParameter(f"seal_key has {len(key)} bytes, expected {KEY_BYTES}")
    return key


def _is_own_page(path: str) -> bool:
    is_plain = len(path) <= _MAX_NEXT and path.isascii() and path.isprintable() and "\\" not in path
    return is_plain and (path == HOME or path.startswith(f"{HOME}/"))


def _sealed(client: ClientLogin, answer: SealedAnswer) -> LoginAnswer:
    box = Box(client.seal_key).seal(msgspec.json.encode(answer), SEAL_PURPOSE)
    return LoginAnswer(redirect_url=f"{client.callback}?answer={base64.urlsafe_b64encode(box).decode()}")


def _told(caller: Caller, outcome: _Outcome) -> dict[str, Any]:
    return {
        **caller.event_fields(),
        "user": outcome.user,
        "method": TYPE,
        "connector_id": outcome.connector,
        "attributes": {name: list(values) for name, values in outcome.attributes.items()},
        "applied_login_rules": list(outcome.applied),
    }
