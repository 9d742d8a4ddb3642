"""Must-refuse 22: a session does not go on when the moderator it needs has left, however that came about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pseudo_terminal import Terminal
from sharing import JOINER, guest, joined, on_terminal, set_up, watched
from ssh_post import Site, site


async def leave(here: Site, watching: Terminal) -> None:
    watching.type("\x03")


async def be_killed(here: Site, watching: Terminal) -> None:
    watching.process.kill()


async def be_locked(here: Site, watching: Terminal) -> None:
    await here.apply("{kind: lock, version: v2, metadata: {name: l}, spec: {target: {user: bob}}}")


async def lose_the_role(here: Site, watching: Terminal) -> None:
    await here.apply(JOINER.replace("observer, moderator, peer", "observer"))


@pytest.mark.parametrize("go", [leave, be_killed, be_locked, lose_the_role])
async def test_it_ends_when_the_moderator_goes(tmp_path: Path, go: object) -> None:
    assert callable(go)
    async with site(tmp_path) as here:
        await here.apply(JOINER)
        await here.apply(watched())
        async with on_terminal(here.person("alice", roles=("watched",)).ssh("-tt", "--")) as own:
            await own.until("requires that others are present")
            async with joined(here, guest(here), "moderator") as watching:
                await own.until("the session begins")
                await set_up(own)
                await go(here, watching)
                await own.until("somebody who is required has left")
                assert await own.end() != 0
        assert not here.post.sessions


async def test_of_two_policies_one_that_terminates_is_enough(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.apply(JOINER)
        await here.apply(watched("watched-a", "pause"))
        await here.apply(watched("watched-b", "terminate"))
        person = here.person("alice", roles=("watched-a", "watched-b"))
        async with on_terminal(person.ssh("-tt", "--")) as own:
            await own.until("requires that others are present")
            async with joined(here, guest(here), "moderator") as watching:
                await own.until("the session begins")
                await set_up(own)
                watching.type("\x03")
                await own.until("somebody who is required has left")


async def test_nothing_typed_in_a_pause_is_executed(tmp_path: Path) -> None:
    """Also when the program reads nothing, so that what is typed could wait in buffers."""
    proof, gate = tmp_path / "proof", tmp_path / "gate"
    os.mkfifo(gate)
    async with site(tmp_path) as here:
        await here.apply(JOINER)
        await here.apply(watched(on_leave="pause"))
        async with on_terminal(here.person("alice", roles=("watched",)).ssh("-tt", "--")) as own:
            await own.until("requires that others are present")
            async with joined(here, guest(here), "moderator") as watching:
                await own.until("the session begins")
                await set_up(own)
                own.type(f"echo go-$((1+1)); cat {gate}\n")
                await own.until("go-2")
                watching.type("\x03")
                await own.until("the session is paused")
            await own.paste(f"touch {proof}\n" * 10_000)
            async with joined(here, guest(here, "carol"), "moderator"):
                await own.until("the session goes on")
                gate.write_text("")
                own.type("\necho end-$((1+1))\n")
                await own.until("end-2")
        assert not proof.exists()


async def test_nothing_that_waits_for_the_program_survives_a_pause(tmp_path: Path) -> None:
    """Far more than the terminal takes was typed when the moderator left, so that reading had stopped."""
    proof, gate = tmp_path / "proof", tmp_path / "gate"
    os.mkfifo(gate)
    async with site(tmp_path) as here:
        await here.apply(JOINER)
        await here.apply(watched(on_leave="pause"))
        async with on_terminal(here.person("alice", roles=("watched",)).ssh("-tt", "--")) as own:
            await own.until("requires that others are present")
            async with joined(here, guest(here), "moderator") as watching:
                await own.until("the session begins")
                await set_up(own)
                own.type(f"echo go-$((1+1)); cat {gate}\n")
                await own.until("go-2")
                await own.paste("true\n" * 100_000 + f"touch {proof}\n" * 1_000)
                watching.type("\x03")
                await own.until("the session is paused")
            await own.paste(f"touch {proof}\n" * 1_000)
            async with joined(here, guest(here, "carol"), "moderator"):
                await own.until("the session goes on")
                gate.write_text("")
                own.type("\necho end-$((1+1))\n")
                await own.until("end-2")
        assert not proof.exists()
