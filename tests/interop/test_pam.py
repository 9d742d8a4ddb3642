"""Sessions of the stock OpenSSH client by way of the system's own libpam and its modules."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ssh_post import ME, Person, Site, run, site

from teleport.engines.host_offers import HostOffers, PamService


class Services:
    """A folder of PAM services, and what their modules were told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = folder / "told"
        self._script("tell", f'echo "$PAM_TYPE $PAM_USER $PAM_RHOST $PAM_RUSER $TEAM $TELEPORT_ROLES" >> {self.told}')
        self._script("ask", f'read -r answer; [ "$answer" = opensesame ] && echo asked >> {self.told}')
        (folder / "variables").write_text("FROM_PAM=yes\nHOME=/nowhere\n")
        (folder / "limits").write_text(f"{ME} soft nofile 321\n{ME} hard nofile 321\n")

    def _script(self, name: str, line: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def write(self, *lines: str) -> None:
        (self.folder / "test").write_text("".join(f"{line}\n" for line in lines))

    def events(self) -> list[str]:
        return self.told.read_text().splitlines() if self.told.exists() else []

    async def until(self, condition: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition(self.events()):
                await asyncio.sleep(0.02)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


@pytest.fixture
def services(here: Site, tmp_path: Path) -> Services:
    folder = tmp_path / "pam"
    folder.mkdir()
    made = Services(folder)
    here.post.offers = HostOffers(
        pam=PamService("test", environment={"TEAM": "{{external.team}} team"}, folder=str(folder))
    )
    made.write(
        "auth required pam_permit.so",
        "account required pam_permit.so",
        f"session required pam_env.so readenv=1 envfile={folder}/variables user_readenv=0",
        f"session required pam_limits.so conf={folder}/limits",
        f"session required pam_exec.so {folder}/tell",
        "session optional pam_echo.so welcome %u",
    )
    return made


def alice(here: Site) -> Person:
    return here.person(traits={"team": ("blue",)})


async def test_a_session_goes_through_the_stack(here: Site, services: Services) -> None:
    command = "echo $FROM_PAM-$TEAM-$HOME; ulimit -n; exit 7"
    ran = await run(alice(here).ssh("--", command))
    lines = ran.out.decode().splitlines()
    assert lines[0].startswith("yes-blue team-/")
    assert lines[0] != "yes-blue team-/nowhere"
    assert lines[1:] == ["321"]
    assert ran.status == 7
    assert b"welcome" not in ran.err, "messages are for terminals"
    await services.until(lambda events: len(events) == 2)
    for kind, event in zip(("open_session", "close_session"), services.events(), strict=True):
        assert event == f"{kind} {ME} 127.0.0.1 alice blue team access"


async def test_messages_are_shown_on_terminals(here: Site, services: Services) -> None:
    ran = await run(alice(here).ssh("-tt", "--", "tty; kill -TERM $$"))
    out = ran.out.decode()
    assert f"welcome {ME}" in out
    assert out.index("welcome") < out.index("/dev/pts/")
    assert ran.status == 255, "as stock clients tell a signal"
    await services.until(lambda events: len(events) == 2)
    (event,) = await here.log.wait_for("session.end")
    assert event.user == "alice"


async def test_copies_go_through_the_stack(here: Site, services: Services, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("copied")
    person = alice(here)
    target = f"{ME}@127.0.0.1:{tmp_path}/b"
    ran = await run(["scp", *person.options("-P", str(here.port)), str(tmp_path / "a"), target])
    assert ran.status == 0, ran.err
    assert (tmp_path / "b").read_text() == "copied"
    await services.until(lambda events: [event.split()[0] for event in events] == ["open_session", "close_session"])


async def test_the_session_is_closed_behind_a_client_that_vanishes(here: Site, services: Services) -> None:
    client = await asyncio.create_subprocess_exec(
        *alice(here).ssh("-tt", "--", "echo $$; sleep 300"), stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert client.stdout is not None
    async with asyncio.timeout(20):
        await client.stdout.readline()
        pid = int(await client.stdout.readline())
    client.kill()
    await client.wait()
    await services.until(lambda events: len(events) == 2)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_killed_program_leaves_no_open_session(here: Site, services: Services) -> None:
    ran = await run(alice(here).ssh("--", "kill -KILL $$"))
    assert ran.status == 255
    await services.until(lambda events: len(events) == 2)
    (event,) = await here.log.wait_for("exec")
    assert event.exit_code == str(-signal.SIGKILL)


async def test_an_account_that_pam_refuses_does_not_come_in(here: Site, services: Services) -> None:
    services.write("auth required pam_permit.so", "account required pam_deny.so", "session required pam_permit.so")
    for words in (("--", "true"), ("-N", "-o", "ConnectTimeout=10")):
        ran = await run(alice(here).ssh(*words))
        assert ran.status == 255
        assert "refused by PAM (account)" in ran.err.decode()
    (event,) = (await here.log.wait_for("auth"))[:1]
    assert "refused by PAM" in event.error


async def test_a_session_that_pam_refuses_is_told_and_not_begun(here: Site, services: Services) -> None:
    services.write("account required pam_permit.so", "session required pam_deny.so")
    ran = await run(alice(here).ssh("--", "echo begun"))
    assert (ran.status, ran.out) == (255, b"")
    assert "refused by PAM (session)" in ran.err.decode()
    (event,) = await here.log.wait_for("exec", "T3002E")
    assert "refused by PAM (session)" in event.exit_error
    ran = await run(alice(here).ssh("-tt", "--", "echo begun"))
    assert b"refused by PAM (session)" in ran.out
    assert b"begun" not in ran.out


@pytest.mark.parametrize(("answer", "comes_in"), [("opensesame", True), ("please", False)])
async def test_modules_may_ask_on_a_terminal(here: Site, services: Services, answer: str, comes_in: bool) -> None:
    offered = here.post.offers.pam
    assert offered is not None
    here.post.offers = HostOffers(pam=replace(offered, authenticates=True))
    services.write(
        f"auth required pam_exec.so expose_authtok {services.folder}/ask",
        "account required pam_permit.so",
        "session required pam_permit.so",
    )
    ran = await run(alice(here).ssh("--", "echo begun"))
    assert "no terminal to answer on" in ran.err.decode()
    client = await asyncio.create_subprocess_exec(
        *alice(here).ssh("-tt", "--", "echo begun"), stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert client.stdin is not None
    assert client.stdout is not None
    async with asyncio.timeout(20):
        shown = await client.stdout.readuntil(b": ")
        client.stdin.write(answer.encode() + b"\n")
        shown += await client.stdout.read(-1)
        await client.wait()
    assert b"Password" in shown
    assert answer.encode() not in shown
    assert (b"begun" in shown) == comes_in
    assert (b"refused by PAM (authentication)" in shown) != comes_in
