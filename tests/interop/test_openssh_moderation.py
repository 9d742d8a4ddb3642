"""Sessions whose owner's roles require others to be present, with the stock OpenSSH client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sharing import JOINER, guest, joined, on_terminal, set_up, watched
from ssh_post import Person, Site, site
from ssh_upstream import stock_server


@pytest.fixture(params=["agent", "openssh"])
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """A host that our agent serves, and one that keeps its sshd, reached through us."""
    async with site(tmp_path) as running, AsyncExitStack() as stack:
        if request.param == "openssh":
            await stack.enter_async_context(stock_server(running))
        await running.apply(JOINER)
        await running.apply(watched())
        await running.apply(watched("watched-pausing", "pause"))
        yield running


def owner(here: Site, role: str = "watched") -> Person:
    return here.person("alice", roles=(role,))


async def test_it_waits_and_begins_when_the_moderator_is_there(here: Site) -> None:
    async with on_terminal(owner(here).ssh("-tt", "--")) as own:
        await own.until("requires that others are present")
        (live,) = here.post.sessions.values()
        assert live.state == "pending"
        await here.trackers.tell_all()
        (tracker,) = here.log.trackers.values()
        assert tracker.spec.state == "pending"
        assert [(one.name, one.require_session_join[0].name) for one in tracker.spec.host_policies] == [
            ("watched", "four-eyes")
        ]
        async with joined(here, guest(here), "moderator") as watching:
            await own.until("the session begins")
            await set_up(own)
            own.type("echo seen-by-$((1+1))\n")
            await watching.until("seen-by-2")
            await here.trackers.tell_all()
            assert here.log.trackers[live.id].spec.state == "running"
            own.type("exit 5\n")
            assert await own.end() == 5
            assert await watching.end() == 0
    (started,) = await here.log.wait_for("session.start")
    (ended,) = await here.log.wait_for("session.end")
    assert (started.sid, ended.participants) == (live.id, ["alice", "bob"])


async def test_an_observer_or_the_owner_is_no_moderator(here: Site) -> None:
    async with on_terminal(owner(here).ssh("-tt", "--")) as own:
        await own.until("requires that others are present")
        (live,) = here.post.sessions.values()
        async with (
            joined(here, guest(here), "observer") as watching,
            joined(here, here.person("alice", roles=("watched", "joiner")), "moderator") as myself,
        ):
            await watching.until("Ctrl-C leaves")
            await myself.until("Ctrl-C leaves")
            await own.until("alice joined as moderator")
            assert live.state == "pending"


async def test_control_c_breaks_off_the_wait(here: Site) -> None:
    async with on_terminal(owner(here).ssh("-tt", "--")) as own:
        await own.until("requires that others are present")
        own.type("\x03")
        await own.until("the wait was broken off")
        assert await own.end() != 0
    assert not here.post.sessions


async def test_it_pauses_and_goes_on(here: Site) -> None:
    async with on_terminal(owner(here, "watched-pausing").ssh("-tt", "--")) as own:
        await own.until("requires that others are present")
        async with joined(here, guest(here), "moderator") as watching:
            await own.until("the session begins")
            await set_up(own)
            watching.type("\x03")
            await own.until("the session is paused")
            own.type("echo lost-$((1+1))\n")
        async with joined(here, guest(here, "carol"), "moderator"):
            await own.until("the session goes on")
            own.type("echo kept-$((1+1))\n")
            assert b"lost-2" not in await own.until("kept-2")


async def test_roles_that_begin_to_require_it_end_what_runs(here: Site) -> None:
    async with on_terminal(here.person("carl", roles=("access",)).ssh("-tt", "--")) as own:
        await set_up(own)
        await here.apply(watched("access"))
        await own.until("your roles now require that others are present")
        assert await own.end() != 0


async def test_roles_that_no_longer_require_it_let_it_begin(here: Site) -> None:
    async with on_terminal(owner(here).ssh("-tt", "--")) as own:
        await own.until("requires that others are present")
        await here.apply(watched().replace("kinds: [ssh]", "kinds: [k8s]"))
        await own.until("the session begins")
        await set_up(own)


async def test_a_locked_owner_ends_the_wait(here: Site) -> None:
    async with on_terminal(owner(here).ssh("-tt", "--")) as own:
        await own.until("requires that others are present")
        async with joined(here, guest(here), "observer") as watching:
            await watching.until("it waits for others")
            await here.apply("{kind: lock, version: v2, metadata: {name: l}, spec: {target: {user: alice}}}")
            await watching.until("the session has ended")
            assert await watching.end() == 0
        assert await own.end() != 0
