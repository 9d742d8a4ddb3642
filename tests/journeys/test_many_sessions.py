"""Five hundred sessions of every sort at one agent, most of them dropped without a goodbye, leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncssh
import pytest
from conftest import LOGIN
from harness.cluster import Cluster
from harness.parts import NodePart
from harness.processes import until
from harness.visitors import Visitor
from harness.vitals import connections, descendants, descriptors, memory

WARM_UP = 100
SESSIONS = 500
AT_ONCE = 10
KEPT = 8
"""Descriptors that may be open for things that come and go by themselves: spare connections, an upload."""
GROWTH = 16 << 20
"""Bytes for four hundred sessions. A session that stays holds some hundred kilobytes: forty of them would show."""


class Visits:
    """Sessions with an OpenSSH certificate of `visitor`, straight to the node. `mark` is in all that they run."""

    def __init__(self, node: NodePart, visitor: Visitor, folder: Path) -> None:
        self.mark = f"4{os.getpid()}.25"
        self._node = node
        self._folder = folder
        self._key = folder / "key"
        node.cluster.tctl("auth", "sign", f"--user={visitor.name}", "--format=openssh", f"--out={self._key}").ok()

    async def connect(self) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            "127.0.0.1", self._node.port, username=LOGIN, config=None, known_hosts=None, agent_path=None,
            client_keys=[(str(self._key), f"{self._key}-cert.pub")],
        )  # fmt: skip

    async def command(self) -> None:
        async with await self.connect() as link:
            assert (await link.run("exit 7")).exit_status == 7

    async def dropped_command(self) -> None:
        link = await self.connect()
        process = await link.create_process(f"echo up; exec sleep {self.mark}")
        assert await process.stdout.readline() == "up\n"
        link.abort()

    async def dropped_terminal(self) -> None:
        link = await self.connect()
        process = await link.create_process(term_type="xterm", term_size=(80, 24))
        process.stdin.write(f"echo u''p; sleep {self.mark}\n")
        await process.stdout.readuntil("up\r\n")
        link.abort()

    async def dropped_copy(self) -> None:
        link = await self.connect()
        files = await link.start_sftp_client()
        file = await files.open(str(self._folder / "copied"), "wb")
        await file.write(b"x" * 100_000)
        link.abort()

    async def dropped_forwards(self) -> None:
        link = await self.connect()
        await link.forward_remote_port("", 0, "127.0.0.1", self._node.port)
        reader, writer = await link.open_connection("127.0.0.1", self._node.port, encoding=None)
        assert (await reader.readline()).startswith(b"SSH-2.0-")
        writer.write(b"SSH-2.0-half-a-client\r\n")
        link.abort()

    async def killed_client(self) -> None:
        """The stock one."""
        client = await asyncio.create_subprocess_exec(
            "ssh", "-F", "none", "-i", str(self._key), "-p", str(self._node.port), "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-tt", f"{LOGIN}@127.0.0.1",
            f"echo up; exec sleep {self.mark}",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert client.stdout is not None
        assert await client.stdout.readline() == b"up\r\n"
        client.send_signal(signal.SIGKILL)
        await client.communicate()

    async def pay(self, count: int) -> None:
        sorts: list[Callable[[], Awaitable[None]]] = [
            self.command, self.dropped_command, self.dropped_terminal, self.dropped_copy, self.dropped_forwards,
        ]  # fmt: skip
        for start in range(0, count, AT_ONCE):
            now = [sorts[number % len(sorts)] for number in range(start, start + AT_ONCE - 1)]
            async with asyncio.timeout(60):
                await asyncio.gather(*(visit() for visit in (*now, self.killed_client)))

    def left(self) -> list[int]:
        """Programs of the sessions that run, whoever their parent is."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self.mark in _words(pid)]


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def node(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[NodePart]:
    cluster = new_cluster("large", roles="auth,proxy").start()
    made = NodePart(cluster, tmp_path / "node", "busy")
    yield made.start(cluster.join_token())
    made.kill()


@pytest.mark.timeout(300)
async def test_they_leave_no_process_no_descriptor_and_no_memory(node: NodePart, tmp_path: Path) -> None:
    visitor = Visitor(node.cluster, tmp_path / "visitor")
    visits = Visits(node, visitor, visitor.home)
    assert node.process is not None
    pid = node.process.pid
    await visits.pay(WARM_UP)
    until(lambda: not visits.left() and not connections(node.port), "the first ones gone")
    before = descriptors(node.diag_port), set(descendants(pid))
    resident = memory(pid)
    await visits.pay(SESSIONS - WARM_UP)
    until(lambda: not visits.left(), "programs gone", 20)
    until(lambda: not connections(node.port), "connections gone")
    until(lambda: set(descendants(pid)) <= before[1], "servers of files and shells gone")
    until(
        lambda: descriptors(node.diag_port) <= before[0] + KEPT,
        f"descriptors closed, of which there were {before[0]}",
    )
    grown = memory(pid) - resident
    assert grown < GROWTH, f"{grown >> 10} KiB more than after the first {WARM_UP}"
    await visits.command()
