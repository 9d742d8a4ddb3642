"""Logging in at a provider inside a test: a connector in the store, a client that opens what is sealed for it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from auth_cluster import TestCluster, key_pair
from openid_provider import CLIENT, SECRET, OpenIdProvider

from teleport.api.client import Client
from teleport.api.routes import login, sso
from teleport.credentials.sealing import Box
from teleport.foundation.errors import NotAuthenticated
from teleport.model.resource import Metadata
from teleport.model.resources.oidc_connector import OIDCConnector, OIDCConnectorSpec
from teleport.model.resources.role_conditions import ClaimMapping
from teleport.model.sensitive import Secret

KEY = b"k" * 32
CALLBACK = "http://127.0.0.1:7000/callback"
REDIRECT = "https://proxy.example.com:3080/v1/webapi/oidc/callback"
BROWSER = "b" * 64


def connector_for(provider: OpenIdProvider, name: str = "company", **more: Any) -> OIDCConnector:
    spec: dict[str, Any] = {
        "issuer_url": provider.issuer,
        "client_id": CLIENT,
        "client_secret": Secret(SECRET),
        "redirect_url": [REDIRECT],
        "claims_to_roles": [
            ClaimMapping(claim="groups", value="dev", roles=["access"]),
            ClaimMapping(claim="groups", value="ops", roles=["editor"]),
        ],
    }
    return OIDCConnector(metadata=Metadata(name=name), spec=OIDCConnectorSpec(**{**spec, **more}))


async def connect(cluster: TestCluster, provider: OpenIdProvider, name: str = "company", **more: Any) -> None:
    """The provider's clock is the cluster's."""
    provider.now = lambda: cluster.clock.now().timestamp()
    await cluster.store.upsert(connector_for(provider, name, **more))


def request(name: str = "company", **more: Any) -> sso.StartLogin:
    keys = key_pair()
    fields: dict[str, Any] = {
        "connector_id": name,
        "callback": CALLBACK,
        "seal_key": KEY,
        "ssh_pub_key": keys.ssh,
        "tls_pub_key": keys.tls,
    }
    return sso.StartLogin(**{**fields, **more})


async def start(cluster: TestCluster, name: str = "company", **more: Any) -> str:
    """The link to the provider."""
    return (await cluster.stranger().call(sso.START, request(name, **more))).redirect_url


async def bring(cluster: TestCluster, answer: dict[str, str]) -> sso.LoginAnswer:
    """A browser brings the provider's answer to a proxy."""
    proxy: Client = await cluster.host("Proxy")
    return await proxy.call(sso.CALLBACK, sso.ProviderAnswer(**answer))


def opened(answer: sso.LoginAnswer, key: bytes = KEY) -> sso.SealedAnswer:
    """What is sealed in the address that the client's door gets."""
    address = urlsplit(answer.redirect_url)
    assert answer.redirect_url.startswith(f"{CALLBACK}?answer=")
    sealed = base64.urlsafe_b64decode(parse_qs(address.query)["answer"][0])
    return msgspec.json.decode(Box(key).open(sealed, sso.SEAL_PURPOSE), type=sso.SealedAnswer)


async def log_in(cluster: TestCluster, provider: OpenIdProvider, name: str = "company") -> login.LoginGranted:
    """From the first call to the certificates. Raises NotAuthenticated as `tsh` would."""
    link = await start(cluster, name)
    told = opened(await bring(cluster, provider.log_in(link)))
    if not told.ticket:
        raise NotAuthenticated(told.error, event_id=told.event_id)
    return await cluster.stranger().call(sso.FINISH, sso.FinishLogin(ticket=told.ticket))


async def start_web(cluster: TestCluster, name: str = "company", page: str = "") -> str:
    proxy = await cluster.host("Proxy")
    asked = sso.StartWebLogin(connector_id=name, browser=BROWSER, next=page)
    return (await proxy.call(sso.START_WEB, asked)).redirect_url


async def failures(cluster: TestCluster) -> list[str]:
    """The reasons that the audit log has for refused logins, in order."""
    events = await cluster.events("user.login")
    return [event["error"] for event in events if event["code"] == "T1001W"]
