"""Must-refuse 22: where sessions need a second factor, a moderator who does not prove to be there counts as gone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncssh
import pytest
from sharing import JOINER, on_terminal, set_up, the_session, watched
from ssh_post import Person, Site, site

from teleport.credentials.ssh_certificates import JOIN_PRINCIPAL

STRICT = JOINER.replace("spec:", "spec:\n  options: {require_session_mfa: true}")


def moderator(here: Site, name: str = "bob", mfa: str = "device") -> Person:
    """With a certificate of now."""
    return here.person(name, roles=("joiner",), logins=(), mfa_verified=mfa)


@contextlib.asynccontextmanager
async def moderating(here: Site, person: Person) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with asyncssh.connect(
        "127.0.0.1", here.port, username=JOIN_PRINCIPAL, config=None, agent_path=None,
        known_hosts=str(here.directory / "known_hosts"),
        client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))],
    ) as connection:  # fmt: skip
        said = {"TELEPORT_SESSION": the_session(here), "TELEPORT_JOIN_MODE": "moderator"}
        async with connection.create_process(env=said, term_type="xterm") as process:
            shown = await process.stdout.readuntil("every 30 seconds")
            assert "you are moderator" in shown
            yield connection


async def prove(here: Site, connection: asyncssh.SSHClientConnection, person: Person) -> tuple[int | None, str]:
    """What the server says to the certificate that the person holds now."""
    certificate = (person.directory / "id-cert.pub").read_text().strip()
    said = {"TELEPORT_SESSION": the_session(here), "TELEPORT_PRESENCE": certificate}
    done = await connection.run(env=said)
    return done.exit_status, str(done.stderr)


async def test_a_moderator_who_proves_nothing_counts_as_gone(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.apply(STRICT)
        await here.apply(watched())
        async with on_terminal(here.person("alice", roles=("watched",)).ssh("-tt", "--")) as own:
            await own.until("requires that others are present")
            async with moderating(here, moderator(here)) as connection:
                await own.until("the session begins")
                await set_up(own)
                here.clock.advance(timedelta(seconds=40))
                assert (await prove(here, connection, moderator(here)))[0] == 0
                here.clock.advance(timedelta(seconds=40))
                own.type("echo still-$((1+1))\n")
                await own.until("still-2")
                here.clock.advance(timedelta(seconds=21))
                await own.until("somebody who is required has left")
                assert await own.end() != 0


@pytest.mark.parametrize(
    ("name", "mfa", "is_new", "reason"),
    [
        ("bob", "", True, "holds no second factor"),
        ("carol", "device", True, "that of somebody else"),
        ("bob", "device", False, "not newer than the last"),
    ],
)
async def test_what_is_no_proof_of_presence_is_refused(
    tmp_path: Path, name: str, mfa: str, is_new: bool, reason: str
) -> None:
    async with site(tmp_path) as here:
        await here.apply(STRICT)
        await here.apply(watched())
        async with on_terminal(here.person("alice", roles=("watched",)).ssh("-tt", "--")) as own:
            await own.until("requires that others are present")
            bob = moderator(here)
            async with moderating(here, bob) as connection:
                await own.until("the session begins")
                here.clock.advance(timedelta(seconds=50))
                status, said = await prove(here, connection, moderator(here, name, mfa) if is_new else bob)
                assert (status, reason in said) == (255, True)
                here.clock.advance(timedelta(seconds=11))
                await own.until("somebody who is required has left")
