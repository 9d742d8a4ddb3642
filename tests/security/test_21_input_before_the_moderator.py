"""Must-refuse 21: what was typed before the moderator joined is never executed, nor is anything started before."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sharing import JOINER, guest, joined, on_terminal, set_up, the_session, watched
from ssh_post import site

from teleport.foundation.clock import Clock
from teleport.session.recorder import Recorder, RecorderFactory
from teleport.session.recording_spool import RecordingSpool
from teleport.wire.recording import RecordingInfo


async def test_input_typed_while_waiting_is_thrown_away(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    async with site(tmp_path) as here:
        await here.apply(JOINER)
        await here.apply(watched())
        async with on_terminal(here.person("alice", roles=("watched",)).ssh("-tt", "--")) as own:
            await own.until("requires that others are present")
            own.type(f"touch {proof}\n" * 50)
            async with joined(here, guest(here), "moderator"):
                await own.until("the session begins")
                await set_up(own)
                own.type("echo end-$((1+1))\n")
                await own.until("end-2")
        assert not proof.exists()


async def test_input_sent_at_once_with_the_request_is_thrown_away(tmp_path: Path) -> None:
    """As a program sends it: behind the request for a shell, before anybody could have joined."""
    proof = tmp_path / "proof"
    async with site(tmp_path) as here:
        await here.apply(JOINER)
        await here.apply(watched())
        words = here.person("alice", roles=("watched",)).ssh("-tt", "--")
        async with on_terminal(["sh", "-c", f'(echo "touch {proof}"; cat) | "$@"', "sh", *words]) as own:
            await own.until("requires that others are present")
            async with joined(here, guest(here), "moderator") as watching:
                await own.until("the session begins")
                own.type("echo end-$((1+1))\n")
                await watching.until("end-2")
        assert not proof.exists()


async def test_a_command_on_a_terminal_waits_too(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    async with site(tmp_path) as here:
        await here.apply(JOINER)
        await here.apply(watched())
        words = here.person("alice", roles=("watched",)).ssh("-tt", "--", f"touch {proof}; echo done")
        async with on_terminal(words) as own:
            await own.until("requires that others are present")
            assert not proof.exists()
            async with joined(here, guest(here), "moderator"):
                await own.until("done")
        assert proof.exists()


class HeldRecorders(RecorderFactory):
    """Recordings that open once they are let."""

    def __init__(self, spool: RecordingSpool, clock: Clock) -> None:
        super().__init__(spool, clock)
        self.may_open = asyncio.Event()

    async def open(self, info: RecordingInfo, *, is_streamed: bool = False, may_detour: bool = True) -> Recorder:
        await self.may_open.wait()
        return await super().open(info, is_streamed=is_streamed, may_detour=may_detour)


async def test_input_typed_between_leave_and_start_is_thrown_away_when_the_moderator_goes_again(
    tmp_path: Path,
) -> None:
    """The session may run, and its program is not started yet: what comes now is kept for it, and must not be."""
    proof = tmp_path / "proof"
    async with site(tmp_path) as here:
        await here.apply(JOINER)
        await here.apply(watched())
        here.post.recorders = held = HeldRecorders(here.spool, here.clock)
        async with on_terminal(here.person("alice", roles=("watched",)).ssh("-tt", "--")) as own:
            await own.until("requires that others are present")
            live = here.post.sessions[the_session(here)]
            async with joined(here, guest(here), "moderator"):
                await own.until("the session begins")
                own.type(f"touch {proof}\n")
                async with asyncio.timeout(20):
                    while not live.bytes_typed:
                        await asyncio.sleep(0.01)
            await own.until("requires that others are present")
            held.may_open.set()
            async with joined(here, guest(here), "moderator"):
                await own.until("the session begins")
                await set_up(own)
                own.type("echo end-$((1+1))\n")
                await own.until("end-2")
        assert not proof.exists()
