"""Typed resources over each backend."""

from __future__ import annotations

from datetime import timedelta

import pytest

from teleport.foundation.clock import MovedClock
from teleport.foundation.errors import AlreadyExists, BadParameter, NotFound, RevisionConflict
from teleport.model.resource import Metadata
from teleport.model.resources.cert_authority import CertAuthority, CertAuthoritySpec
from teleport.model.resources.cluster_settings import ClusterName
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.role import Role
from teleport.model.resources.token import Token
from teleport.model.resources.user import User
from teleport.model.resources.user_secrets import UserSecrets
from teleport.storage.backend import Backend, end_of
from teleport.storage.store import CreateOf, DeleteOf, OverwriteOf, RequireOf, Store, UpdateOf, UpsertOf


@pytest.fixture
def store(backend: Backend, clock: MovedClock) -> Store:
    return Store(backend, clock)


def role(name: str, description: str = "", revision: str = "") -> Role:
    return Role(metadata=Metadata(name=name, description=description, revision=revision))


async def test_a_created_resource_is_read_back_with_its_revision(store: Store) -> None:
    given = role("admin", "all of it")
    created = await store.create(given)
    assert given.metadata.revision == ""
    assert created.metadata.revision.isdigit()
    assert await store.get(Role, "admin") == created
    assert await store.find(Role, "nobody") is None


async def test_the_error_names_kind_and_name(store: Store) -> None:
    await store.create(role("admin"))
    with pytest.raises(AlreadyExists, match=r"^role/admin already exists$"):
        await store.create(role("admin"))
    with pytest.raises(NotFound, match=r"^user/alice is not found$"):
        await store.get(User, "alice")
    with pytest.raises(NotFound, match=r"^user/alice is not found$"):
        await store.delete(User, "alice")
    with pytest.raises(BadParameter, match="name is missing"):
        await store.get(User, "")


async def test_no_error_tells_the_name_of_a_token(store: Store) -> None:
    token = Token(metadata=Metadata(name="0123456789abcdef-secret"))
    await store.create(token)
    with pytest.raises(AlreadyExists) as twice:
        await store.create(token)
    with pytest.raises(NotFound) as absent:
        await store.get(Token, "fedcba9876543210-secret")
    assert "0123456789" not in str(twice.value)
    assert "fedcba9876" not in str(absent.value)


async def test_update_writes_only_over_what_was_read(store: Store) -> None:
    read = await store.create(role("admin", "1"))
    read.metadata.description = "2"
    updated = await store.update(read)
    assert int(updated.metadata.revision) > int(read.metadata.revision)
    with pytest.raises(RevisionConflict, match="role/admin was changed"):
        await store.update(read)
    with pytest.raises(BadParameter, match="revision"):
        await store.update(role("admin", "3"))
    for foreign in ("a-uuid", "-1", "９", "9" * 30):
        with pytest.raises(RevisionConflict):
            await store.update(role("admin", "3", foreign))
    with pytest.raises(NotFound):
        await store.update(role("nobody", revision="1"))
    assert await store.get(Role, "admin") == updated


async def test_overwrite_and_upsert_take_any_revision(store: Store) -> None:
    with pytest.raises(NotFound, match="role/admin"):
        await store.overwrite(role("admin"))
    first = await store.upsert(role("admin", "1", revision="77"))
    second = await store.upsert(role("admin", "2"))
    third = await store.overwrite(role("admin", "3", revision=first.metadata.revision))
    assert len({each.metadata.revision for each in (first, second, third)}) == 3
    assert await store.get(Role, "admin") == third


async def test_delete_by_revision(store: Store) -> None:
    read = await store.create(role("admin"))
    current = await store.upsert(role("admin"))
    with pytest.raises(RevisionConflict):
        await store.delete(Role, "admin", read.metadata.revision)
    await store.delete(Role, "admin", current.metadata.revision)
    assert await store.find(Role, "admin") is None


async def test_pages_follow_each_other_in_order_of_names(store: Store) -> None:
    names = [f"role-{number:03}" for number in range(25)]
    for name in reversed(names):
        await store.create(role(name))
    await store.create(User(metadata=Metadata(name="role-000")))
    found, start = [], ""
    for expected in (10, 10, 5):
        page = await store.list(Role, 10, start)
        assert len(page.items) == expected
        found += [each.name for each in page.items]
        start = page.next_start
    assert (found, start) == (names, "")
    assert [each.name async for each in store.iterate(Role, 7)] == names
    exact = await store.list(Role, 25)
    assert exact.next_start == ""
    with pytest.raises(BadParameter, match="limit"):
        await store.list(Role, 0)


async def test_a_kind_whose_name_begins_like_another_is_apart(store: Store) -> None:
    await store.create(User(metadata=Metadata(name="alice")))
    await store.create(UserSecrets(metadata=Metadata(name="alice")))
    assert [each.name async for each in store.iterate(User)] == ["alice"]
    assert await store.delete_all(User) == 1
    assert (await store.get(UserSecrets, "alice")).name == "alice"


async def test_secrets_live_in_a_range_of_their_own(store: Store) -> None:
    await store.create(UserSecrets(metadata=Metadata(name="alice")))
    await store.create(User(metadata=Metadata(name="alice")))
    assert [item.key for item in await store.backend.range("/secrets/", end_of("/secrets/"))] == [
        "/secrets/user_secrets/alice"
    ]
    assert [item.key for item in await store.backend.range("/user/", end_of("/user/"))] == ["/user/alice"]


async def test_authorities_are_named_by_type_and_cluster(store: Store) -> None:
    for type_ in ("user", "host"):
        authority = CertAuthority(
            sub_kind=type_, metadata=Metadata(name="example.com"), spec=CertAuthoritySpec(type=type_)
        )
        await store.create(authority)
    assert (await store.get(CertAuthority, "host/example.com")).spec.type == "host"
    page = await store.list(CertAuthority, 1)
    assert page.next_start == "user/example.com"
    assert [each.spec.type for each in (await store.list(CertAuthority, 5, page.next_start)).items] == ["user"]


async def test_a_singleton_needs_no_name(store: Store) -> None:
    with pytest.raises(NotFound, match="cluster_name"):
        await store.get_singleton(ClusterName)
    created = await store.create(ClusterName())
    assert await store.get_singleton(ClusterName) == created


async def test_a_resource_expires_and_is_kept_alive(store: Store, clock: MovedClock) -> None:
    soon = clock.now().replace(microsecond=0) + timedelta(minutes=10)
    await store.create(Node(metadata=Metadata(name="n1", expires=soon), spec=NodeSpec(hostname="db")))
    read = await store.get(Node, "n1")
    assert read.metadata.expires == soon
    await store.keep_alive(Node, "n1", soon + timedelta(minutes=10))
    clock.advance(timedelta(minutes=15))
    kept = await store.get(Node, "n1")
    assert (kept.metadata.expires, kept.revision) == (soon + timedelta(minutes=10), read.revision)
    clock.advance(timedelta(minutes=10))
    assert await store.find(Node, "n1") is None
    with pytest.raises(NotFound, match=r"^node/n1 is not found$"):
        await store.keep_alive(Node, "n1", clock.now() + timedelta(minutes=10))


async def test_several_resources_are_written_together_or_not_at_all(store: Store) -> None:
    admin = await store.create(role("admin", "1"))
    old = await store.create(role("old"))
    written = await store.transact(
        [
            RequireOf(Role, "admin", admin.revision),
            CreateOf(User(metadata=Metadata(name="alice"))),
            UpsertOf(UserSecrets(metadata=Metadata(name="alice"))),
            DeleteOf(Role, "old", old.revision),
        ]
    )
    assert [(each.kind, each.name) for each in written] == [("user", "alice"), ("user_secrets", "alice")]
    assert await store.get(User, "alice") == written[0]
    with pytest.raises(AlreadyExists, match=r"^user/alice already exists$"):
        await store.transact([OverwriteOf(role("admin", "2")), CreateOf(User(metadata=Metadata(name="alice")))])
    with pytest.raises(RevisionConflict, match="role/admin"):
        await store.transact([UpdateOf(role("admin", "2", old.revision)), DeleteOf(User, "alice")])
    with pytest.raises(AlreadyExists):
        await store.transact([RequireOf(Role, "admin", ""), DeleteOf(User, "alice")])
    assert await store.get(Role, "admin") == admin
    assert await store.find(User, "alice") is not None
