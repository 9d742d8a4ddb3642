"""The generic calls: who may, what is checked, what is recorded, what a list shows."""

from __future__ import annotations

import uuid
from datetime import timedelta

import msgspec
import pytest
from auth_cluster import TestCluster

from teleport.api.messages import address_name, encode_call
from teleport.api.route import Empty
from teleport.api.routes import resources as routes
from teleport.api.routes.cluster import WHO_AM_I
from teleport.foundation.errors import (
    AccessDenied,
    AlreadyExists,
    BadParameter,
    NotFound,
    RevisionConflict,
)
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata, Resource
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.lock import Lock, LockSpec, LockTarget
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.role import Role, RoleSpec
from teleport.model.resources.role_conditions import RoleConditions, Rule
from teleport.model.resources.service_heartbeats import AuthServer
from teleport.model.resources.token import Token, TokenSpec
from teleport.model.resources.user import User, UserSpec


def raw(resource: Resource) -> msgspec.Raw:
    return msgspec.Raw(encode_json(resource))


def role(name: str = "dev", allow: dict[str, object] | None = None) -> Role:
    return Role(metadata=Metadata(name=name), spec=RoleSpec(allow=msgspec.convert(allow or {}, RoleConditions)))


async def test_creates_reads_changes_and_deletes_with_an_event_each(cluster: TestCluster) -> None:
    editor = await cluster.person("alice", "editor")
    made = await editor.create(role(allow={"logins": ["alice"]}))
    assert made.metadata.revision
    with pytest.raises(AlreadyExists, match="dev"):
        await editor.create(role())
    read = await editor.get(Role, "dev")
    read.spec.allow.logins = ["bob"]
    changed = await editor.put(read)
    assert changed.spec.allow.logins == ["bob"]
    with pytest.raises(RevisionConflict, match="modified concurrently"):
        await editor.put(read)
    await editor.delete(Role, "dev")
    with pytest.raises(NotFound, match="dev"):
        await editor.get(Role, "dev")
    told = [
        (event["code"], event["name"], event["user"])
        for event in await cluster.events("role.created", "role.updated", "role.deleted")
    ]
    assert told == [("T9000I", "dev", "alice"), ("T9002I", "dev", "alice"), ("T9001I", "dev", "alice")]


async def test_a_refusal_names_the_rule_that_is_missing_and_its_event(cluster: TestCluster) -> None:
    person = await cluster.person("alice", "access")
    with pytest.raises(AccessDenied) as refused:
        await person.create(role())
    assert 'resources ["role"]' in refused.value.message
    (event,) = await cluster.events("auth")
    assert event["uid"] == refused.value.event_id
    assert (event["user"], event["code"]) == ("alice", "T3007W")


async def test_what_may_not_be_seen_and_what_is_not_there_look_alike(cluster: TestCluster) -> None:
    where = RoleConditions(rules=[Rule(resources=["user"], verbs=["read"], where='resource.metadata.name == "bob"')])
    await cluster.role("reads-bob", where)
    await cluster.user("bob", "access")
    await cluster.user("carol", "access")
    person = await cluster.person("alice", "reads-bob")
    assert (await person.get(User, "bob")).name == "bob"
    texts = []
    for name in ("carol", "nobody"):
        with pytest.raises(NotFound) as refused:
            await person.get(User, name)
        texts.append(refused.value.message.replace(name, "X"))
    assert texts[0] == texts[1]


async def test_unknown_fields_and_broken_documents_are_named(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    document = b'{"kind":"role","version":"v7","metadata":{"name":"dev"},"spec":{"allow":{"loginz":["x"]}}}'
    with pytest.raises(BadParameter, match="loginz"):
        await admin.call(routes.CREATE, routes.CreateResource("role", msgspec.Raw(document)))
    with pytest.raises(BadParameter, match="kind"):
        await admin.call(routes.CREATE, routes.CreateResource("user", raw(role())))


@pytest.mark.parametrize(
    "broken",
    [
        {"node_labels_expression": "labels["},
        {"node_labels": {"env": ["^[$"]}},
        {"rules": [{"resources": ["user"], "verbs": ["read"], "where": "nonsense("}]},
        {"logins": ["{{internal.nonsense}}"]},
    ],
)
async def test_a_role_that_cannot_be_read_is_not_stored(cluster: TestCluster, broken: dict[str, object]) -> None:
    admin = await cluster.admin()
    with pytest.raises(BadParameter, match="dev"):
        await admin.create(role(allow=broken))
    with pytest.raises(NotFound):
        await admin.get(Role, "dev")


async def test_names_of_system_roles_are_reserved(cluster: TestCluster) -> None:
    with pytest.raises(BadParameter, match="reserved"):
        await (await cluster.admin()).create(role("Proxy"))


async def test_a_role_in_use_stays(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    await admin.create(role())
    await admin.create(User(metadata=Metadata(name="bob"), spec=UserSpec(roles=["dev"])))
    with pytest.raises(BadParameter, match="in use by user 'bob'"):
        await admin.delete(Role, "dev")
    await admin.delete(User, "bob")
    await admin.delete(Role, "dev")


async def test_a_user_has_only_roles_that_exist(cluster: TestCluster) -> None:
    with pytest.raises(BadParameter, match="ghost"):
        await (await cluster.admin()).create(User(metadata=Metadata(name="bob"), spec=UserSpec(roles=["ghost"])))


async def test_a_singleton_is_reset_when_it_is_removed(cluster: TestCluster) -> None:
    editor = await cluster.person("alice", "editor")
    preference = await editor.get(ClusterAuthPreference, "cluster-auth-preference")
    preference.spec.message_of_the_day = "be careful"
    written = await editor.put(preference)
    assert written.origin == "dynamic"
    await editor.delete(ClusterAuthPreference, "cluster-auth-preference")
    again = await editor.get(ClusterAuthPreference, "cluster-auth-preference")
    assert again.spec.message_of_the_day == ""
    assert again.origin == "defaults"
    assert len(await cluster.events("auth_preference.update")) == 2


async def test_second_factors_cannot_be_turned_off(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    preference = await admin.get(ClusterAuthPreference, "cluster-auth-preference")
    preference.spec.second_factor = "off"
    with pytest.raises(BadParameter, match="second factor"):
        await admin.put(preference)


async def test_the_names_of_tokens_are_masked_in_lists(cluster: TestCluster) -> None:
    editor = await cluster.person("alice", "editor")
    await editor.create(Token(metadata=Metadata(name="a-very-secret-token"), spec=TokenSpec(roles=["Node"])))
    (masked,) = await editor.list(Token)
    (shown,) = await editor.list(Token, with_secrets=True)
    assert masked.name != "a-very-secret-token"
    assert shown.name == "a-very-secret-token"
    (event,) = await cluster.events("join_token.create")
    assert "a-very-secret" not in str(event)


async def test_a_token_is_addressed_without_being_told(cluster: TestCluster) -> None:
    editor = await cluster.person("alice", "editor")
    made = await editor.create(Token(metadata=Metadata(name="a-very-secret-token"), spec=TokenSpec(roles=["Node"])))
    address = encode_call(routes.GET, routes.ResourceName("token", address_name(Token, made.name))).target
    assert "a-very-secret-token" not in address
    read = await editor.get(Token, made.name)
    read.spec.roles = ["Node", "Proxy"]
    assert (await editor.put(read)).spec.roles == ["Node", "Proxy"]
    await editor.delete(Token, made.name)
    with pytest.raises(NotFound):
        await editor.get(Token, made.name)


async def test_the_auth_server_tells_of_itself(cluster: TestCluster) -> None:
    (server,) = await (await cluster.admin()).list(AuthServer)
    assert server.spec.version == "18.0.0"


async def test_secret_halves_have_no_address(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    for kind in ("ca_secrets", "user_secrets", "web_session", "user_token"):
        with pytest.raises(BadParameter):
            await admin.call(routes.LIST, routes.ListResources(kind=kind))
        with pytest.raises(BadParameter):
            await admin.call(routes.GET, routes.ResourceName(kind, "example"))


async def test_a_lock_ends_what_its_user_may_do_at_once(cluster: TestCluster) -> None:
    person = await cluster.person("bob", "access")
    await person.list(Node)
    editor = await cluster.person("alice", "editor")
    lock = Lock(metadata=Metadata(name="stop"), spec=LockSpec(target=LockTarget(user="bob"), message="left"))
    await editor.create(lock)
    with pytest.raises(AccessDenied, match='lock targeting User:"bob" is in force: left'):
        await person.list(Node)
    assert (await editor.get(Lock, "stop")).spec.created_by == "alice"
    (event,) = await cluster.events("lock.created")
    assert event["target"] == {"user": "bob"}


async def test_a_role_that_is_taken_from_a_user_is_worth_nothing_in_certificates_from_before(
    cluster: TestCluster,
) -> None:
    admin = await cluster.admin()
    alice = await cluster.person("alice", "access", "auditor")
    user = await admin.get(User, "alice")
    user.spec.roles = ["access"]
    user = await admin.put(user)
    with pytest.raises(AccessDenied, match='role "auditor" was taken from you'):
        await alice.call(WHO_AM_I, Empty())
    again = await cluster.log_in(cluster.people["alice"])
    assert (await again.call(WHO_AM_I, Empty())).roles == ("access",)
    user.spec.roles = ["access", "auditor"]
    await admin.put(user)
    assert (await alice.call(WHO_AM_I, Empty())).roles == ("access", "auditor")


async def test_a_deleted_user_is_refused_and_leaves_nothing(cluster: TestCluster) -> None:
    person = await cluster.person("bob", "access")
    await (await cluster.admin()).delete(User, "bob")
    with pytest.raises(AccessDenied):
        await person.list(Node)
    await cluster.user("bob", "access")
    with pytest.raises(Exception, match="invalid username"):
        await cluster.log_in_for(cluster.people["bob"])


class TestNodes:
    """Lists of nodes, seen by labels."""

    async def announce(self, cluster: TestCluster, hostname: str, **labels: str) -> str:
        host_id = str(uuid.uuid4())
        agent = await cluster.host("Node", host_id)
        await agent.put(Node(metadata=Metadata(name=host_id, labels=labels), spec=NodeSpec(hostname=hostname)))
        return host_id

    async def test_people_see_what_their_labels_match(self, cluster: TestCluster) -> None:
        await self.announce(cluster, "web", env="prod")
        await self.announce(cluster, "db", env="dev")
        await cluster.role(
            "prod", msgspec.convert({"logins": ["root"], "node_labels": {"env": ["prod"]}}, RoleConditions)
        )
        person = await cluster.person("alice", "prod")
        page = await person.call(routes.LIST, routes.ListResources(kind="node", with_logins=True))
        assert [msgspec.json.decode(item)["spec"]["hostname"] for item in page.items] == ["web"]
        assert page.logins == (("root",),)
        assert page.total == 1

    async def test_search_query_labels_sort_and_pages(self, cluster: TestCluster) -> None:
        for number in range(7):
            await self.announce(cluster, f"web-{number}", env="prod" if number % 2 else "dev")
        person = await cluster.person("alice", "access")

        async def hosts(**criteria: object) -> list[str]:
            return [node.hostname for node in await person.list(Node, **criteria)]

        assert await hosts(search="web-3") == ["web-3"]
        assert sorted(await hosts(labels={"env": "dev"})) == ["web-0", "web-2", "web-4", "web-6"]
        assert sorted(await hosts(query='labels["env"] == "prod"')) == ["web-1", "web-3", "web-5"]
        assert await hosts(sort="hostname:desc", limit=3) == [f"web-{number}" for number in range(6, -1, -1)]
        first = await person.call(routes.LIST, routes.ListResources(kind="node", limit=3))
        assert (len(first.items), first.total, bool(first.next_start)) == (3, 7, True)
        with pytest.raises(BadParameter):
            await hosts(query="labels[")

    async def test_an_agent_writes_its_own_heartbeat_alone(self, cluster: TestCluster) -> None:
        host_id = await self.announce(cluster, "web")
        other = await cluster.host("Node")
        with pytest.raises(AccessDenied):
            await other.put(Node(metadata=Metadata(name=host_id), spec=NodeSpec(hostname="taken over")))
        with pytest.raises((AccessDenied, NotFound)):
            await other.delete(Node, host_id)

    async def test_a_heartbeat_ends_when_the_agent_is_silent(self, cluster: TestCluster) -> None:
        host_id = str(uuid.uuid4())
        agent = await cluster.host("Node", host_id)
        node = Node(metadata=Metadata(name=host_id), spec=NodeSpec(hostname="web"))
        first = await agent.put(node)
        cluster.clock.advance(timedelta(minutes=6))
        second = await agent.put(Node(metadata=Metadata(name=host_id), spec=NodeSpec(hostname="web")))
        assert second.metadata.revision == first.metadata.revision
        cluster.clock.advance(timedelta(minutes=6))
        admin = await cluster.admin()
        assert (await admin.get(Node, host_id)).hostname == "web"
        cluster.clock.advance(timedelta(minutes=11))
        with pytest.raises(NotFound):
            await admin.get(Node, host_id)

    async def test_a_server_without_an_agent_stays_for_as_long_as_its_certificate(self, cluster: TestCluster) -> None:
        """It tells of itself when it joins and renews, and is silent in between."""
        host_id = str(uuid.uuid4())
        server = await cluster.host("Node", host_id)
        node = Node(sub_kind="openssh", metadata=Metadata(name=host_id), spec=NodeSpec(hostname="web", addr="a:22"))
        node.metadata.expires = cluster.clock.now() + timedelta(days=3650)
        await server.put(node)
        cluster.clock.advance(timedelta(hours=23))
        admin = await cluster.admin()
        assert (await admin.get(Node, host_id)).hostname == "web"
        cluster.clock.advance(timedelta(hours=2))
        with pytest.raises(NotFound):
            await admin.get(Node, host_id)

    async def test_people_create_only_openssh_nodes(self, cluster: TestCluster) -> None:
        editor = await cluster.person("alice", "editor")
        with pytest.raises(BadParameter, match="openssh"):
            await editor.create(Node(metadata=Metadata(name=str(uuid.uuid4())), spec=NodeSpec(hostname="web")))
        made = await editor.create(Node(sub_kind="openssh", spec=NodeSpec(hostname="web", addr="192.0.2.10:22")))
        assert made.name
