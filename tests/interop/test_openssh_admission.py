"""Who may stay: an open connection of the stock client ends when what allowed it is gone, and says why."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pseudo_terminal import Terminal
from ssh_post import ME, ROLE, Person, Site, run, site

LOCK = """
kind: lock
version: v2
metadata: {name: stop}
spec: {target: {user: alice}, message: left the company}
"""
NETWORKING = """
kind: cluster_networking_config
version: v2
metadata: {name: cluster-networking-config}
spec: {client_idle_timeout: 4s, idle_timeout_message: wake up}
"""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def session(person: Person) -> AsyncIterator[Terminal]:
    shown = await Terminal.start(person.ssh("-tt", "--", "echo ready; cat"))
    try:
        await shown.until("ready\r\n")
        yield shown
    finally:
        await shown.close()


async def ended(here: Site, shown: Terminal, why: str) -> None:
    """Soon, with the reason on the terminal and in the log."""
    begun = asyncio.get_running_loop().time()
    await shown.until(why, timeout=20)
    assert asyncio.get_running_loop().time() - begun < 10
    assert await shown.end(timeout=20) != 0
    (event,) = await here.log.wait_for("client.disconnect")
    assert why in event.reason


async def test_a_lock_ends_a_session(here: Site) -> None:
    async with session(here.person()) as shown:
        await here.apply(LOCK)
        await ended(here, shown, "left the company")


async def test_a_role_that_lost_the_login_ends_a_session(here: Site) -> None:
    async with session(here.person()) as shown:
        await here.apply(ROLE.replace(f"[{ME},", "["))
        await ended(here, shown, f'its logins do not include "{ME}"')


async def test_a_role_that_is_gone_ends_a_session(here: Site) -> None:
    async with session(here.person()) as shown:
        here.cluster.remove("role", "access")
        await ended(here, shown, 'role "access" of your certificate does not exist any more')


async def test_a_user_that_is_gone_ends_a_session(here: Site) -> None:
    async with session(here.person()) as shown:
        here.cluster.remove("user", "alice")
        await ended(here, shown, "the user of your certificate does not exist any more")


async def test_a_change_that_takes_nothing_away_leaves_sessions_alone(here: Site) -> None:
    async with session(here.person()) as shown:
        await here.apply(ROLE.replace("nobody", "somebody"))
        await here.apply(LOCK.replace("alice", "bob"))
        await asyncio.wait({asyncio.ensure_future(shown.process.wait())}, timeout=0.5)  # noqa: TID251
        shown.type("still here\n")
        await shown.until("still here\r\nstill here\r\n")


async def test_an_expired_certificate_ends_a_session_where_roles_say_so(here: Site) -> None:
    await here.apply(ROLE + "    disconnect_expired_cert: true\n")
    async with session(here.person(ttl=timedelta(minutes=5))) as shown:
        here.clock.advance(timedelta(minutes=6))
        await ended(here, shown, "your certificate has expired")


async def test_an_expired_certificate_leaves_a_session_alone_otherwise(here: Site) -> None:
    async with session(here.person(ttl=timedelta(minutes=5))) as shown:
        here.clock.advance(timedelta(minutes=6))
        await asyncio.wait({asyncio.ensure_future(shown.process.wait())}, timeout=1.5)  # noqa: TID251
        shown.type("still here\n")
        await shown.until("still here\r\nstill here\r\n")


async def test_idleness_ends_a_session(here: Site) -> None:
    await here.apply(NETWORKING)
    async with session(here.person()) as shown:
        await shown.until("wake up", timeout=30)
        assert await shown.end(timeout=20) != 0
    (event,) = await here.log.wait_for("client.disconnect")
    assert event.reason == "wake up"


async def test_one_connection_has_no_more_sessions_than_the_role_allows(here: Site, tmp_path: Path) -> None:
    await here.apply(ROLE + "    max_sessions: 2\n")
    person = here.person()
    control = ["-o", f"ControlPath={tmp_path}/mux"]
    master = await asyncio.create_subprocess_exec(
        *person.ssh(*control, "-M", "--", "echo up; sleep 100"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert master.stdout is not None
        await asyncio.wait_for(master.stdout.readline(), 30)
        second = await asyncio.create_subprocess_exec(
            *person.ssh(*control, "--", "echo up; sleep 100"), stdout=asyncio.subprocess.PIPE
        )
        assert second.stdout is not None
        await asyncio.wait_for(second.stdout.readline(), 30)
        # refused on this connection, the client opens one of its own
        third = await run(person.ssh(*control, "-o", "ControlMaster=no", "--", "echo $SSH_CONNECTION"))
        assert third.status == 0
        (event,) = await here.log.wait_for("session.rejected")
        assert (event.reason, event.max) == ("max_sessions", 2)
        second.kill()
        await second.wait()
    finally:
        master.kill()
        await master.wait()


async def test_nobody_comes_in_while_the_log_cannot_be_kept(here: Site) -> None:
    await run(here.person().ssh("true"))
    here.log.is_away = True
    (here.directory / "events").rename(here.directory / "moved")
    (here.directory / "events").write_text("no folder")
    ran = await run(here.person().ssh("true"))
    async with asyncio.timeout(60):
        while here.emitter.failure is None:
            ran = await run(here.person().ssh("true"))
    refused = await run(here.person().ssh("true"))
    assert b"cannot keep its audit log" in refused.err
    assert ran is not None
