"""58. What a provider's group gave does not outlive the group: the next login replaces roles and traits whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from auth_cluster import auth_cluster, key_pair
from openid_provider import OpenIdProvider
from single_sign_on import BROWSER, bring, connect, log_in, start_web

from teleport.api.routes import certificates
from teleport.credentials import x509
from teleport.foundation.errors import AccessDenied, NotAuthenticated
from teleport.model.resources.user import User


async def test_a_group_that_is_gone_gives_nothing_at_the_next_login(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider(claims={"groups": ["dev", "ops"], "team": "blue"}) as provider:
            await connect(cluster, provider)
            before = await log_in(cluster, provider)
            assert x509.read_identity(before.tls_cert, "user").roles == ("access", "editor")

            provider.claims = {"groups": ["dev"]}
            identity = x509.read_identity((await log_in(cluster, provider)).tls_cert, "user")
            assert identity.roles == ("access",)
            assert identity.traits["groups"] == ("dev",)
            assert "team" not in identity.traits
            user = await cluster.store.get(User, "alice@example.com")
            assert (user.spec.roles, user.spec.traits["groups"]) == (["access"], ["dev"])
            assert "team" not in user.spec.traits

            provider.claims = {"groups": []}
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)


async def test_it_gives_nothing_in_certificates_and_web_sessions_from_before(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider(claims={"groups": ["dev", "ops"]}) as provider:
            await connect(cluster, provider)
            before = cluster.client((await log_in(cluster, provider)).tls_cert)
            answer = provider.log_in(await start_web(cluster))
            session = (await bring(cluster, answer | {"browser": BROWSER})).session
            assert session is not None
            of_browser = cluster.client(session.tls_certificate)
            keys = key_pair()
            wanted = certificates.IssueCertificates(ssh_public_key=keys.ssh, tls_public_key=keys.tls)
            for client in (before, of_browser):
                await client.call(certificates.ISSUE, wanted)

            provider.claims = {"groups": ["dev"]}
            after = cluster.client((await log_in(cluster, provider)).tls_cert)
            for client in (before, of_browser):
                with pytest.raises(AccessDenied, match="log in again"):
                    await client.call(certificates.ISSUE, wanted)
            await after.call(certificates.ISSUE, wanted)

            provider.claims = {"groups": ["dev", "ops"]}
            again = cluster.client((await log_in(cluster, provider)).tls_cert)
            await again.call(certificates.ISSUE, wanted)


async def test_whoever_is_in_no_group_any_more_keeps_nothing_of_earlier_logins(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            before = cluster.client((await log_in(cluster, provider)).tls_cert)
            keys = key_pair()
            wanted = certificates.IssueCertificates(ssh_public_key=keys.ssh, tls_public_key=keys.tls)

            # another subject that the provider gives nothing takes nothing from the first
            provider.claims = {"groups": None, "sub": "subject-of-bob"}
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)
            await before.call(certificates.ISSUE, wanted)

            provider.claims = {"groups": None}
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)
            with pytest.raises(AccessDenied, match="log in again"):
                await before.call(certificates.ISSUE, wanted)
            assert (await cluster.store.get(User, "alice@example.com")).spec.roles == []
