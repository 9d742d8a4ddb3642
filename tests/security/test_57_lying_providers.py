"""57. An ID token that is not for this login: of another issuer, for another client, unsigned, old, or unverified.

The provider is a real server. Each refusal reads the same to the person and has its own reason in the audit log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from auth_cluster import auth_cluster
from openid_provider import Claims, OpenIdProvider
from single_sign_on import connect, failures, log_in, start

from teleport.auth.sso.oidc import REFUSAL
from teleport.auth.sso.provider import MAX_ANSWER
from teleport.credentials import x509
from teleport.credentials.jwt import key_id
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import NotAuthenticated
from teleport.model.resources.user import User

REST = timedelta(seconds=30)
"""Strangers' calls are limited; the next attempt comes a little later."""
STRANGE_KEY = PrivateKey.generate("rsa-2048")


def of_a_stranger(provider: OpenIdProvider, claims: Claims) -> str:
    return provider.sign(claims, STRANGE_KEY)


def with_a_key_of_its_own(provider: OpenIdProvider, claims: Claims) -> str:
    """The token brings the key that it was signed with, and where to fetch it."""
    return provider.sign(claims, STRANGE_KEY, jwk={"kty": "RSA", "n": "AQAB", "e": "AQAB"}, jku="http://127.0.0.1:1")


LIES: list[tuple[Claims, str]] = [
    ({"iss": "https://accounts.example.com"}, "issued by"),
    ({"iss": None}, "issued by"),
    ({"aud": "another-client"}, "meant for"),
    ({"aud": ["teleport", "another-client"]}, "several audiences"),
    ({"azp": "another-client"}, "issued to"),
    ({"nonce": "0" * 64}, "nonce"),
    ({"nonce": None}, "nonce"),
    ({"exp": 1}, "expired"),
    ({"exp": None}, "exp"),
    ({"iat": 4_000_000_000, "exp": 5_000_000_000}, "not valid yet"),
    ({"email_verified": False}, "verified"),
    ({"email_verified": None}, "verified"),
    ({"email_verified": "no"}, "verified"),
    ({"email": None}, "email"),
    ({"email": ["alice@example.com"]}, "email"),
    ({"email": "../alice"}, "not allowed"),
    ({"sub": None}, "sub"),
    ({"groups": None}, "no row of claims_to_roles"),
    ({"groups": ["developers"]}, "no row of claims_to_roles"),
    ({"groups": {"dev": True}}, "no row of claims_to_roles"),
]
FORGERIES: list[tuple[Callable[[OpenIdProvider, Claims], str], str]] = [
    (OpenIdProvider.unsigned, "no trusted key"),
    (OpenIdProvider.with_public_key, "no trusted key"),
    (of_a_stranger, "no trusted key"),
    (with_a_key_of_its_own, "no trusted key"),
    (lambda provider, claims: provider.sign(claims, typ="at+jwt"), "type"),
    (lambda provider, claims: provider.sign(claims, crit=["b64"]), "critical"),
    (lambda provider, claims: provider.sign(claims, kid="another"), "no trusted key"),
    (lambda provider, claims: provider.sign(claims)[:-8], "token refused"),
    (lambda provider, claims: "x" * 70_000, "too long"),
]


async def test_every_lie_is_refused_alike_and_told_apart_in_the_log(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            for claims, _ in LIES:
                provider.claims = claims
                with pytest.raises(NotAuthenticated) as refused:
                    await log_in(cluster, provider)
                assert refused.value.message == REFUSAL
                cluster.clock.advance(REST)
            provider.claims = {}
            for forge, _ in FORGERIES:
                provider.forge = forge
                with pytest.raises(NotAuthenticated) as refused:
                    await log_in(cluster, provider)
                assert refused.value.message == REFUSAL
                cluster.clock.advance(REST)
            assert await cluster.store.find(User, "alice@example.com") is None
            reasons = await failures(cluster)
            expected = [why for _, why in LIES] + [why for _, why in FORGERIES]
            assert len(reasons) == len(expected)
            for reason, why in zip(reasons, expected, strict=True):
                assert why in reason
            provider.forge = None
            granted = await log_in(cluster, provider)
            assert x509.read_identity(granted.tls_cert, "user").roles == ("access",)


async def test_a_provider_that_says_another_issuer_is_not_believed(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        for discovery in (
            {"issuer": "https://accounts.example.com"},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"authorization_endpoint": "http://example.com/authorize"},
            {"jwks_uri": None},
        ):
            with OpenIdProvider(discovery=discovery) as provider:
                await connect(cluster, provider)
                with pytest.raises(NotAuthenticated) as refused:
                    await log_in(cluster, provider)
                assert refused.value.message == REFUSAL
        assert len(await failures(cluster)) == 4
        with OpenIdProvider() as provider:
            # a slash more or less is another issuer
            await connect(cluster, provider, issuer_url=f"{provider.issuer}/")
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)
        assert "discovery document: it is of issuer" in (await failures(cluster))[-1]


async def test_keys_and_claims_are_not_fetched_from_elsewhere(tmp_path: Path) -> None:
    """An address that a provider names leads neither into the machine nor to where machines get credentials."""
    async with auth_cluster(tmp_path) as cluster:
        for where in ("http://169.254.169.254/keys", "https://169.254.169.254/keys", "file:///etc/passwd"):
            with OpenIdProvider(discovery={"jwks_uri": where}) as provider:
                await connect(cluster, provider)
                with pytest.raises(NotAuthenticated):
                    await log_in(cluster, provider)
        reasons = await failures(cluster)
        assert len(reasons) == 3
        assert all("jwks_uri" in reason or "where nothing is sent" in reason for reason in reasons)


async def test_an_answer_without_end_is_not_read_to_the_end(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider(size=MAX_ANSWER) as provider:
            await connect(cluster, provider)
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)
        assert "larger than" in (await failures(cluster))[-1]


async def test_claims_of_another_subject_are_not_joined(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            provider.claims = {"groups": None}
            provider.userinfo = {"sub": "subject-of-bob", "groups": ["dev"]}
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)
            assert "another subject" in (await failures(cluster))[-1]
            provider.userinfo = {"sub": "subject-of-alice", "groups": ["dev"], "email": "bob@example.com"}
            granted = await log_in(cluster, provider)
            identity = x509.read_identity(granted.tls_cert, "user")
            assert (identity.username, identity.roles) == ("alice@example.com", ("access",))


async def test_an_unverified_address_is_taken_only_where_the_connector_says_so(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider(claims={"email_verified": False}) as provider:
            await connect(cluster, provider, allow_unverified_email=True)
            assert (await log_in(cluster, provider)).username == "alice@example.com"


async def test_how_and_when_somebody_logged_in_there_is_demanded(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider, acr_values="mfa", max_age="5m")
            now = int(cluster.clock.now().timestamp())
            for claims in ({"acr": "password", "auth_time": now}, {"auth_time": now}, {"acr": "mfa"}):
                provider.claims = claims
                with pytest.raises(NotAuthenticated):
                    await log_in(cluster, provider)
            provider.claims = {"acr": "mfa", "auth_time": now - 1000}
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)
            provider.claims = {"acr": "mfa", "auth_time": now}
            assert (await log_in(cluster, provider)).username == "alice@example.com"


async def test_keys_that_a_provider_takes_out_sign_nothing_more(tmp_path: Path) -> None:
    """A new key is found by its name; the old one is forgotten with the list it stood in."""
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            old, new = provider.keys[0], PrivateKey.generate("rsa-2048")
            await log_in(cluster, provider)
            provider.keys = [new]
            provider.forge = lambda provider, claims: provider.sign(claims, new, kid=key_id(new.public))
            assert (await log_in(cluster, provider)).username == "alice@example.com"
            provider.forge = lambda provider, claims: provider.sign(claims, old, kid=key_id(old.public))
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)


async def test_keys_that_no_provider_has_make_the_cluster_ask_for_them_rarely(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            await asyncio.gather(*(log_in(cluster, provider) for _ in range(4)))
            assert provider.calls.count("/keys") == 1
            provider.forge = lambda provider, claims: provider.sign(claims, kid="another")
            for asked in (2, 2, 2):
                with pytest.raises(NotAuthenticated):
                    await log_in(cluster, provider)
                assert provider.calls.count("/keys") == asked
            cluster.clock.advance(REST)
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)
            assert provider.calls.count("/keys") == 3


async def test_strangers_do_not_make_the_cluster_ask_a_provider_without_end(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider(discovery={"issuer": "https://accounts.example.com"}) as provider:
            await connect(cluster, provider)
            outcomes = await asyncio.gather(*(start(cluster) for _ in range(10)), return_exceptions=True)
            assert all(isinstance(outcome, NotAuthenticated) for outcome in outcomes)
            assert len(provider.calls) == 1
            cluster.clock.advance(REST)
            provider.discovery = {}
            await asyncio.gather(*(start(cluster) for _ in range(10)))
            assert len(provider.calls) == 2
