"""What a login finds on a host: greeting, login shell, groups, own variables; and what the host's books say of it."""

from __future__ import annotations

import asyncio
import getpass
import grp
import os
import pwd
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from ssh_post import ME, Site, run, site

from teleport.engines.host_offers import HostOffers, LoginFiles

HOME = Path(pwd.getpwnam(getpass.getuser()).pw_dir)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "motd").write_text("mind the gap\n")
    files = LoginFiles(tmp_path / "utmp", tmp_path / "wtmp", tmp_path / "lastlog", (str(tmp_path / "motd"),))
    for path in (files.utmp, files.wtmp, files.lastlog):
        path.touch()
    async with site(tmp_path) as running:
        running.post.offers = HostOffers(login_files=files)
        yield running


def told_by(*command: str | Path) -> str:
    return subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True, env={**os.environ, "TZ": "UTC"}
    ).stdout


async def shell(here: Site, script: str) -> str:
    ran = await run(here.person().ssh("-tt"), stdin=script.encode())
    return ran.out.decode()


async def test_the_books_of_the_host_tell_who_is_and_was_here(here: Site) -> None:
    files = here.post.offers.login_files
    client = await asyncio.create_subprocess_exec(
        *here.person().ssh("-tt", "--", "tty; read x"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert client.stdin is not None
    assert client.stdout is not None
    async with asyncio.timeout(20):
        line = (await client.stdout.readline()).decode().strip().removeprefix("/dev/")
    present = told_by("who", files.utmp).splitlines()
    assert len(present) == 1
    assert present[0].split()[:2] == [ME, line]
    assert present[0].endswith("(127.0.0.1)")
    assert "(" not in told_by("last", "-w", "-f", files.wtmp).splitlines()[0], "it has not ended"
    client.stdin.write(b"\n")
    await client.wait()
    await here.connections.close()
    assert told_by("who", files.utmp) == ""
    finished = told_by("last", "-w", "-f", files.wtmp).splitlines()[0]
    assert finished.split()[:3] == [ME, line, "127.0.0.1"]
    assert "gone" not in finished
    began, ended = told_by("utmpdump", files.wtmp).splitlines()
    assert (began[:4], ended[:4]) == ("[7] ", "[8] ")
    assert f"[{line}" in ended


async def test_a_second_login_takes_the_same_place_in_the_books(here: Site) -> None:
    for _ in range(3):
        assert (await run(here.person().ssh("-tt", "--", "true"))).status == 0
    await here.connections.close()
    files = here.post.offers.login_files
    assert files.utmp.stat().st_size <= 3 * 400, "a terminal of the same number has one record"
    assert told_by("last", "-w", "-f", files.wtmp).count(f"{ME} ") == 3


async def test_a_shell_is_greeted_and_a_command_is_not(here: Site) -> None:
    first = await shell(here, "exit\n")
    assert "mind the gap" in first
    assert "Last login" not in first
    second = await shell(here, "exit\n")
    assert second.index("mind the gap") < second.index("Last login: ") < second.index("from 127.0.0.1")
    assert b"mind the gap" not in (await run(here.person().ssh("-tt", "--", "true"))).out
    assert b"mind the gap" not in (await run(here.person().ssh(), stdin=b"exit\n")).out


async def test_a_host_that_is_closed_takes_root_alone(here: Site, tmp_path: Path) -> None:
    notice = tmp_path / "nologin"
    files = replace(here.post.offers.login_files, closing=(str(tmp_path / "absent"), str(notice)))
    here.post.offers = HostOffers(login_files=files)
    login = "nobody" if os.geteuid() == 0 else ME
    person = here.person()
    notice.write_text("maintenance\nuntil noon\n")
    refused = await run(person.ssh("true", login=login))
    assert refused.status == 255
    assert b"nobody but root in at present: maintenance until noon" in refused.err
    if os.geteuid() == 0:
        assert (await run(person.ssh("echo in"))).out == b"in\n"
    notice.unlink()
    assert b"nobody but root" not in (await run(person.ssh("true", login=login))).err


async def test_hosts_without_books_do_without(here: Site, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    here.post.offers = HostOffers(login_files=LoginFiles(nowhere, nowhere, nowhere, (str(nowhere),)))
    assert (await run(here.person().ssh("-tt", "--", "exit 4"))).status == 4
    assert not nowhere.exists()


async def test_the_shell_is_a_login_shell_with_all_groups(here: Site) -> None:
    entry = pwd.getpwnam(ME)
    listed = os.getgrouplist(ME, entry.pw_gid) if os.geteuid() == 0 else []
    expected = {grp.getgrgid(gid).gr_name for gid in listed}
    ran = await run(here.person().ssh("--", "id -Gn; echo $0"))
    groups, name = ran.out.decode().splitlines()
    if expected:
        assert set(groups.split()) == expected
    assert name == entry.pw_shell.rsplit("/", 1)[-1]
    ran = await run(here.person().ssh(), stdin=b"echo shell=$0\n")
    assert f"shell=-{name}" in ran.out.decode()


async def test_own_variables_are_read_where_the_node_permits_it(here: Site) -> None:
    own = HOME / ".tsh" / "environment"
    assert not own.exists(), f"{own} is in the way of this test"
    made = not own.parent.exists()
    own.parent.mkdir(exist_ok=True)
    own.write_text("# mine\nFROM_HOME=yes = yes\nUSER=somebody\nnonsense\nBAD NAME=1\n")
    try:
        for permitted, expected in ((True, "[yes = yes]"), (False, "[]")):
            here.post.permit_user_environment = permitted
            ran = await run(here.person().ssh("--", "echo [$FROM_HOME]; echo $USER"))
            assert ran.out.decode().splitlines() == [expected, ME]
    finally:
        own.unlink()
        if made:
            own.parent.rmdir()
