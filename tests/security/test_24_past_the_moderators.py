"""Must-refuse 24: nothing goes past the moderators: no command without a terminal, no copy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sharing import JOINER, guest, join_words, watched
from ssh_post import ME, Person, Site, run, site
from ssh_upstream import stock_server


@pytest.fixture(params=["agent", "openssh"])
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """A host that our agent serves, and one that keeps its sshd, reached through us."""
    async with site(tmp_path) as running, AsyncExitStack() as stack:
        if request.param == "openssh":
            await stack.enter_async_context(stock_server(running))
        await running.apply(JOINER)
        await running.apply(watched())
        yield running


@pytest.fixture
def alice(here: Site) -> Person:
    return here.person("alice", roles=("watched",))


async def test_no_command(here: Site, alice: Person, tmp_path: Path) -> None:
    done = await run(alice.ssh("--", f"touch {tmp_path / 'proof'}"))
    assert done.status != 0
    assert b"requires others to be present" in done.err
    assert not (tmp_path / "proof").exists()
    (event,) = await here.log.wait_for("exec", "T3002E")
    assert "requires others" in event.exit_error


async def test_no_shell_without_a_terminal(here: Site, alice: Person, tmp_path: Path) -> None:
    done = await run(alice.ssh("-T", "--"), stdin=f"touch {tmp_path / 'proof'}\n".encode())
    assert done.status != 0
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize("legacy", [True, False])
async def test_no_file_copy(here: Site, alice: Person, tmp_path: Path, legacy: bool) -> None:
    (tmp_path / "local").write_text("x")
    words = ["scp", *(["-O"] if legacy else []), *alice.options("-P", str(here.port))]
    target = tmp_path / "proof"
    done = await run([*words, str(tmp_path / "local"), f"{ME}@127.0.0.1:{target}"])
    assert done.status != 0
    assert not target.exists()
    await here.log.wait_for("scp" if legacy else "sftp")


@pytest.mark.parametrize("words", [["true"], ["-s", "sftp"], ["-W", "127.0.0.1:1"]])
async def test_a_guest_does_nothing_but_join(here: Site, words: list[str]) -> None:
    """Whoever may join sessions has no other business with the node."""
    bob = guest(here)
    full = join_words(bob, "0b7b4d9d-1111-4222-8333-944455556666", "peer")
    done = await run([*full, *words] if words[0] == "true" else [*full[:-1], *words[:-1], full[-1], words[-1]])
    assert done.status != 0
    assert not here.post.sessions
