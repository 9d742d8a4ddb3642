"""Programs on the node show their windows on the screen of the stock OpenSSH client: a real X server, real xauth."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from data_plane import eventually
from ssh_post import ROLE, Site, run, site
from ssh_upstream import stock_server

from teleport.engines.host_offers import HostOffers, X11Displays

ALLOWED = ROLE + "    permit_x11_forwarding: true\n"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        running.post.offers = HostOffers(x11=X11Displays(40, 400))
        await running.apply(ALLOWED)
        yield running


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The environment of a client that has a screen, which opens to a cookie alone."""
    environment = {**os.environ, "XAUTHORITY": str(tmp_path / "client-authority")}
    server_authority = tmp_path / "server-authority"
    for path in (environment["XAUTHORITY"], str(server_authority)):
        await run(["xauth", "-f", path, "add", ":0", ".", "00112233445566778899aabbccddeeff"])
    reading, writing = os.pipe()
    command = ("Xvfb", "-displayfd", str(writing), "-auth", str(server_authority), "-nolisten", "tcp")
    server = await asyncio.create_subprocess_exec(
        *command, pass_fds=[writing], stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = (await asyncio.to_thread(told.readline)).strip()
        await run(["xauth", "add", f":{number}", ".", "00112233445566778899aabbccddeeff"], env=environment)
        yield {**environment, "DISPLAY": f":{number}"}
    finally:
        server.terminate()
        await server.wait()


@pytest.mark.parametrize("flag", ["-X", "-Y"])
async def test_a_program_shows_its_windows_on_the_clients_screen(
    here: Site, screen: dict[str, str], flag: str
) -> None:
    command = "echo $DISPLAY $XAUTHORITY; xdpyinfo; xauth list"
    ran = await run(here.person().ssh(flag, "--", command), env=screen)
    lines = ran.out.decode().splitlines()
    display, authority = lines[0].split()
    assert display.startswith("localhost:")
    assert 40 <= int(display.removeprefix("localhost:").split(".")[0]) <= 400
    assert any("dimensions:" in line for line in lines), ran.err
    assert any(f"{socket.gethostname()}/unix:" in line and "MIT-MAGIC-COOKIE-1" in line for line in lines)
    (event,) = await here.log.wait_for("x11-forward", "T3008I")
    assert event.user == "alice"
    await eventually(lambda: not Path(authority).parent.exists(), "the cookie is gone with the session")


async def test_the_display_opens_to_its_cookie_alone(here: Site, screen: dict[str, str]) -> None:
    command = "XAUTHORITY=/dev/null xdpyinfo"
    ran = await run(here.person().ssh("-Y", "--", command), env=screen)
    assert ran.status != 0
    assert b"dimensions" not in ran.out


@pytest.mark.parametrize("why", ["roles", "node", "moderated"])
async def test_displays_are_refused_with_the_reason(here: Site, screen: dict[str, str], why: str) -> None:
    if why == "roles":
        await here.apply(ROLE)
    elif why == "node":
        here.post.offers = HostOffers()
    else:
        others = "    require_session_join: [{name: two, filter: 'true', kinds: [ssh], modes: [peer], count: 1}]\n"
        await here.apply(ALLOWED.replace("    logins:", others + "    logins:"))
    ran = await run(here.person().ssh("-Y", "--", "echo [$DISPLAY]"), env=screen)
    assert b"X11 forwarding request failed" in ran.err
    (event,) = await here.log.wait_for("x11-forward", "T3008W")
    expected = {"roles": "permit_x11_forwarding", "node": "ssh_service.x11", "moderated": "others to be present"}
    assert expected[why] in event.error
    if why != "moderated":
        assert ran.out == b"[]\n"


async def test_displays_that_are_all_taken_are_told(here: Site, screen: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1] - 6000
        here.post.offers = HostOffers(x11=X11Displays(number, number))
        ran = await run(here.person().ssh("-Y", "--", "echo [$DISPLAY]"), env=screen)
    assert ran.out == b"[]\n"
    (event,) = await here.log.wait_for("x11-forward", "T3008W")
    assert "all in use" in event.error


async def test_a_server_without_an_agent_shows_windows_too(tmp_path: Path, screen: dict[str, str]) -> None:
    async with site(tmp_path) as here, stock_server(here):
        await here.apply(ALLOWED)
        for flag in ("-X", "-Y"):
            ran = await run(here.person().ssh(flag, "--", "echo $DISPLAY; xdpyinfo"), env=screen)
            assert ran.out.startswith(b"localhost:"), ran.err
            assert b"dimensions:" in ran.out, ran.err
        assert {event.user for event in await here.log.wait_for("x11-forward", "T3008I", 2)} == {"alice"}
        closed = await run(here.person().ssh("-Y", "--", "XAUTHORITY=/dev/null xdpyinfo"), env=screen)
        assert b"dimensions" not in closed.out
        await here.apply(ROLE)
        refused = await run(here.person().ssh("-Y", "--", "echo [$DISPLAY]"), env=screen)
        assert refused.out == b"[]\n"
        assert b"X11 forwarding request failed" in refused.err
        (event,) = await here.log.wait_for("x11-forward", "T3008W")
        assert "permit_x11_forwarding" in event.error


async def test_what_the_server_itself_does_not_show_is_told(tmp_path: Path, screen: dict[str, str]) -> None:
    async with site(tmp_path) as here, stock_server(here, X11Forwarding="no"):
        await here.apply(ALLOWED)
        ran = await run(here.person().ssh("-Y", "--", "echo [$DISPLAY]"), env=screen)
        assert ran.out == b"[]\n"
        assert b"X11Forwarding in sshd_config" in ran.err
        (event,) = await here.log.wait_for("x11-forward", "T3008W")
        assert "X11Forwarding" in event.error
