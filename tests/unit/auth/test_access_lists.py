"""Access lists in the auth service: grants at login, taken back at once; members, reviews, notices, who may what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auth_cluster import TestCluster, key_pair

from teleport.api.client import Client
from teleport.api.route import Empty
from teleport.api.routes import access_lists as routes
from teleport.api.routes import certificates
from teleport.api.routes.cluster import WHO_AM_I
from teleport.auth.access_lists.grants import reconcile
from teleport.credentials import x509
from teleport.foundation.errors import AccessDenied, BadParameter, NotFound
from teleport.model.codec import decode_json
from teleport.model.identity import Identity
from teleport.model.resource import Metadata
from teleport.model.resources.access_list import (
    AccessList,
    AccessListMember,
    AccessListMemberSpec,
    AccessListSpec,
    Audit,
    Grants,
    Owner,
    Requires,
)
from teleport.model.resources.cluster_alert import ClusterAlert
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import RoleConditions, Rule
from teleport.model.resources.user_login_state import UserLoginState

MEMBER_EVENTS = ("access_list.member.create", "access_list.member.delete")


async def a_list(cluster: TestCluster, name: str, *roles: str, owner: str = "olga", **more: object) -> AccessList:
    spec = AccessListSpec(
        title=f"the {name}",
        owners=[Owner(name=owner)],
        grants=Grants(roles=list(roles), traits=more.pop("traits", {})),  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )
    made = AccessList(metadata=Metadata(name=name), spec=spec)
    made.check()
    return await cluster.store.upsert(made)


async def a_member(cluster: TestCluster, name: str, list_name: str, **more: object) -> AccessListMember:
    spec = AccessListMemberSpec(access_list=list_name, name=name, **more)  # type: ignore[arg-type]
    return await cluster.store.upsert(AccessListMember(metadata=Metadata(name=name), spec=spec))


async def login(cluster: TestCluster, name: str) -> tuple[Client, Identity]:
    granted = await cluster.log_in_for(cluster.people[name])
    return cluster.client(granted.tls_cert), x509.read_identity(granted.tls_cert, "user")


async def reissued(client: Client) -> Identity:
    keys = key_pair()
    wanted = certificates.IssueCertificates(ssh_public_key=keys.ssh, tls_public_key=keys.tls)
    return x509.read_identity((await client.call(certificates.ISSUE, wanted)).tls_certificate, "user")


@pytest.fixture
async def team(cluster: TestCluster) -> TestCluster:
    """`plain` is alice's own role; `dba` is what the list `dbas` gives."""
    await cluster.role("plain", RoleConditions(logins=["alice"]))
    await cluster.role("dba", RoleConditions(logins=["postgres"]))
    await cluster.sign_up("alice", "plain", team=["db"])
    return cluster


async def test_grants_come_with_the_next_login_and_go_with_membership(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba", traits={"level": ["3"]})
    await a_member(team, "alice", "dbas")
    client, identity = await login(team, "alice")
    assert identity.roles == ("plain", "dba")
    assert (identity.traits["level"], identity.traits["team"]) == (("3",), ("db",))
    assert (await client.call(WHO_AM_I, Empty())).username == "alice"
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    with pytest.raises(AccessDenied, match="no longer in"):
        await client.call(WHO_AM_I, Empty())
    again, identity = await login(team, "alice")
    assert identity.roles == ("plain",)
    assert "level" not in identity.traits
    assert (await again.call(WHO_AM_I, Empty())).username == "alice"


async def test_traits_alone_are_taken_back_too(team: TestCluster) -> None:
    await a_list(team, "dbas", traits={"logins": ["root"]})
    await a_member(team, "alice", "dbas")
    client, identity = await login(team, "alice")
    assert identity.traits["logins"] == ("root",)
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    with pytest.raises(AccessDenied, match="logins"):
        await client.call(WHO_AM_I, Empty())


async def test_who_never_held_anything_is_not_touched(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_member(team, "alice", "dbas")
    await team.sign_up("bob", "plain", "dba")
    bob, _ = await login(team, "bob")
    await login(team, "alice")
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    assert (await bob.call(WHO_AM_I, Empty())).username == "bob"


async def test_a_role_that_is_given_otherwise_stays(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_member(team, "alice", "dbas")
    client, _ = await login(team, "alice")
    await team.user("alice", "plain", "dba", team=["db"])
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    assert (await client.call(WHO_AM_I, Empty())).username == "alice"


async def test_a_membership_that_returns_gives_back(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_member(team, "alice", "dbas")
    client, _ = await login(team, "alice")
    await team.store.delete(AccessListMember, "dbas/alice")
    await reconcile(team.service.cluster)
    await a_member(team, "alice", "dbas")
    await reconcile(team.service.cluster)
    assert (await client.call(WHO_AM_I, Empty())).username == "alice"


async def test_memberships_end_by_time(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    end = team.clock.now() + timedelta(hours=1)
    await a_member(team, "alice", "dbas", expires=end)
    assert await reconcile(team.service.cluster) == end, "also before anybody uses it"
    client, identity = await login(team, "alice")
    assert "dba" in identity.roles
    team.clock.advance(timedelta(hours=1, minutes=1))
    await reconcile(team.service.cluster)
    with pytest.raises(AccessDenied, match="no longer in"):
        await client.call(WHO_AM_I, Empty())


async def test_requirements_that_are_not_met_give_nothing(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba", membership_requires=Requires(traits={"team": ["web"]}))
    await a_member(team, "alice", "dbas")
    _, identity = await login(team, "alice")
    assert identity.roles == ("plain",)


async def test_lists_in_lists_give_too(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_list(team, "team", "plain")
    await a_member(team, "team", "dbas", membership_kind="MEMBERSHIP_KIND_LIST")
    await a_member(team, "alice", "team")
    client, identity = await login(team, "alice")
    assert identity.roles == ("plain", "dba")
    await team.store.delete(AccessListMember, "dbas/team")
    await reconcile(team.service.cluster)
    with pytest.raises(AccessDenied, match="no longer in"):
        await client.call(WHO_AM_I, Empty())


async def test_a_list_with_a_role_that_is_gone_is_skipped_and_told(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba", "vanished")
    await a_member(team, "alice", "dbas")
    _, identity = await login(team, "alice")
    assert identity.roles == ("plain",)
    (event,) = await team.events("user_login.access_list_invalid")
    assert (event["code"], event["missing_roles"]) == ("TAL009W", ["vanished"])


async def test_a_reissue_keeps_what_the_login_had(team: TestCluster) -> None:
    client, _ = await login(team, "alice")
    await a_list(team, "dbas", "dba")
    await a_member(team, "alice", "dbas")
    assert (await reissued(client)).roles == ("plain",)


async def test_nothing_is_kept_for_whom_lists_give_nothing(team: TestCluster) -> None:
    await login(team, "alice")
    assert await team.store.find(UserLoginState, "alice") is None


async def test_owners_keep_members_and_nobody_else_does(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await team.sign_up("olga", "plain")
    await team.sign_up("eve", "plain")
    olga, _ = await login(team, "olga")
    eve, _ = await login(team, "eve")
    added = await olga.call(routes.ADD, routes.AddMember(name="dbas", member="alice", reason="on call"))
    member = decode_json(added.member, AccessListMember)
    assert (member.spec.added_by, member.spec.reason) == ("olga", "on call")
    for refused in (
        eve.call(routes.ADD, routes.AddMember(name="dbas", member="eve")),
        eve.call(routes.REMOVE, routes.MemberName("dbas", "alice")),
        eve.call(routes.GET, routes.ListName("dbas")),
        eve.call(routes.AUDIENCE, routes.ListName("dbas")),
    ):
        with pytest.raises(NotFound):
            await refused
    assert len((await olga.call(routes.MEMBERS, routes.ListName("dbas"))).members) == 1
    told = (await olga.call(routes.AUDIENCE, routes.ListName("dbas"))).people
    assert [(one.user, one.role) for one in told] == [("alice", "member"), ("olga", "owner")]
    await olga.call(routes.REMOVE, routes.MemberName("dbas", "alice"))
    codes = [(event["code"], event["members"][0]["member_name"]) for event in await team.events(*MEMBER_EVENTS)]
    assert codes == [("TAL005I", "alice"), ("TAL007I", "alice")]


async def test_an_owner_does_not_give_to_themselves(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_list(team, "mine", "plain")
    await a_member(team, "olga", "mine")
    await team.sign_up("olga", "plain")
    olga, _ = await login(team, "olga")
    with pytest.raises(AccessDenied, match="somebody else"):
        await olga.call(routes.ADD, routes.AddMember(name="dbas", member="olga"))
    with pytest.raises(AccessDenied, match="somebody else"):
        await olga.call(routes.ADD, routes.AddMember(name="dbas", member="mine", kind="list"))


async def test_who_may_write_lists_but_not_roles_gives_only_what_they_hold(team: TestCluster) -> None:
    rules = [Rule(resources=["access_list", "access_list_member"], verbs=["*"])]
    await team.role("lister", RoleConditions(rules=rules))
    lister = await team.person("lisa", "lister")
    spec = AccessListSpec(title="x", owners=[Owner(name="lisa")], grants=Grants(roles=["dba"]))
    with pytest.raises(AccessDenied, match="grant role 'dba'"):
        await lister.create(AccessList(metadata=Metadata(name="x"), spec=spec))
    await a_list(team, "dbas", "dba")
    for call in (
        lister.call(routes.ADD, routes.AddMember(name="dbas", member="lisa")),
        lister.create(member_of("dbas", "lisa")),
    ):
        with pytest.raises(AccessDenied, match="somebody else"):
            await call
    spec = AccessListSpec(title="x", owners=[Owner(name="lisa")], grants=Grants(roles=["lister"]))
    assert (await lister.create(AccessList(metadata=Metadata(name="y"), spec=spec))).spec.title == "x"


def member_of(list_name: str, name: str) -> AccessListMember:
    return AccessListMember(metadata=Metadata(name=name), spec=AccessListMemberSpec(access_list=list_name, name=name))


async def test_lists_in_knots_and_lists_in_use_are_refused(team: TestCluster) -> None:
    admin = await team.admin()
    for name in ("one", "two"):
        await a_list(team, name, "dba")
    await admin.call(routes.ADD, routes.AddMember(name="one", member="two", kind="list"))
    with pytest.raises(BadParameter, match="contain each other"):
        await admin.call(routes.ADD, routes.AddMember(name="two", member="one", kind="list"))
    with pytest.raises(BadParameter, match="part of access list"):
        await admin.delete(AccessList, "two")
    with pytest.raises(BadParameter, match="in use by access list"):
        await admin.delete(Role, "dba")
    await admin.delete(AccessList, "one")
    assert await team.store.find(AccessListMember, "one/two") is None
    await admin.delete(AccessList, "two")
    ended = await team.events("access_list.delete", "access_list.member.delete_all_members")
    assert sorted(event["code"] for event in ended) == ["TAL003I", "TAL003I", "TAL008I"]


async def test_a_review_moves_the_next_one_and_ends_the_notice(team: TestCluster) -> None:
    reviews = team.service.access_lists.reviews
    admin = await team.admin()
    spec = AccessListSpec(title="the dbas", owners=[Owner(name="olga")], grants=Grants(roles=["dba"]))
    made = await admin.create(AccessList(metadata=Metadata(name="dbas"), spec=spec))
    assert made.spec.audit is not None
    due = made.spec.audit.next_audit_date
    assert due is not None
    await a_member(team, "alice", "dbas")
    await reviews.give_notice()
    assert await team.store.find(ClusterAlert, "access-list-review-dbas") is None
    team.clock.advance(due - team.clock.now() - timedelta(days=10))
    await reviews.give_notice()
    alert = await team.store.get(ClusterAlert, "access-list-review-dbas")
    assert (alert.spec.severity, "the dbas" in alert.spec.message) == ("MEDIUM", True)
    again = await team.admin()
    wanted = routes.ReviewList(name="dbas", notes="looked", removed_members=("alice",), frequency="3months")
    shown = await again.call(routes.REVIEW, wanted)
    assert shown.next_audit_date > due - timedelta(days=10)
    assert await team.store.find(ClusterAlert, "access-list-review-dbas") is None
    assert await team.store.find(AccessListMember, "dbas/alice") is None
    assert len((await again.call(routes.REVIEWS, routes.ListName("dbas"))).reviews) == 1
    (event,) = await team.events("access_list.review")
    assert (event["code"], event["removed_members"]) == ("TAL004I", ["alice"])


async def test_lists_are_shown_to_those_they_concern(team: TestCluster) -> None:
    await a_list(team, "dbas", "dba")
    await a_list(team, "others", "dba", owner="oscar")
    await a_member(team, "alice", "dbas")
    alice, _ = await login(team, "alice")

    async def seen(client: Client) -> list[str]:
        page = await client.call(routes.LIST, routes.ListLists())
        return [decode_json(one, AccessList).name for one in page.lists]

    assert await seen(alice) == ["dbas"]
    assert await seen(await team.admin()) == ["dbas", "others"]
    with pytest.raises(NotFound):
        await alice.call(routes.GET, routes.ListName("others"))


async def test_everybody_learns_where_they_stand(team: TestCluster) -> None:
    due = Audit(next_audit_date=team.clock.now() + timedelta(days=3))
    await a_list(team, "dbas", "dba", audit=due)
    await a_list(team, "inner", "dba", owner="oscar")
    await a_member(team, "alice", "dbas")
    await a_member(team, "inner", "dbas", membership_kind="MEMBERSHIP_KIND_LIST")
    alice, _ = await login(team, "alice")
    olga = await team.person("olga", "plain")
    editor = await team.person("ed", "editor")

    async def standings(client: Client) -> list[routes.Standing]:
        return list((await client.call(routes.LIST, routes.ListLists())).standings)

    assert await standings(alice) == [routes.Standing(is_member=True, is_review_due=True)]
    assert await standings(olga) == [routes.Standing(runs=True, is_owner=True, is_review_due=True)]
    assert await standings(editor) == [routes.Standing(runs=True, is_review_due=True), routes.Standing(runs=True)]
    assert (await olga.call(routes.GET, routes.ListName("dbas"))).standing.is_owner
    assert (await olga.call(routes.MEMBERS, routes.ListName("dbas"))).titles == {}
    assert (await editor.call(routes.MEMBERS, routes.ListName("dbas"))).titles == {"inner": "the inner"}
