"""The small program that starts what users run, as whom it is told, leaving nothing open."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from teleport.engines.ssh.host_users import HostUser, accepts_variable, environment, find
from teleport.engines.ssh.spawner import Process, Spawner
from teleport.engines.ssh.streams import DescriptorReader
from teleport.foundation.errors import NotFound, Unavailable, Unsupported

NOBODY = HostUser("nobody", 65534, 65534, (65534,), "/", "/bin/sh")


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    spawner = Spawner()
    yield spawner
    await spawner.close()


@pytest.fixture
async def me() -> HostUser:
    return await find(getpass.getuser())


async def output(spawner: Spawner, user: HostUser, script: str) -> tuple[bytes, int]:
    """What a script prints as a user, and its status."""
    read, write = os.pipe()
    with open("/dev/null", "rb") as null:
        process = await spawner.run(
            "/bin/sh", ["sh", "-c", script], environment(user, {}), user, (null.fileno(), write, write),
            is_terminal=False,
        )  # fmt: skip
    os.close(write)
    got: list[bytes] = []
    reader = DescriptorReader(read, got.append)
    await asyncio.wait_for(reader.ended, 10)
    return b"".join(got), await asyncio.wait_for(process.exited, 10)


async def sleeper(spawner: Spawner, user: HostUser) -> Process:
    with open("/dev/null", "rb") as null:
        return await spawner.run("/bin/sleep", ["sleep", "1000"], {}, user, (null.fileno(),) * 3, is_terminal=False)


async def test_runs_as_the_user_with_the_users_groups(spawner: Spawner, me: HostUser) -> None:
    user = NOBODY if os.geteuid() == 0 else me
    out, status = await output(spawner, user, "id -u; id -g; id -G; umask; pwd; ulimit -c >/dev/null; exit 4")
    uid, gid, groups, umask, place = out.decode().split("\n")[:5]
    assert (int(uid), int(gid), status) == (user.uid, user.gid, 4)
    assert set(map(int, groups.split())) == set(user.groups) | {user.gid}
    assert (umask, place) == ("0022", os.path.realpath(user.home))


async def test_nothing_of_ours_is_open_and_no_signal_is_blocked(spawner: Spawner, me: HostUser) -> None:
    out, _ = await output(spawner, me, "ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status")
    *descriptors, _, blocked, _, ignored = out.decode().split()
    assert descriptors == ["0", "1", "2", "3"]
    # 32 and 33 belong to the C library, which lets nobody change what a process inherits of them
    assert (int(blocked, 16) | int(ignored, 16)) & ~(0b11 << 31) == 0


async def test_a_signal_reaches_the_whole_group(spawner: Spawner, me: HostUser) -> None:
    process = await sleeper(spawner, me)
    process.signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.exited, 10) == -signal.SIGTERM


async def test_what_cannot_be_executed_is_told(spawner: Spawner, me: HostUser) -> None:
    with open("/dev/null", "rb") as null, pytest.raises(Unavailable, match="/no/such/shell: No such file"):
        await spawner.run("/no/such/shell", ["x"], {}, me, (null.fileno(),) * 3, is_terminal=False)


async def test_a_home_that_is_not_there_keeps_nobody_out(spawner: Spawner, me: HostUser) -> None:
    lost = HostUser(me.name, me.uid, me.gid, me.groups, "/no/such/home", "/bin/sh")
    out, status = await output(spawner, lost, "pwd")
    assert status == 0
    assert out == b"Could not chdir to home directory /no/such/home: No such file or directory\n/\n"


async def test_sessions_are_hung_up_when_the_agent_is_gone(spawner: Spawner, me: HostUser) -> None:
    process = await sleeper(spawner, me)
    pid = process.pid
    await spawner.close()
    async with asyncio.timeout(10):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)


async def test_a_program_that_died_is_started_again(spawner: Spawner, me: HostUser) -> None:
    process = await sleeper(spawner, me)
    assert spawner._program is not None
    spawner._program.kill()
    assert await asyncio.wait_for(process.exited, 10) == 255
    assert await output(spawner, me, "echo again") == (b"again\n", 0)
    os.kill(process.pid, signal.SIGKILL)


async def test_starting_many_at_once_mixes_nothing_up(spawner: Spawner, me: HostUser) -> None:
    runs = [output(spawner, me, f"echo {number}; exit {number}") for number in range(40)]
    results = await asyncio.gather(*runs)
    assert results == [(b"%d\n" % number, number) for number in range(40)]


async def test_who_does_not_exist_is_told() -> None:
    with pytest.raises(NotFound, match="'no-such-user' does not exist"):
        await find("no-such-user")


async def test_only_root_becomes_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321 if os.getuid() == 0 else os.getuid())
    with pytest.raises((Unsupported, KeyError)):
        await find("root")


@pytest.mark.parametrize(
    ("name", "permitted", "anything"),
    [("LANG", True, True), ("LC_ALL", True, True), ("FOO", False, True), ("LD_PRELOAD", False, False),
     ("SSH_TELEPORT_USER", False, False), ("A=B", False, False), ("LC_X\nY", False, False),
     ("LANGUAGE", False, True)],
)  # fmt: skip
def test_a_client_sets_only_what_does_no_harm(name: str, permitted: bool, anything: bool) -> None:
    assert accepts_variable(name, False) is permitted
    assert accepts_variable(name, True) is anything


async def test_files_are_served_as_the_user_with_nothing_else_open(spawner: Spawner, me: HostUser) -> None:
    user = NOBODY if os.geteuid() == 0 else me
    (read, to_server), (from_server, write) = os.pipe(), os.pipe()
    link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = await spawner.serve_files(user, (read, write, write, theirs.fileno()))
    theirs.close()
    os.close(read)
    os.close(write)
    os.write(to_server, b"\0\0\0\x05\x01\0\0\0\x03")
    got: list[bytes] = []
    reader = DescriptorReader(from_server, got.append)
    async with asyncio.timeout(10):
        while not got:
            await asyncio.sleep(0.01)
    assert got[0][4] == 2
    told = os.stat(f"/proc/{process.pid}")
    assert told.st_uid in (user.uid, 0)
    assert sorted(os.listdir(f"/proc/{process.pid}/fd")) == ["0", "1", "2", "3"]
    assert Path(f"/proc/{process.pid}/status").read_text().split("Uid:\t")[1].split()[:2] == [str(user.uid)] * 2
    os.close(to_server)
    assert await asyncio.wait_for(process.exited, 10) == 0
    await asyncio.wait_for(reader.ended, 10)
    assert link.recv(1) == b""
    link.close()
