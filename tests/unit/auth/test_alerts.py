"""Cluster alerts at the API: who makes, sees, acknowledges them; what is refused; what the log says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auth_cluster import TestCluster

from teleport.api.client import Client
from teleport.api.route import Empty
from teleport.api.routes import alerts as routes
from teleport.foundation.errors import AccessDenied, AlreadyExists, BadParameter, LimitExceeded, NotFound
from teleport.model.codec import decode_json
from teleport.model.resource import Metadata
from teleport.model.resources.access_list import AccessList, AccessListSpec, Audit, Grants, Owner
from teleport.model.resources.cluster_alert import LINK, ON_LOGIN, PERMIT_ALL, VERB_PERMIT, ClusterAlert
from teleport.model.resources.role_conditions import RoleConditions, Rule


async def seen(client: Client, **more: object) -> list[str]:
    answer = await client.call(routes.LIST, routes.ListAlerts(**more))  # type: ignore[arg-type]
    return [decode_json(one.alert, ClusterAlert).spec.message for one in answer.alerts]


async def make(client: Client, message: str, **more: object) -> ClusterAlert:
    shown = await client.call(routes.CREATE, routes.CreateAlert(message=message, **more))  # type: ignore[arg-type]
    return decode_json(shown.alert, ClusterAlert)


async def test_people_see_what_is_for_them(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    await cluster.role("idle", RoleConditions(logins=["x"]))
    await cluster.role("joiner", RoleConditions(rules=[Rule(resources=["token"], verbs=["create"])]))
    idle, joiner = await cluster.person("ida", "idle"), await cluster.person("joe", "joiner")
    plain = await make(admin, "for all", severity="high")
    assert plain.metadata.labels == {ON_LOGIN: "yes", PERMIT_ALL: "yes"}
    await make(admin, "for joiners", labels={VERB_PERMIT: "token:create"})
    await make(admin, "for readers", labels={"a": "b"})
    assert await seen(idle) == ["for all"]
    assert await seen(joiner) == ["for all", "for joiners"]
    assert await seen(joiner, labels={ON_LOGIN: "yes"}) == ["for all"]
    assert sorted(await seen(admin)) == ["for all", "for joiners", "for readers"]
    with pytest.raises(AccessDenied):
        await make(idle, "mine")
    with pytest.raises(AccessDenied):
        await idle.call(routes.ACKNOWLEDGE, routes.AcknowledgeAlert(id=plain.name))
    with pytest.raises(AccessDenied):
        await seen(idle, everything=True)
    cluster.clock.advance(timedelta(days=1, minutes=1))
    assert await seen(await cluster.admin()) == []
    made = await cluster.events("cluster_alert.create")
    assert (made[0]["message"], made[0]["severity"]) == ("for all", "HIGH")


async def test_an_acknowledgement_hides_for_a_time_and_for_everybody(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    alert = await make(admin, "upgrade", ttl=timedelta(days=10))
    hide = routes.AcknowledgeAlert(id=alert.name, reason="on Friday", ttl=timedelta(minutes=10))
    told = await admin.call(routes.ACKNOWLEDGE, hide)
    assert told.reason == "on Friday"
    assert await seen(admin) == []
    assert await seen(admin, everything=True) == ["upgrade"]
    with pytest.raises(AlreadyExists):
        await admin.call(routes.ACKNOWLEDGE, hide)
    (listed,) = (await admin.call(routes.ACKNOWLEDGEMENTS, Empty())).acknowledgements
    assert listed == told
    cluster.clock.advance(timedelta(minutes=11))
    assert await seen(admin) == ["upgrade"]
    await admin.call(routes.ACKNOWLEDGE, hide)
    await admin.call(routes.CLEAR, routes.AlertId(alert.name))
    assert await seen(admin) == ["upgrade"]
    with pytest.raises(NotFound):
        await admin.call(routes.CLEAR, routes.AlertId(alert.name))
    await admin.call(routes.ACKNOWLEDGE, routes.AcknowledgeAlert(id="not-there-yet"))
    codes = [event["code"] for event in await cluster.events("cluster_alert.ack", "cluster_alert.ack.delete")]
    assert sorted(codes) == ["TALERT01I", "TALERT01I", "TALERT01I", "TALERT02I"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"message": "x" * 1025},
        {"message": " "},
        {"message": "red \x1b[31m"},
        {"message": "turned \u202e"},
        {"severity": "worst"},
        {"ttl": timedelta(days=91)},
        {"ttl": timedelta()},
        {"labels": {f"k{n}": "v" for n in range(21)}},
        {"labels": {"k": "v" * 1025}},
        {"labels": {"k": "\x1b"}},
        {"labels": {"teleport.internal/other": "yes"}},
        {"labels": {VERB_PERMIT: "token"}},
        {"labels": {LINK: "javascript:alert(1)"}},
        {"labels": {LINK: "https://goteleport.com.evil.example/"}},
        {"labels": {LINK: "https://goteleport.com@evil.example/"}},
    ],
)
async def test_bad_alerts_are_refused(cluster: TestCluster, wrong: dict[str, object]) -> None:
    admin = await cluster.admin()
    with pytest.raises(BadParameter):
        await make(admin, **{"message": "fine", **wrong})  # type: ignore[arg-type]
    assert await seen(admin) == []


async def test_there_is_a_limit_to_alerts(cluster: TestCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teleport.auth.alerts.MAX_ALERTS", 2)
    monkeypatch.setattr("teleport.auth.alerts.MAX_ACKNOWLEDGEMENTS", 1)
    admin = await cluster.admin()
    await make(admin, "one", labels={LINK: "https://goteleport.com/docs/"})
    await make(admin, "two")
    with pytest.raises(LimitExceeded):
        await make(admin, "three")
    await admin.call(routes.ACKNOWLEDGE, routes.AcknowledgeAlert(id="a"))
    with pytest.raises(LimitExceeded):
        await admin.call(routes.ACKNOWLEDGE, routes.AcknowledgeAlert(id="b"))


async def test_owners_are_told_of_a_review_that_is_due(cluster: TestCluster) -> None:
    for name in ("idle", "dba"):
        await cluster.role(name, RoleConditions(logins=["x"]))
    olga, other = await cluster.person("olga", "idle"), await cluster.person("otto", "idle")
    admin = await cluster.admin()
    due = cluster.clock.now() + timedelta(days=3)
    spec = AccessListSpec(
        title="the dbas", owners=[Owner(name="olga")], grants=Grants(roles=["dba"]), audit=Audit(next_audit_date=due)
    )
    await admin.create(AccessList(metadata=Metadata(name="dbas"), spec=spec))
    await cluster.service.access_lists.reviews.give_notice()
    (told,) = await seen(olga, labels={ON_LOGIN: "yes"})
    assert "the dbas" in told
    assert await seen(other) == []
