"""Rule 25: nobody sees what happens in another's session unless a role lets them join it, whichever way they come."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from sharing import JOINER, guest, join_words, joined, on_terminal, shell, the_session
from ssh_post import Site, site

from teleport.credentials.ssh_certificates import JOIN_PRINCIPAL
from teleport.proxy.web.terminal import Opening

NOBODYS = "there is no such session here that you may join"


async def says(owner: object, here: Site) -> None:
    """The owner works on, and nobody has come."""
    owner.type("echo secret-$((40+2))\n")  # type: ignore[attr-defined]
    seen = await owner.until("secret-42")  # type: ignore[attr-defined]
    assert b"joined" not in seen
    assert not [event for event in here.log.events if event.type == "session.join"]


@pytest.mark.parametrize("mode", ["observer", "peer", "moderator"])
async def test_the_stream_of_a_stranger_is_refused(tmp_path: Path, mode: str) -> None:
    """Who may log in at the same server may not look over others' shoulders there."""
    async with site(tmp_path) as here, shell(here) as owner:
        mallory = here.person("mallory", roles=("access",))
        async with joined(here, mallory, mode) as refused:
            await says(owner, here)
            seen = await refused.until(NOBODYS)
            assert await refused.end() != 0
        assert b"secret" not in seen


async def test_a_role_for_other_sessions_opens_none_of_these(tmp_path: Path) -> None:
    async with site(tmp_path) as here, shell(here) as owner:
        here.cluster.put(JOINER.replace('[access, "watched*"]', "[other]"))
        async with joined(here, guest(here), "observer") as refused:
            await says(owner, here)
            assert b"secret" not in await refused.until(NOBODYS)
            assert await refused.end() != 0


@pytest.mark.parametrize("sid", ["", "*", "../x", "{sid} ", "{upper}"])
async def test_no_other_way_to_write_its_name_opens_it(tmp_path: Path, sid: str) -> None:
    async with site(tmp_path) as here, shell(here) as owner:
        here.cluster.put(JOINER)
        name = sid.format(sid=the_session(here), upper=the_session(here).upper())
        stranger = here.person("mallory", roles=("access",))
        async with on_terminal(join_words(stranger, name or "''", "observer", "-tt")) as refused:
            await says(owner, here)
            assert await refused.end() != 0


def test_the_socket_of_a_page_opens_a_session_and_cannot_name_one() -> None:
    """Its opening says a server and a login; who comes by the name of guests has no way to say a session."""
    opening = {"token": "t", "server": "s", "login": JOIN_PRINCIPAL}
    assert msgspec.json.decode(msgspec.json.encode(opening), type=Opening).login == JOIN_PRINCIPAL
    for field in ("session", "sid", "mode", "env"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(msgspec.json.encode({**opening, field: "x"}), type=Opening)


async def test_whoever_names_no_session_gets_none(tmp_path: Path) -> None:
    """As the terminal of a page does at the most, which sets no variables."""
    async with site(tmp_path) as here, shell(here) as owner:
        await here.apply(JOINER)
        config = here.directory / "nameless"
        config.write_text(f"User {JOIN_PRINCIPAL}\n")
        bob = guest(here)
        words = ["ssh", "-F", str(config), *bob.options("-p", str(here.port), "-tt")[2:], "127.0.0.1"]
        async with on_terminal(words) as refused:
            await says(owner, here)
            assert await refused.end() != 0
