"""Who sees, who types, and whether a session may run: the live session, with a stage that takes notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from teleport.foundation.errors import LimitExceeded, NotFound
from teleport.model.events.base import Event
from teleport.model.resources.role_conditions import SessionRequirePolicy
from teleport.policy.moderation import Mode, Requirement
from teleport.session.live import MAX_PARTIES, LiveSession, Party
from teleport.wire.terminal import TerminalSize

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Stage:
    def __init__(self) -> None:
        self.typed = b""
        self.told: list[str] = []
        self.ended: list[str] = []
        self.is_paused = False

    def type(self, data: bytes) -> None:
        self.typed += data

    def apply_size(self, size: TerminalSize) -> None:
        self.told.append(f"size {size}")

    def show(self, output: bytes) -> None:
        self.told.append(output.decode())

    def tell(self, text: str) -> None:
        self.told.append(text)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def note(self, event: Event) -> None:
        self.told.append(event.type)

    def end(self, reason: str) -> None:
        self.ended.append(reason)

    def tell_cluster(self) -> None:
        self.told.append("cluster")


class Screen:
    room = 1 << 20

    def __init__(self) -> None:
        self.seen = b""
        self.told: list[str] = []
        self.left: list[str] = []

    def show(self, output: bytes) -> None:
        self.seen += output

    def tell(self, text: str) -> None:
        self.told.append(text)

    def leave(self, reason: str) -> None:
        self.left.append(reason)

    def conclude(self, reason: str) -> None:
        self.left.append(reason)

    def drop(self) -> None:
        self.left.append("dropped")


def policy(on_leave: str = "terminate") -> SessionRequirePolicy:
    return SessionRequirePolicy(
        name="p", filter='contains(user.roles, "mod")', kinds=["ssh"], modes=["moderator"], count=1, on_leave=on_leave
    )


def session(*on_leave: str) -> tuple[LiveSession, Stage]:
    required = tuple(Requirement(role=f"r{number}", policies=(policy(one),)) for number, one in enumerate(on_leave))
    stage = Stage()
    owner = Party("own", "alice", "peer", NOW)
    live = LiveSession("s", owner, stage, login="root", size=TerminalSize(), required=lambda: required)
    live.open()
    return live, stage


def guest(mode: Mode = "moderator", user: str = "bob", roles: Sequence[str] = ("mod",)) -> Party:
    return Party(f"{user}-{mode}", user, mode, NOW, Screen(), tuple(roles))


def screen(party: Party) -> Screen:
    assert isinstance(party.screen, Screen)
    return party.screen


async def test_peers_type_and_others_do_not() -> None:
    live, stage = session()
    peer, observer, moderator = guest("peer"), guest("observer"), guest("moderator")
    for party in (peer, observer, moderator):
        live.admit(party)
    for party, data in ((peer, b"p"), (observer, b"o"), (moderator, b"m"), (live.owner, b"a")):
        live.type(party, data)
    assert stage.typed == b"pa"
    assert (live.bytes_typed, stage.ended) == (2, [])


async def test_control_c_is_input_of_peers_and_the_way_out_of_others() -> None:
    live, stage = session()
    peer, observer = guest("peer"), guest("observer")
    live.admit(peer)
    live.admit(observer)
    live.type(peer, b"\x03")
    live.type(observer, b"xx\x03")
    assert stage.typed == b"\x03"
    assert (screen(peer).left, screen(observer).left) == ([], [""])


@pytest.mark.parametrize(("mode", "ends"), [("observer", False), ("moderator", True), ("peer", False)])
async def test_only_a_moderator_ends_it_with_t(mode: Mode, ends: bool) -> None:
    live, stage = session()
    party = guest(mode)
    live.admit(party)
    live.type(party, b"t")
    assert bool(stage.ended) is ends


@pytest.mark.parametrize("answer", [b"\x1b[8;24;80t", b"at", b"", b"T"])
async def test_the_answer_of_a_terminal_is_no_key(answer: bytes) -> None:
    """What the session prints can make a moderator's terminal answer: that must not end the session."""
    live, stage = session()
    party = guest("moderator")
    live.admit(party)
    live.type(party, answer)
    assert stage.ended == []


async def test_who_has_left_types_and_sees_nothing() -> None:
    live, stage = session()
    peer = guest("peer")
    live.admit(peer)
    live.leave(peer)
    live.type(peer, b"rm")
    live.show(b"secret")
    assert stage.typed == b""
    assert screen(peer).seen == b""
    assert "bob (peer) left. Present: alice (peer)" in stage.told


async def test_it_waits_and_runs_when_everybody_is_there() -> None:
    live, stage = session("terminate", "pause")
    assert (live.state, stage.is_paused) == ("pending", True)
    live.type(live.owner, b"rm -rf /\n")
    moderator = guest()
    live.admit(moderator)
    assert (live.state, stage.is_paused, stage.typed) == ("running", False, b"")


@pytest.mark.parametrize(
    ("on_leave", "pauses"), [(["pause"], True), (["terminate"], False), (["pause", "terminate"], False)]
)
async def test_what_happens_when_somebody_required_leaves(on_leave: list[str], pauses: bool) -> None:
    live, stage = session(*on_leave)
    moderator = guest()
    live.admit(moderator)
    live.begin()
    live.leave(moderator)
    assert stage.is_paused is pauses
    assert bool(stage.ended) is not pauses
    live.type(live.owner, b"x")
    assert stage.typed == (b"" if pauses else b"x")  # the stage has been told to end


async def test_who_leaves_before_it_began_makes_it_wait_again() -> None:
    live, stage = session("terminate")
    moderator = guest()
    live.admit(moderator)
    live.leave(moderator)
    assert (live.state, stage.is_paused, stage.ended) == ("pending", True, [])


async def test_control_c_of_the_owner_breaks_off_the_wait_but_not_a_pause() -> None:
    live, stage = session("pause")
    moderator = guest()
    live.admit(moderator)
    live.begin()
    live.leave(moderator)
    live.type(live.owner, b"\x03")
    assert stage.ended == []
    waiting, other = session("pause")
    waiting.type(waiting.owner, b"\x03")
    assert other.ended == ["the wait was broken off"]


async def test_the_end_reaches_everybody_and_nobody_comes_after() -> None:
    live, _ = session()
    party = guest("observer")
    live.admit(party)
    live.close("done")
    assert screen(party).left == ["the session has ended: done"]
    with pytest.raises(NotFound):
        live.admit(guest("observer", "carol"))


async def test_not_everybody_fits_in() -> None:
    live, _ = session()
    for number in range(MAX_PARTIES - 1):
        live.admit(guest("observer", f"user{number}"))
    with pytest.raises(LimitExceeded):
        live.admit(guest("observer", "late"))
