"""OIDC connectors as resources: what is not enforced refuses by name, and secrets stay where they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from auth_cluster import TestCluster, auth_cluster
from openid_provider import SECRET, OpenIdProvider
from single_sign_on import connector_for

from teleport.api.client import Client
from teleport.api.route import Empty
from teleport.api.routes import public, resources, users
from teleport.auth.sso.connectors import redirect_url
from teleport.foundation.errors import NotFound, TeleportError, Unsupported
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference, ClusterAuthPreferenceSpec
from teleport.model.resources.oidc_connector import OIDCConnector, OIDCMFASettings
from teleport.model.resources.role_conditions import ClaimMapping
from teleport.model.resources.user import User
from teleport.model.resources.user_secrets import UserSecrets, UserSecretsSpec
from teleport.model.sensitive import Secret


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[TestCluster]:
    async with auth_cluster(tmp_path) as made:
        yield made


def provider() -> OpenIdProvider:
    return OpenIdProvider()


async def put(admin: Client, connector: OIDCConnector) -> None:
    body = msgspec.Raw(encode_json(connector))
    await admin.call(resources.PUT, resources.PutResource("oidc", connector.name, body))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"mfa": OIDCMFASettings(enabled=True)}, "spec.mfa"),
    ({"user_matchers": ["*"]}, "spec.user_matchers"),
    ({"request_object_mode": "signed"}, "spec.request_object_mode"),
    ({"google_service_account": Secret("{}")}, "spec.google_service_account"),
    ({"google_service_account_uri": "file:///x"}, "spec.google_service_account_uri"),
    ({"google_admin_email": "a@example.com"}, "spec.google_admin_email"),
    ({"pkce_mode": "disabled"}, "spec.pkce_mode"),
    ({"issuer_url": "http://id.example.com"}, "spec.issuer_url"),
    ({"issuer_url": "https://id.example.com?x=1"}, "spec.issuer_url"),
    ({"redirect_url": ["https://proxy.example.com/elsewhere"]}, "spec.redirect_url"),
    ({"redirect_url": ["ftp://proxy.example.com/v1/webapi/oidc/callback"]}, "spec.redirect_url"),
    ({"max_age": "soon"}, "spec.max_age"),
    ({"max_age": "-5m"}, "spec.max_age"),
    ({"client_secret": None}, "spec.client_secret"),
    ({"claims_to_roles": [ClaimMapping(claim="g", value="^($", roles=["access"])]}, "claims_to_roles"),
    ({"claims_to_roles": [ClaimMapping(claim="g", value="x", roles=["nowhere"])]}, "nowhere"),
]


async def test_what_a_connector_may_not_say(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    with provider() as running:
        for more, field in REFUSED:
            with pytest.raises(TeleportError, match=field.replace(".", r"\.")):
                await put(admin, connector_for(running, **more))
        assert await cluster.store.find(OIDCConnector, "company") is None
        await put(admin, connector_for(running, request_object_mode="none", pkce_mode="enabled", max_age="1h"))


async def test_a_change_without_the_secret_keeps_it(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    with provider() as running:
        await put(admin, connector_for(running))
        await put(admin, connector_for(running, client_secret=None, display="Company"))
        kept = (await cluster.store.get(OIDCConnector, "company")).spec
        assert kept.client_secret is not None
        assert (kept.display, kept.client_secret.reveal()) == ("Company", SECRET)
        shown = await admin.call(resources.GET, resources.ResourceName("oidc", "company"))
        assert SECRET.encode() not in bytes(shown.resource)


async def test_strangers_are_told_names_and_nothing_else(cluster: TestCluster) -> None:
    stranger = cluster.stranger()
    with provider() as running:
        await cluster.store.upsert(connector_for(running, display="Company"))
        await cluster.store.upsert(connector_for(running, "partner"))
        told = (await stranger.call(public.PING, Empty())).auth
        assert (told.type, told.oidc) == ("local", None)
        assert [(one.name, one.display) for one in told.connectors] == [
            ("company", "Company"),
            ("partner", "partner"),
        ]
        asked = (await stranger.call(public.PING_CONNECTOR, public.ConnectorName("partner"))).auth
        assert asked.oidc is not None
        assert (asked.type, asked.oidc.name) == ("oidc", "partner")
        with pytest.raises(NotFound, match="company, partner"):
            await stranger.call(public.PING_CONNECTOR, public.ConnectorName("other"))
        for chosen, expected in (("", "company"), ("partner", "partner")):
            spec = ClusterAuthPreferenceSpec(type="oidc", connector_name=chosen)
            await cluster.store.upsert(ClusterAuthPreference(spec=spec))
            told = (await stranger.call(public.PING, Empty())).auth
            assert told.oidc is not None
            assert told.oidc.name == expected
            local = (await stranger.call(public.PING_CONNECTOR, public.ConnectorName("local"))).auth
            assert (local.type, local.oidc) == ("local", None)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("b.example.com:3080", 1), ("B.EXAMPLE.COM:3080", 1), ("a.example.com:443", 0), ("c.example.com", 0), ("", 0)],
)
def test_the_way_back_is_through_the_proxy_that_was_asked(host: str, expected: int) -> None:
    ways = [f"https://{name}/v1/webapi/oidc/callback" for name in ("a.example.com", "b.example.com:3080")]
    with provider() as running:
        assert redirect_url(connector_for(running, redirect_url=ways).spec, host) == ways[expected]


async def test_a_new_local_user_has_nothing_that_a_namesake_left(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    for name in ("alice", "bob"):
        left = UserSecrets(metadata=Metadata(name=name), spec=UserSecretsSpec(password_hash=Secret("left")))
        await cluster.store.upsert(left)
    await admin.call(users.INVITE, users.InviteUser(name="alice", roles=("access",)))
    body = msgspec.Raw(encode_json(User(metadata=Metadata(name="bob"))))
    await admin.call(resources.CREATE, resources.CreateResource("user", body))
    for name in ("alice", "bob"):
        assert await cluster.store.find(UserSecrets, name) is None


async def test_types_of_login_that_are_not_there_yet(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    for chosen in ("saml", "github"):
        preference = ClusterAuthPreference(spec=ClusterAuthPreferenceSpec(type=chosen))
        body = msgspec.Raw(encode_json(preference))
        with pytest.raises(Unsupported, match=chosen):
            await admin.call(resources.PUT, resources.PutResource(preference.kind, preference.name, body))
