"""Sessions with several people in them, each with the stock OpenSSH client on a terminal of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from data_plane import eventually
from sharing import JOINER, LOOKER, guest, joined, shell, the_session
from ssh_post import Site, site

from teleport.credentials.ssh_certificates import JOIN_PRINCIPAL


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        await running.apply(JOINER + "---" + LOOKER)
        yield running


async def test_an_observer_sees_what_was_and_what_comes(here: Site) -> None:
    async with shell(here) as owner:
        owner.type("echo before-$((40+2))\n")
        await owner.until("before-42")
        async with joined(here, guest(here), "observer") as watching:
            await watching.until("before-42")
            await watching.until("bob joined as observer. Present: alice (peer), bob (observer)")
            await owner.until("bob joined as observer")
            owner.type("echo after-$((40+2))\n")
            await watching.until("after-42")


async def test_what_an_observer_types_is_nothing_but_that_control_c_leaves(here: Site) -> None:
    async with shell(here) as owner, joined(here, guest(here), "observer") as watching:
        await watching.until("Ctrl-C leaves")
        watching.type("echo typed-by-observer\nttt")
        owner.type("echo mine-$((1+1))\n")
        await watching.until("mine-2")
        watching.type("\x03")
        assert await watching.end() == 0
        await owner.until("bob (observer) left. Present: alice (peer)")
        owner.type("echo still-$((1+1))\n")
        seen = await owner.until("still-2")
        assert b"typed-by-observer" not in seen
    joins, leaves = await here.log.wait_for("session.join"), await here.log.wait_for("session.leave")
    assert (joins[0].user, joins[0].code, joins[0].participants) == ("bob", "T2001I", ["alice", "bob"])
    assert (leaves[0].user, leaves[0].code) == ("bob", "T2003I")
    assert joins[0].login == leaves[0].login != JOIN_PRINCIPAL


async def test_a_peer_types(here: Site) -> None:
    async with shell(here) as owner, joined(here, guest(here), "peer") as helping:
        await helping.until("you are peer")
        helping.type("echo from-the-$((1+1))nd\n")
        await owner.until("from-the-2nd")
        await helping.until("from-the-2nd")


async def test_a_moderator_ends_the_session(here: Site) -> None:
    async with shell(here) as owner, joined(here, guest(here), "moderator") as watching:
        await watching.until("t ends the session")
        watching.type("what a nice t that is")
        owner.type("echo still-$((1+1))\n")
        await watching.until("still-2")
        watching.type("t")
        await watching.until("the session has ended: terminated by bob")
        assert await watching.end() == 0
        await owner.until("the session ends: terminated by bob")
        assert await owner.end() != 0
    (ended,) = await here.log.wait_for("session.end")
    assert ended.participants == ["alice", "bob"]
    (join,), leaves = await here.log.wait_for("session.join"), await here.log.wait_for("session.leave", count=2)
    assert join.ei < min(one.ei for one in leaves) <= max(one.ei for one in leaves) < ended.ei


async def test_the_owner_joins_as_peer_from_elsewhere_without_a_policy(here: Site) -> None:
    async with shell(here) as owner, joined(here, here.person("alice"), "peer") as again:
        await again.until("you are peer")
        again.type("echo again-$((1+1))\n")
        await owner.until("again-2")


async def test_the_session_ends_for_everybody(here: Site) -> None:
    async with shell(here) as owner, joined(here, guest(here), "observer") as watching:
        await watching.until("Ctrl-C leaves")
        owner.type("echo last-$((1+1)); exit 4\n")
        assert await owner.end() == 4
        await watching.until("last-2")
        await watching.until("the session has ended")
        assert await watching.end() == 0
    assert not here.post.sessions


@pytest.mark.parametrize(
    ("role", "mode", "reason"),
    [
        ("looker", "peer", 'your roles allow the modes: "observer"'),
        ("looker", "moderator", 'your roles allow the modes: "observer"'),
        ("access", "observer", "there is no such session here that you may join"),
        ("joiner", "owner", "there is no such session here that you may join"),
    ],
)
async def test_modes_that_roles_do_not_allow(here: Site, role: str, mode: str, reason: str) -> None:
    async with shell(here) as owner:
        async with joined(here, guest(here, role=role), mode) as refused:
            await refused.until(reason)
            assert await refused.end() != 0
        (event,) = await here.log.wait_for("auth")
        assert event.user == "bob"
        owner.type("echo un-$((0+0))disturbed\n")
        assert b"bob" not in await owner.until("un-0disturbed")


async def test_an_unknown_session(here: Site) -> None:
    async with joined(here, guest(here), "observer", "0b7b4d9d-1111-4222-8333-944455556666") as refused:
        await refused.until("there is no such session here that you may join")
        assert await refused.end() != 0


async def test_a_lock_throws_out_the_observer_alone(here: Site) -> None:
    async with shell(here) as owner, joined(here, guest(here), "observer") as watching:
        await watching.until("Ctrl-C leaves")
        await here.apply("{kind: lock, version: v2, metadata: {name: l}, spec: {target: {user: bob}}}")
        await watching.until("lock")
        assert await watching.end() != 0
        await owner.until("bob (observer) left")
        owner.type("echo still-$((1+1))\n")
        await owner.until("still-2")


async def test_a_role_that_no_longer_allows_it_throws_out(here: Site) -> None:
    async with shell(here) as owner, joined(here, guest(here), "peer") as helping:
        await helping.until("you are peer")
        await here.apply(JOINER.replace("observer, moderator, peer", "observer"))
        await owner.until("bob (peer) left")
        assert await helping.end() != 0


async def test_the_tracker_names_everybody(here: Site) -> None:
    async with shell(here):
        sid = the_session(here)
        async with joined(here, guest(here), "observer") as watching:
            await watching.until("Ctrl-C leaves")
            await here.trackers.tell_all()
            spec = here.log.trackers[sid].spec
            assert [(one.user, one.mode) for one in spec.participants] == [("alice", "peer"), ("bob", "observer")]
            assert (spec.state, spec.host_user, spec.host_roles) == ("running", "alice", ["access"])
    await here.log.wait_for("session.end")
    await eventually(lambda: here.log.trackers == {}, "no tracker")  # it goes when the recording is complete
