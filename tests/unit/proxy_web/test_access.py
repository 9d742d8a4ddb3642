"""Approved access requests in a browser's session: taken on, dropped, over by themselves, never beyond the login."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from auth_cluster import CLUSTER
from browser_side import Answer, Browser, WebSide

from teleport.api.client import Client
from teleport.api.routes import access_requests, sessions
from teleport.credentials import x509
from teleport.foundation.errors import BadParameter
from teleport.model.codec import decode_json
from teleport.model.resource import Metadata
from teleport.model.resources.access_request import AccessRequest
from teleport.model.resources.lock import Lock, LockSpec, LockTarget
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.role_conditions import (
    AccessRequestConditions,
    AccessReviewConditions,
    RoleConditions,
)
from teleport.model.resources.web_session import WebSession

ACCESS = "/v1/websessions/access"


@pytest.fixture
async def lena(side: WebSide) -> Client:
    """The reviewer. Roles: `dev` may ask for `dba`, and for what `db-access` reaches."""
    cluster = side.cluster
    await cluster.role("dba", RoleConditions(logins=["postgres"], node_labels={"tier": ["db"]}))
    await cluster.role("db-access", RoleConditions(logins=["root"], node_labels={"tier": ["db"]}))
    asks = AccessRequestConditions(roles=["dba"], search_as_roles=["db-access"])
    await cluster.role("dev", RoleConditions(logins=["dev"], node_labels={"tier": ["web"]}, request=asks))
    reviews = AccessReviewConditions(roles=["dba", "db-access"])
    await cluster.role("lead", RoleConditions(review_requests=reviews))
    for name, tier in (("db-1", "db"), ("db-2", "db"), ("web-1", "web")):
        node = Node(metadata=Metadata(name=name, labels={"tier": tier}), spec=NodeSpec(hostname=f"host-{name}"))
        node.check()
        await cluster.store.upsert(node)
    return await cluster.person("lena", "lead")


async def approved(browser: Browser, lena: Client, **wanted: object) -> str:
    """The id of a request that was asked for in the browser and approved."""
    answer = await browser.ask("POST", "/v1/accessrequests", wanted)
    assert answer.status == 200, answer.body
    name: str = answer.json["request"]["metadata"]["name"]
    shown = await lena.call(access_requests.REVIEW, access_requests.ReviewAccessRequest(id=name, state="APPROVED"))
    assert decode_json(shown.request, AccessRequest).spec.state == "APPROVED"
    return name


async def assume(browser: Browser, *names: str, drop: tuple[str, ...] = ()) -> Answer:
    return await browser.ask("POST", ACCESS, {"access_requests": names, "drop_access_requests": drop})


async def roles_of(browser: Browser) -> list[str]:
    answer = await browser.ask("GET", "/v1/whoami")
    assert answer.status == 200, answer.body
    roles: list[str] = answer.json["roles"]
    return roles


async def nodes_of(browser: Browser) -> list[str]:
    answer = await browser.ask("GET", "/v1/resources/node")
    return [item["metadata"]["name"] for item in answer.json["items"]]


async def test_a_role_is_taken_on_and_dropped(side: WebSide, lena: Client) -> None:
    browser = await side.entered("alice", "dev")
    name = await approved(browser, lena, roles=["dba"])
    before = (await browser.renew()).json
    assert (before["accessRequests"], before["accessEnds"]) == ([], None)
    answer = await assume(browser, name)
    assert (answer.status, answer.json["access_requests"]) == (200, [name])
    assert await roles_of(browser) == ["dev", "dba"]
    renewed = (await browser.renew()).json
    assert renewed["accessRequests"] == [name]
    assert renewed["accessEnds"] == answer.json["access_ends"].replace("Z", "+00:00")
    assert renewed["sessionExpires"] == before["sessionExpires"]
    assert (await assume(browser, drop=("*",))).json == {"access_requests": [], "access_ends": None}
    assert await roles_of(browser) == ["dev"]
    assert (await browser.renew()).json["accessRequests"] == []


async def test_resources_narrow_the_session_to_them(side: WebSide, lena: Client) -> None:
    browser = await side.entered("alice", "dev")
    found = (await browser.ask("GET", "/v1/requestable/node")).json
    reach = {
        item["metadata"]["name"]: beyond
        for item, beyond in zip(found["items"], found["requires_request"], strict=True)
    }
    assert reach == {"db-1": True, "db-2": True, "web-1": False}
    assert await nodes_of(browser) == ["web-1"]
    name = await approved(browser, lena, resource_ids=[f"/{CLUSTER}/node/db-1"])
    assert (await assume(browser, name)).status == 200
    assert await nodes_of(browser) == ["db-1"]
    second = await approved(browser, lena, resource_ids=[f"/{CLUSTER}/node/db-2"])
    refused = await assume(browser, second)
    assert (refused.status, "drop the other first" in refused.json["error"]["message"]) == (403, True)
    assert (await assume(browser, second, drop=(name,))).json["access_requests"] == [second]
    assert await nodes_of(browser) == ["db-2"]


async def test_one_of_two_is_dropped(side: WebSide, lena: Client) -> None:
    browser = await side.entered("alice", "dev")
    role = await approved(browser, lena, roles=["dba"])
    server = await approved(browser, lena, resource_ids=[f"/{CLUSTER}/node/db-1"])
    await assume(browser, role)
    assert (await assume(browser, server)).json["access_requests"] == [role, server]
    assert (await assume(browser, drop=(server,))).json["access_requests"] == [role]
    assert await roles_of(browser) == ["dev", "dba"]


async def test_the_access_ends_and_the_session_goes_on(side: WebSide, lena: Client) -> None:
    browser = await side.entered("alice", "dev")
    login_ends = datetime.fromisoformat((await browser.renew()).json["sessionExpires"])
    name = await approved(browser, lena, roles=["dba"], max_duration="PT1H")
    ends = datetime.fromisoformat((await assume(browser, name)).json["access_ends"])
    assert ends <= side.cluster.clock.now() + timedelta(hours=1)
    while side.cluster.clock.now() < ends:
        side.cluster.clock.advance(timedelta(minutes=5))
        await browser.renew()
    assert await roles_of(browser) == ["dev"]
    renewed = (await browser.renew()).json
    assert renewed["accessRequests"] == []
    assert datetime.fromisoformat(renewed["sessionExpires"]) == login_ends
    assert (await assume(browser, name)).status == 403


async def test_what_comes_after_is_not_cut_by_what_was_short(side: WebSide, lena: Client) -> None:
    """The login is the source of each certificate, not the shorter one that stands in for it."""
    browser = await side.entered("alice", "dev")
    short = await approved(browser, lena, roles=["dba"], max_duration="PT5M")
    long = await approved(browser, lena, roles=["dba"], max_duration="PT2H")
    first = datetime.fromisoformat((await assume(browser, short)).json["access_ends"])
    then = datetime.fromisoformat((await assume(browser, long, drop=(short,))).json["access_ends"])
    assert then - first > timedelta(hours=1)


async def test_a_proxy_forgets_access_on_time(side: WebSide, lena: Client) -> None:
    """Not only when it asks auth again."""
    browser = await side.entered("alice", "dev")
    name = await approved(browser, lena, roles=["dba"], max_duration="PT5M")
    ends = datetime.fromisoformat((await assume(browser, name)).json["access_ends"])
    side.cluster.clock.advance(ends - side.cluster.clock.now() - timedelta(seconds=1))
    await browser.renew()
    assert await roles_of(browser) == ["dev", "dba"]
    side.cluster.clock.advance(timedelta(seconds=2))
    side.wire.passed.clear()
    assert await roles_of(browser) == ["dev"]
    assert [target for _, target, _ in side.wire.passed] == ["/v1/websessions/get", "/v1/whoami"]


async def test_what_was_taken_on_widens_nothing_but_itself(side: WebSide, lena: Client) -> None:
    browser, other = await side.entered("alice", "dev"), await side.entered("bob", "dev")
    name = await approved(browser, lena, roles=["dba"])
    stolen = await assume(other, name)
    assert (stolen.status, "not yours" in stolen.json["error"]["message"]) == (403, True)
    pending = (await browser.ask("POST", "/v1/accessrequests", {"roles": ["dba"]})).json["request"]
    assert (await assume(browser, pending["metadata"]["name"])).status == 403
    assert (await assume(browser)).status == 400
    assert (await assume(browser, name)).status == 200
    (session,) = [one async for one in side.cluster.store.iterate(WebSession) if one.spec.user == "alice"]
    assert session.spec.assumed is not None
    taken = x509.read_identity(session.spec.assumed.tls_certificate, "user")
    plain = x509.read_identity(session.spec.tls_certificate, "user")
    assert (taken.roles, plain.roles) == (("dev", "dba"), ("dev",))
    assert taken.expires <= plain.expires
    await side.cluster.store.create(
        Lock(metadata=Metadata(name="stop"), spec=LockSpec(target=LockTarget(access_request=name), message="stop it"))
    )
    locked = await browser.ask("GET", "/v1/whoami")
    assert (locked.status, "stop it" in locked.json["error"]["message"]) == (403, True)


async def test_programs_have_no_web_session(side: WebSide, lena: Client) -> None:
    with pytest.raises(BadParameter, match="tsh login"):
        await lena.call(sessions.ASSUME, sessions.AssumeAccess(access_requests=("one",)))
