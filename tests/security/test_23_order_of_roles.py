"""Must-refuse 23: every role that requires others must be content, in whatever order the roles come."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from sharing import JOINER, guest, joined, on_terminal, watched
from ssh_post import site

ROLES = ("access", "watched-by-bob", "watched-by-carol")


@pytest.mark.parametrize("order", list(permutations(ROLES)))
async def test_one_moderator_of_two_is_not_enough(tmp_path: Path, order: tuple[str, ...]) -> None:
    async with site(tmp_path) as here:
        await here.apply(JOINER)
        await here.apply(JOINER.replace("name: joiner", "name: chief"))
        await here.apply(watched("watched-by-bob", role="joiner"))
        await here.apply(watched("watched-by-carol", role="chief"))
        async with on_terminal(here.person("alice", roles=order).ssh("-tt", "--")) as own:
            await own.until("requires that others are present")
            async with joined(here, guest(here, "bob", "joiner"), "moderator"):
                await own.until("bob joined")
                (live,) = here.post.sessions.values()
                assert live.state == "pending"
                async with joined(here, guest(here, "carol", "chief"), "moderator"):
                    await own.until("the session begins")
