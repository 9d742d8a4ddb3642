"""The life of a connection: new keys on the way, signs of life, breaks and signals."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest
from ssh_post import ME, Site, run, site

SOON = """
kind: cluster_networking_config
version: v2
metadata: {name: cluster-networking-config}
spec: {keep_alive_interval: 1s, keep_alive_count_max: 5}
"""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as running:
        yield running


async def until_empty(here: Site) -> None:
    async with asyncio.timeout(30):
        while len(here.connections):
            await asyncio.sleep(0.05)


async def test_keys_are_exchanged_anew_while_data_passes(here: Site) -> None:
    data = os.urandom(24 << 20)
    ran = await run(here.person().ssh("-v", "-o", "RekeyLimit=1M", "--", "cat"), stdin=data)
    assert hashlib.sha256(ran.out).digest() == hashlib.sha256(data).digest()
    assert ran.err.count(b"SSH2_MSG_NEWKEYS received") > 10


async def test_the_server_asks_for_new_keys_too(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teleport.engines.ssh.algorithms.REKEY_BYTES", 1 << 20)
    data = os.urandom(8 << 20)
    ran = await run(here.person().ssh("-v", "-o", "RekeyLimit=1G", "--", "cat"), stdin=data)
    assert hashlib.sha256(ran.out).digest() == hashlib.sha256(data).digest()
    assert ran.err.count(b"SSH2_MSG_NEWKEYS received") > 4


async def test_a_client_that_does_not_answer_is_let_go(here: Site) -> None:
    await here.apply(SOON)
    client = await asyncio.create_subprocess_exec(
        *here.person().ssh("--", "sleep 8; echo up; sleep 300"), stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await client.stdout.readline() == b"up\n", "who answers stays longer than who does not"
        client.send_signal(signal.SIGSTOP)
        await until_empty(here)
    finally:
        client.kill()
        await client.wait()
    (event,) = await here.log.wait_for("exec")
    assert event.exit_code == str(-signal.SIGHUP)


async def test_a_client_that_asks_for_signs_of_life_gets_them(here: Site) -> None:
    options = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=20")
    ran = await run(here.person().ssh("-vvv", *options, "--", "sleep 3.5; echo alive"))
    assert ran.out == b"alive\n"
    asked, answered = ran.err.count(b"send packet: type 80"), ran.err.count(b"receive packet: type 81")
    assert asked >= 2, "not asked"
    assert answered >= asked - 1, "the last answer may come behind the program's end"


async def foreign(here: Site) -> asyncssh.SSHClientConnection:
    person = here.person()
    return await asyncssh.connect(
        "127.0.0.1", here.port, username=ME, client_keys=[(str(person.key), str(person.directory / "id-cert.pub"))],
        known_hosts=str(here.directory / "known_hosts"), config=None, agent_path=None,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["INT", "TERM", "USR1", "KILL"])
async def test_signals_reach_the_program(here: Site, name: str) -> None:
    async with await foreign(here) as connection:
        command = "trap 'echo got USR1; exit 5' USR1; echo up; while :; do sleep 0.05; done"
        process = await connection.create_process(command)
        async with asyncio.timeout(30):
            await process.stdout.readline()
            process.send_signal(name)
            ended = await process.wait()
    if name == "USR1":
        assert (ended.stdout, ended.exit_status) == ("got USR1\n", 5)
    else:
        assert ended.exit_signal is not None
        assert ended.exit_signal[0] == name


async def test_a_break_interrupts_what_runs_on_a_terminal(here: Site) -> None:
    async with await foreign(here) as connection:
        process = await connection.create_process(
            "trap 'echo broken; exit 6' INT; echo up; while :; do sleep 0.05; done", term_type="vt100"
        )
        async with asyncio.timeout(30):
            await process.stdout.readline()
            process.send_break(500)
            ended = await process.wait()
    assert "broken" in str(ended.stdout)
    assert ended.exit_status == 6


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"SSH-1.5-HALLO\n", b"Protocol major versions differ.\r\n"),
        (b"GET / HTTP/1.1\r\n\r\n", b"Invalid SSH identification string.\r\n"),
        (b"\n", b"Invalid SSH identification string.\r\n"),
    ],
)
async def test_who_speaks_something_else_is_told_so(here: Site, said: bytes, answer: bytes) -> None:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(said)
        version, rest = (await reader.read()).split(b"\n", 1)
        writer.close()
    assert version.startswith(b"SSH-2.0-Teleport_")
    assert rest == answer
    await until_empty(here)


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes128-ctr"])
async def test_a_packet_that_was_spoiled_on_the_way_ends_the_connection(here: Site, cipher: str) -> None:
    """One bit of what the client says, after its login: in the bytes of a large file, so never in a length."""
    person, data = here.person(), os.urandom(3 << 20)
    tools = "/usr/lib/openssh/regress"
    spoiling = f"{tools}/modpipe -wm xor:1000000:1 | {tools}/netcat 127.0.0.1 {here.port}"
    command = f"cat > {here.directory}/arrived"
    ran = await run(
        person.ssh("-v", "-o", f"ProxyCommand={spoiling}", "-o", f"Ciphers={cipher}", "--", command), stdin=data
    )
    assert ran.status == 255
    # the client may be writing still when it is told why, and then it sees the end alone
    assert b"MAC verification failed" in ran.err or b"Broken pipe" in ran.err or b"Connection reset" in ran.err
    kept = here.directory / "arrived"
    arrived = kept.read_bytes() if kept.exists() else b""  # it may end before the program starts
    assert len(arrived) < 1_000_000
    assert data.startswith(arrived)
    await until_empty(here)
