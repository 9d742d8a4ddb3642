"""57. Somebody logs in as somebody else: by a foreign or used state, a foreign name, an answer meant for others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from auth_cluster import TestCluster, auth_cluster
from openid_provider import OpenIdProvider
from single_sign_on import (
    BROWSER,
    bring,
    connect,
    failures,
    log_in,
    opened,
    request,
    start,
    start_web,
)

from teleport.api.routes import sso
from teleport.auth.sso.oidc import REFUSAL
from teleport.auth.sso.waiting import AT_PROVIDER, MAX_OPEN_OF_ADDRESS, TICKET_TTL
from teleport.credentials import x509
from teleport.foundation.errors import BadParameter, LimitExceeded, NotAuthenticated
from teleport.model.resources.user import User


async def refused(cluster: TestCluster, answer: dict[str, str]) -> None:
    with pytest.raises(NotAuthenticated) as problem:
        await bring(cluster, answer)
    assert problem.value.message == REFUSAL
    assert problem.value.event_id


async def test_a_state_is_good_once_and_only_for_its_own_login(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            await refused(cluster, {"state": "0" * 64, "code": "code"})
            await refused(cluster, {"code": "code"})
            answer = provider.log_in(await start(cluster))
            assert opened(await bring(cluster, answer)).ticket
            await refused(cluster, answer)
            # the code of another login: its nonce, and its proof of who asked, are not this login's
            mine, other = provider.log_in(await start(cluster)), provider.log_in(await start(cluster))
            told = opened(await bring(cluster, mine | {"code": other["code"]}))
            assert (told.ticket, told.error) == ("", REFUSAL)
            assert "invalid_grant" in (await failures(cluster))[-1]


async def test_a_login_that_took_too_long_has_ended(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            answer = provider.log_in(await start(cluster))
            cluster.clock.advance(AT_PROVIDER)
            await refused(cluster, answer)
            ticket = opened(await bring(cluster, provider.log_in(await start(cluster)))).ticket
            cluster.clock.advance(TICKET_TTL)
            with pytest.raises(NotAuthenticated):
                await cluster.stranger().call(sso.FINISH, sso.FinishLogin(ticket=ticket))


async def test_a_ticket_is_sealed_for_who_began_and_good_once(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            answer = await bring(cluster, provider.log_in(await start(cluster)))
            with pytest.raises(NotAuthenticated):
                opened(answer, b"x" * 32)
            ticket = opened(answer).ticket
            assert ticket not in answer.redirect_url
            granted = await cluster.stranger().call(sso.FINISH, sso.FinishLogin(ticket=ticket))
            assert granted.username == "alice@example.com"
            for word in (ticket, "", "0" * 64):
                with pytest.raises(NotAuthenticated) as problem:
                    await cluster.stranger().call(sso.FINISH, sso.FinishLogin(ticket=word))
                assert problem.value.message == REFUSAL


async def test_an_answer_in_another_browser_opens_nothing(tmp_path: Path) -> None:
    """Else whoever sends somebody a link of a login that he began would have that person's session, or give his."""
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            answer = provider.log_in(await start_web(cluster, page="/web/servers"))
            await refused(cluster, answer)
            await refused(cluster, answer | {"browser": "c" * 64})
            session = await bring(cluster, answer | {"browser": BROWSER})
            assert session.session is not None
            assert session.session.username == "alice@example.com"
            assert session.redirect_url == "/web/servers"
            await refused(cluster, answer | {"browser": BROWSER})


@pytest.mark.parametrize(
    "page", ["https://evil.example.com", "//evil.example.com", "/web\\evil", "/webapi/x", "/web/\n"]
)
async def test_a_login_ends_on_a_page_of_the_proxy(tmp_path: Path, page: str) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            answer = provider.log_in(await start_web(cluster, page=page))
            assert (await bring(cluster, answer | {"browser": BROWSER})).redirect_url == "/web"


@pytest.mark.parametrize(
    "callback",
    [
        "https://127.0.0.1:7000/callback",
        "http://evil.example.com:7000/callback",
        "http://127.0.0.1.evil.example.com:7000/callback",
        "http://127.0.0.1@evil.example.com:7000/callback",
        "http://127.0.0.1:7000/callback?answer=x",
        "http://127.0.0.1:7000/callback#x",
        "http://127.0.0.1/callback",
        "http://192.0.2.1:7000/callback",
        "javascript:alert(1)",
        "",
    ],
)
async def test_no_answer_goes_to_another_machine(tmp_path: Path, callback: str) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            with pytest.raises(BadParameter, match="callback"):
                await start(cluster, callback=callback)


async def test_another_provider_cannot_answer_for_this_one(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider, OpenIdProvider() as other:
            await connect(cluster, provider)
            await connect(cluster, other, "partner")
            answer = provider.log_in(await start(cluster))
            told = opened(await bring(cluster, answer | {"issuer": other.issuer}))
            assert told.error == REFUSAL
            assert "the answer is of issuer" in (await failures(cluster))[-1]
            # a token that the other provider signed in the name of the first
            other.claims = {"iss": provider.issuer}
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, other, "partner")
            assert "issued by" in (await failures(cluster))[-1]


async def test_a_name_that_is_somebody_else_s_is_not_taken_over(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider, OpenIdProvider() as other:
            await connect(cluster, provider)
            await connect(cluster, other, "partner")
            await cluster.user("root@example.com", "editor")
            provider.claims = {"email": "root@example.com"}
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)
            assert "local user" in (await failures(cluster))[-1]
            assert (await cluster.store.get(User, "root@example.com")).spec.roles == ["editor"]

            provider.claims = {}
            await log_in(cluster, provider)
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, other, "partner")
            assert "another connector" in (await failures(cluster))[-1]

            provider.claims = {"sub": "subject-of-bob"}
            with pytest.raises(NotAuthenticated):
                await log_in(cluster, provider)
            assert "another subject" in (await failures(cluster))[-1]
            events = await cluster.events("user.login")
            assert [event["code"] for event in events] == ["T1001W", "T1001I", "T1001W", "T1001W"]
            assert {event["method"] for event in events} == {"oidc"}
            assert events[1]["connector_id"] == "company"
            assert events[1]["attributes"]["groups"] == ["dev"]


async def test_logins_that_nobody_ends_are_bounded(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            for _ in range(MAX_OPEN_OF_ADDRESS):
                await start(cluster)
            with pytest.raises(LimitExceeded):
                await start(cluster)
            link = await cluster.stranger("192.0.2.200").call(sso.START, request())
            assert link.redirect_url
            cluster.clock.advance(AT_PROVIDER + timedelta(seconds=1))
            assert await start(cluster)


async def test_the_account_ends_with_the_login(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        with OpenIdProvider() as provider:
            await connect(cluster, provider)
            granted = await log_in(cluster, provider)
            user = await cluster.store.get(User, "alice@example.com")
            assert granted.expires is not None
            assert user.expires is not None
            assert granted.expires <= user.expires
            identity = x509.read_identity(granted.tls_cert, "user")
            assert identity.user_type == "sso"
            cluster.clock.advance(user.expires - cluster.clock.now())
            assert await cluster.store.find(User, "alice@example.com") is None
