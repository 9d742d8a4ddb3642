"""The stock OpenSSH client runs commands on our SSH service."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from ssh_post import ME, Site, run, site

from teleport.credentials.keys import PrivateKey

MANY = 100 << 20


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


async def test_gives_output_errors_and_status_apart(here: Site) -> None:
    ran = await run(here.person().ssh("echo out; echo err >&2; exit 7"))
    assert (ran.status, ran.out, ran.err) == (7, b"out\n", b"err\n")
    (event,) = await here.log.wait_for("exec", "T3002E")
    assert event.command == "echo out; echo err >&2; exit 7"
    assert event.exit_code == "7"
    assert (event.user, event.server_id) == ("alice", here.post.host_id)


async def test_a_program_killed_by_a_signal_is_told_as_such(here: Site) -> None:
    ran = await run(here.person().ssh("-v", "--", "kill -TERM $$"))
    assert ran.status == 255
    assert b"exit-signal" in ran.err
    (event,) = await here.log.wait_for("exec")
    assert event.exit_error == "ended by signal TERM"


async def test_input_ends_where_the_client_ends_it(here: Site) -> None:
    ran = await run(here.person().ssh("cat; echo over"), stdin=b"hello\n")
    assert ran.out == b"hello\nover\n"


@pytest.mark.timeout(120)
async def test_carries_a_hundred_megabytes_up_and_down(here: Site) -> None:
    block = os.urandom(1 << 20)
    data = block * (MANY >> 20)
    up = await run(here.person().ssh("sha256sum"), stdin=data)
    assert up.out.split()[0].decode() == hashlib.sha256(data).hexdigest()
    down = await run(here.person().ssh(f"head -c {MANY} /dev/zero | tr '\\0' x"))
    assert len(down.out) == MANY
    assert down.out == b"x" * MANY


async def test_the_surroundings_are_clean_and_tell_who_and_where(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED_BY_THE_AGENT", "yes")
    ran = await run(here.person().ssh("env"))
    found = dict(line.split("=", 1) for line in ran.out.decode().splitlines() if "=" in line)
    assert found["SSH_TELEPORT_USER"] == "alice"
    assert found["SSH_TELEPORT_CLUSTER_NAME"] == here.post.cluster
    assert found["SSH_TELEPORT_HOST_UUID"] == here.post.host_id
    assert found["USER"] == found["LOGNAME"] == ME
    assert found["SSH_CONNECTION"].split()[::2] == ["127.0.0.1", "127.0.0.1"]
    assert len(found["SSH_SESSION_ID"]) == 36
    assert found["PATH"]
    assert "LEAKED_BY_THE_AGENT" not in found


async def test_takes_only_harmless_variables_from_the_client(here: Site) -> None:
    person = here.person()
    options = ("-o", "SetEnv=LC_TEST=fine LD_PRELOAD=/evil.so FOO=bar")
    ran = await run(person.ssh(*options, "--", "echo $LC_TEST/$LD_PRELOAD/$FOO"))
    assert ran.out == b"fine//\n"


async def test_runs_in_the_home_directory_with_no_descriptor_of_ours(here: Site) -> None:
    ran = await run(here.person().ssh("pwd; ls /proc/self/fd"))
    lines = ran.out.decode().split()
    assert lines[0] == os.path.expanduser("~")
    assert lines[1:] == ["0", "1", "2", "3"]


async def test_many_sessions_share_one_connection(here: Site, tmp_path: Path) -> None:
    person = here.person()
    control = ["-o", f"ControlPath={tmp_path}/mux"]
    master = await asyncio.create_subprocess_exec(*person.ssh(*control, "-M", "-N", "--"))
    try:
        async with asyncio.timeout(30):
            while not (tmp_path / "mux").exists():
                await asyncio.sleep(0.02)
        runs = [run(person.ssh(*control, "--", f"echo {number}")) for number in range(8)]
        assert sorted(ran.out for ran in await asyncio.gather(*runs)) == [b"%d\n" % number for number in range(8)]
    finally:
        master.send_signal(signal.SIGTERM)
        await master.wait()


async def test_a_certificate_of_another_authority_is_refused(here: Site) -> None:
    ran = await run(here.person(authority=PrivateKey.generate("ed25519")).ssh("true"))
    assert ran.status == 255
    assert b"Permission denied (publickey)" in ran.err
    (event,) = await here.log.wait_for("auth", "T3007W")
    assert "authority" in event.error


async def test_an_expired_certificate_is_refused(here: Site) -> None:
    ran = await run(here.person(ttl=timedelta(minutes=-1)).ssh("true"))
    assert ran.status == 255
    (event,) = await here.log.wait_for("auth", "T3007W")
    assert "certificate" in event.error


async def test_a_bare_key_and_a_password_are_refused(here: Site) -> None:
    person = here.person()
    (person.directory / "id-cert.pub").unlink()
    ran = await run(person.ssh("true"))
    assert b"Permission denied (publickey)." in ran.err


async def test_a_login_that_roles_do_not_allow_is_refused_with_the_reason(here: Site) -> None:
    ran = await run(here.person(logins=(ME, "daemon")).ssh("true", login="daemon"))
    assert ran.status == 255
    (event,) = await here.log.wait_for("auth", "T3007W")
    assert b'its logins do not include "daemon"' in ran.err
    assert event.uid.encode() in ran.err
    assert (event.user, event.login) == ("alice", "daemon")


async def test_a_login_outside_the_certificate_is_refused_with_the_reason(here: Site) -> None:
    ran = await run(here.person(logins=("daemon",)).ssh("true"))
    assert f"is not for login '{ME}'".encode() in ran.err


async def test_a_login_without_an_account_is_refused_with_the_reason(here: Site) -> None:
    ran = await run(here.person().ssh("true", login="no-such-user"))
    assert b"host user 'no-such-user' does not exist on this node" in ran.err


async def test_an_account_is_served_by_its_own_shell_and_only_root_serves_others(here: Site) -> None:
    ran = await run(here.person().ssh("id", login="nobody"))
    assert b"uid=" not in ran.out
    if os.geteuid() == 0:
        assert b"account is currently not available" in ran.out
    else:
        assert b"cannot become 'nobody'" in ran.err


async def test_three_hundred_dropped_connections_leave_nothing(here: Site) -> None:
    person = here.person()
    await run(person.ssh("true"))

    def children() -> int:
        pid = here.engine._spawner._program.pid  # type: ignore[union-attr]
        return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(30):
        started = [
            await asyncio.create_subprocess_exec(
                *person.ssh("echo up; sleep 1000"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            for _ in range(10)
        ]
        for process in started:
            assert process.stdout is not None
            await asyncio.wait_for(process.stdout.readline(), 60)
        for process in started:
            process.kill()
        for process in started:
            await process.wait()
        del started
    await here.log.wait_for("exec", count=301)
    async with asyncio.timeout(60):
        while children() or len(here.connections) or len(os.listdir("/proc/self/fd")) > descriptors + 2:
            await asyncio.sleep(0.05)
