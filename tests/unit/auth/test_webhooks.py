"""Webhooks against a real HTTP server: signed, retried, kept over a restart, never led elsewhere; and reviews in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec
import pytest
from auth_cluster import CLUSTER, TestCluster
from webhook_receiver import WebhookReceiver

from teleport.api.client import Client
from teleport.api.routes import access_requests as routes
from teleport.api.routes.webhooks import RECEIVE_REVIEW, ReceiveReview
from teleport.auth.outgoing import is_reachable
from teleport.auth.webhooks.outbox import Outbox
from teleport.credentials.webhook_signatures import is_signed, sign
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated
from teleport.model.codec import decode_json
from teleport.model.resource import Metadata
from teleport.model.resources.access_monitoring_rule import (
    AccessMonitoringRule,
    AccessMonitoringRuleSpec,
    AutomaticReview,
    Notification,
)
from teleport.model.resources.access_request import AccessRequest
from teleport.model.resources.integration import Plugin, PluginSpec
from teleport.model.resources.role_conditions import AccessRequestConditions, AccessReviewConditions, RoleConditions
from teleport.model.resources.webhook import WebhookDelivery
from teleport.model.sensitive import Secret

SECRET = "a secret of the plugin, long enough to hold"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


async def a_hook(cluster: TestCluster, url: str, **settings: str) -> Plugin:
    spec = PluginSpec(type="webhook", settings={"url": url, **settings}, credentials=Secret(SECRET))
    return await (await cluster.admin()).put(Plugin(metadata=Metadata(name="pager"), spec=spec))


async def a_request(cluster: TestCluster, name: str = "alice") -> tuple[Client, AccessRequest]:
    await cluster.role("dba", RoleConditions(logins=["postgres"]))
    await cluster.role("dev", RoleConditions(logins=["dev"], request=AccessRequestConditions(roles=["dba"])))
    await cluster.role("lead", RoleConditions(review_requests=AccessReviewConditions(roles=["dba"])))
    client = await cluster.person(name, "dev")
    shown = await client.call(routes.CREATE, routes.CreateAccessRequest(roles=("dba",), reason="ticket 7"))
    return client, decode_json(shown.request, AccessRequest)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def put_off(cluster: TestCluster, status: int) -> None:
    """The answer was heard, and when it is tried again is known: before, moving the clock would move that too."""
    async with asyncio.timeout(30):
        while True:
            waiting = [one async for one in cluster.store.iterate(WebhookDelivery)]
            if any(f"{status}" in one.spec.last_error for one in waiting):
                return
            await asyncio.sleep(0.005)


def events(receiver: WebhookReceiver) -> list[str]:
    return [msgspec.json.decode(one.body)["event"] for one in receiver.received]


async def test_what_happens_is_told_with_a_signature(cluster: TestCluster, receiver: WebhookReceiver) -> None:
    await a_hook(cluster, receiver.url)
    _, request = await a_request(cluster)
    await until(lambda: len(receiver.received) == 1)
    (first,) = receiver.received
    message = msgspec.json.decode(first.body)
    assert (first.path, message["event"], message["cluster"]) == ("/hook?a=b", "access_request.created", CLUSTER)
    assert message["access_request"]["spec"]["request_reason"] == "ticket 7"
    headers = first.headers
    name, timestamp = headers["teleport-webhook-id"], int(headers["teleport-webhook-timestamp"])
    assert name == message["id"]
    assert is_signed(SECRET, name, timestamp, first.body, headers["teleport-webhook-signature"])
    lead = await cluster.person("lena", "lead")
    await lead.call(routes.REVIEW, routes.ReviewAccessRequest(id=request.name, state="APPROVED"))
    await until(lambda: len(receiver.received) == 3)
    assert sorted(events(receiver)[1:]) == ["access_request.resolved", "access_request.reviewed"]


async def test_only_events_that_are_wanted_are_told(cluster: TestCluster, receiver: WebhookReceiver) -> None:
    await a_hook(cluster, receiver.url, events="resolved")
    _, request = await a_request(cluster)
    wanted = routes.SetAccessRequestState(id=request.name, state="DENIED")
    await (await cluster.admin()).call(routes.SET_STATE, wanted)
    await until(lambda: bool(receiver.received))
    assert events(receiver) == ["access_request.resolved"]


async def test_a_message_is_tried_again_until_it_is_taken(cluster: TestCluster, receiver: WebhookReceiver) -> None:
    receiver.answers = [500, 503]
    await a_hook(cluster, receiver.url)
    await a_request(cluster)
    for count, status in ((1, 500), (2, 503), (3, 200)):
        await until(lambda wanted=count: len(receiver.received) == wanted)  # type: ignore[misc]
        if status != 200:
            await put_off(cluster, status)
            cluster.clock.advance(timedelta(minutes=1))
    ids = {one.headers["teleport-webhook-id"] for one in receiver.received}
    assert len(ids) == 1
    times = [int(one.headers["teleport-webhook-timestamp"]) for one in receiver.received]
    assert times == sorted(set(times))  # each try is signed anew


async def test_a_message_survives_a_restart(cluster: TestCluster, receiver: WebhookReceiver) -> None:
    receiver.answers = [500]
    await a_hook(cluster, receiver.url)
    await a_request(cluster)
    await until(lambda: len(receiver.received) == 1)
    await put_off(cluster, 500)
    cluster.clock.advance(timedelta(minutes=5))
    again = Outbox(cluster.service.cluster)  # knows nothing but the store
    await again.send_due()
    await until(lambda: len(receiver.received) == 2)
    async with asyncio.timeout(30):  # whoever of the two sent it hears in its own time that it was taken
        while [one async for one in cluster.store.iterate(WebhookDelivery)]:
            await asyncio.sleep(0.005)


async def test_redirects_are_not_followed(cluster: TestCluster, receiver: WebhookReceiver) -> None:
    with WebhookReceiver() as elsewhere:
        receiver.answers, receiver.location = [307], elsewhere.url
        await a_hook(cluster, receiver.url)
        await a_request(cluster)
        await until(lambda: len(receiver.received) == 1)
        await put_off(cluster, 307)
        cluster.clock.advance(timedelta(minutes=1))
        await until(lambda: len(receiver.received) == 2)
        assert elsewhere.received == []


@pytest.mark.parametrize(
    ("ip", "here", "there"),
    [
        ("203.0.113.7", True, True),
        ("10.1.2.3", True, True),
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("::ffff:127.0.0.1", True, False),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
    ],
)
def test_messages_go_nowhere_that_gives_credentials_away(ip: str, here: bool, there: bool) -> None:
    assert is_reachable(ip, is_here=True) is here
    assert is_reachable(ip, is_here=False) is there


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("http://example.com/hook", {}),
        ("ftp://example.com/hook", {}),
        ("https://user:word@example.com/hook", {}),
        ("https://example.com/a b", {}),
        ("https://example.com:999999/", {}),
        ("https://example.com/", {"events": "everything"}),
        ("https://example.com/", {"follow": "yes"}),
        ("https://example.com/", {"notify": "sometimes"}),
    ],
)
async def test_settings_that_cannot_be_meant_are_refused(
    cluster: TestCluster, url: str, settings: dict[str, str]
) -> None:
    with pytest.raises(BadParameter):
        await a_hook(cluster, url, **settings)


async def test_the_secret_is_not_shown_and_survives_an_edit(cluster: TestCluster) -> None:
    await a_hook(cluster, "https://example.com/hook")
    admin = await cluster.admin()
    shown = await admin.get(Plugin, "pager")
    assert SECRET not in repr(msgspec.to_builtins(shown.spec.settings)) + str(shown.spec.credentials)
    shown.spec.credentials = None
    shown.spec.settings["events"] = "created"
    await admin.put(shown)
    kept = await cluster.store.get(Plugin, "pager")
    assert kept.spec.credentials is not None
    assert kept.spec.credentials.reveal() == SECRET


def signed(cluster: TestCluster, request: str, name: str = "m-1", **more: object) -> ReceiveReview:
    body = msgspec.json.encode({"access_request": request, "state": "APPROVED", "reason": "paged", **more})
    timestamp = int(cluster.clock.now().timestamp())
    return ReceiveReview(
        plugin="pager", id=name, timestamp=timestamp, signature=sign(SECRET, name, timestamp, body), content=body
    )


async def test_a_signed_review_counts_by_the_roles_of_its_reviewer(cluster: TestCluster) -> None:
    await a_hook(cluster, "", reviewer="duty")
    _, request = await a_request(cluster)
    await cluster.user("duty", "lead")
    answer = await cluster.stranger().call(RECEIVE_REVIEW, signed(cluster, request.name))
    assert answer.state == "APPROVED"
    kept = await cluster.store.get(AccessRequest, request.name)
    assert [(one.author, one.reason, one.annotations) for one in kept.spec.reviews] == [
        ("duty", "paged", {"plugin": ["pager"]})
    ]


async def test_a_reviewer_without_the_role_decides_nothing(cluster: TestCluster) -> None:
    await a_hook(cluster, "", reviewer="duty")
    _, request = await a_request(cluster)
    await cluster.user("duty", "dev")
    with pytest.raises(AccessDenied):
        await cluster.stranger().call(RECEIVE_REVIEW, signed(cluster, request.name))
    await a_hook(cluster, "", reviewer="nobody-there")
    with pytest.raises(AccessDenied, match="reviewer"):
        await cluster.stranger().call(RECEIVE_REVIEW, signed(cluster, request.name, "m-2"))


async def test_the_requester_is_no_reviewer_by_webhook_either(cluster: TestCluster) -> None:
    await a_hook(cluster, "", reviewer="alice")
    _, request = await a_request(cluster)
    await cluster.user("alice", "dev", "lead")
    with pytest.raises(AccessDenied, match="own"):
        await cluster.stranger().call(RECEIVE_REVIEW, signed(cluster, request.name))


async def test_forged_old_and_repeated_messages_are_refused(cluster: TestCluster) -> None:
    await a_hook(cluster, "", reviewer="duty")
    _, request = await a_request(cluster)
    await cluster.user("duty", "lead")
    stranger, good = cluster.stranger(), signed(cluster, request.name)
    bad = [
        msgspec.structs.replace(good, signature="v1=" + "0" * 64),
        msgspec.structs.replace(good, id="m-9"),
        msgspec.structs.replace(good, timestamp=good.timestamp + 1),
        msgspec.structs.replace(good, content=good.content.replace(b"APPROVED", b"DENIED")),
        msgspec.structs.replace(good, plugin="other"),
        msgspec.structs.replace(good, plugin="p" * 400),
    ]
    for one in bad:
        with pytest.raises(NotAuthenticated):
            await stranger.call(RECEIVE_REVIEW, one)
    cluster.clock.advance(timedelta(minutes=6))
    with pytest.raises(NotAuthenticated):
        await stranger.call(RECEIVE_REVIEW, good)
    fresh = signed(cluster, request.name)
    await stranger.call(RECEIVE_REVIEW, fresh)
    with pytest.raises(NotAuthenticated):
        await stranger.call(RECEIVE_REVIEW, fresh)
    kept = await cluster.store.get(AccessRequest, request.name)
    assert len(kept.spec.reviews) == 1


async def a_rule(cluster: TestCluster, name: str, condition: str, **spec: object) -> None:
    rule = AccessMonitoringRule(
        metadata=Metadata(name=name),
        spec=AccessMonitoringRuleSpec(subjects=["access_request"], condition=condition, **spec),  # type: ignore[arg-type]
    )
    await (await cluster.admin()).put(rule)


async def test_a_rule_reviews_by_itself(cluster: TestCluster) -> None:
    await a_rule(
        cluster,
        "tickets",
        'access_request.spec.request_reason == "ticket 7" && contains_all(set("dba"), access_request.spec.roles)',
        desired_state="reviewed",
        automatic_review=AutomaticReview(integration="builtin", decision="APPROVED"),
    )
    _, request = await a_request(cluster)
    assert request.spec.state == "APPROVED"
    assert [one.author for one in request.spec.reviews] == ["@teleport-access-approval-bot"]
    (event,) = await cluster.events("access_request.review")
    assert (event["reviewer"], event["state"]) == ("@teleport-access-approval-bot", "APPROVED")


async def test_a_rule_says_whom_a_webhook_tells(cluster: TestCluster, receiver: WebhookReceiver) -> None:
    await a_hook(cluster, receiver.url, notify="rules", events="created")
    client, _ = await a_request(cluster)
    told = Notification(name="pager", recipients=["#db-oncall"])
    await a_rule(cluster, "db", 'contains(access_request.spec.roles, "dba")', notification=told)
    await client.call(routes.CREATE, routes.CreateAccessRequest(roles=("dba",)))
    await until(lambda: bool(receiver.received))
    (message,) = [msgspec.json.decode(one.body) for one in receiver.received]
    assert message["recipients"] == ["#db-oncall"]


async def test_a_rule_that_cannot_be_read_is_refused(cluster: TestCluster) -> None:
    with pytest.raises(BadParameter, match="condition"):
        await a_rule(cluster, "bad", "access_request.spec.nothing ==", notification=Notification(name="pager"))
