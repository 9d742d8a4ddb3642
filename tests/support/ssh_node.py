"""A node in a test: a real SSH server with a host certificate, that runs commands in a shell and serves files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
from client_side import ClientCluster, LoopThread
from harness.processes import until


class _Server(asyncssh.SSHServer):
    def __init__(self, cluster: ClientCluster) -> None:
        self._authority = asyncssh.import_public_key(cluster.user_ca.ssh_key.public.ssh())

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key == self._authority

    def connection_requested(self, host: str, port: int, origin: str, origin_port: int) -> bool:
        return True

    def server_requested(self, host: str, port: int) -> bool:
        return True


class Programs:
    """What a node runs. Each is a group of its own: ended when nobody takes its words, all of them with the node."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._children: list[asyncio.subprocess.Process] = []
        self._running = 0

    async def run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """A shell on pipes, or on nothing but an echo of its surroundings when a terminal was asked for."""
        if process.term_type is not None:
            await _echo(process)
            return
        child = await asyncio.create_subprocess_shell(
            process.command or "cat",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**process.env, "PATH": "/usr/bin:/bin"},
            start_new_session=True,
        )
        self._groups.add(child.pid)
        self._children.append(child)
        self._running += 1
        try:
            status = await _carry(process, child)
        finally:
            self._running -= 1
        if not is_running(child.pid):
            self._groups.discard(child.pid)  # its number may be another's soon
        if status < 0:
            process.exit_with_signal("KILL")
        else:
            process.exit(status)

    def end(self) -> None:
        """Also those that somebody left in the background."""
        for group in tuple(self._groups):
            _end(group, signal.SIGKILL)
        until(
            lambda: not self._running and not any(map(is_running, tuple(self._groups))), "the node's programs ended"
        )

    async def close(self) -> None:
        """Pipes whose words nobody took are closed while their loop still runs."""
        for child in self._children:
            child._transport.close()  # type: ignore[attr-defined]


async def _carry(process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> int:
    """Its input and output, until it has ended; how it did."""
    stdin, outputs = child.stdin, ((child.stdout, process.stdout), (child.stderr, process.stderr))
    assert stdin is not None

    async def feed() -> None:
        try:
            with contextlib.suppress(asyncssh.Error, asyncssh.SignalReceived, OSError):  # left without a farewell
                while data := await process.stdin.read(65536):
                    stdin.write(data)
                    await stdin.drain()
        finally:
            stdin.close()

    async def drain(source: asyncio.StreamReader | None, target: asyncssh.SSHWriter[bytes]) -> None:
        assert source is not None
        while data := await source.read(65536):
            try:
                target.write(data)
                await target.drain()
            except OSError:  # the visitor has left
                _end(child.pid, signal.SIGPIPE)

    feeding = asyncio.get_running_loop().create_task(feed())
    await asyncio.gather(*[drain(source, target) for source, target in outputs])
    status = await child.wait()
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)  # its end closes the pipe
    return status


def _end(group: int, by: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, by)


def is_running(group: int) -> bool:
    """Whether a process group has a member that is more than an entry in its parent's books."""
    return any(_group_of(entry) == group for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _group_of(process: Path) -> int:
    try:
        _, _, rest = (process / "stat").read_text().rpartition(") ")
    except OSError:
        return 0
    state, _, group = rest.split()[:3]
    return 0 if state in "ZX" else int(group)


async def _echo(process: asyncssh.SSHServerProcess[bytes]) -> None:
    width, height = process.term_size[:2]
    process.stdout.write(f"{process.term_type} {width}x{height}\r\n".encode())
    async for line in process.stdin:
        process.stdout.write(b"got " + line)
        if line.strip() == b"exit":
            break
    process.exit(3)


class _Files(asyncssh.SFTPServer):
    """As it is: paths of this machine."""


class Node:
    """`serve` takes a raw socket and speaks SSH on it until it ends."""

    def __init__(self, cluster: ClientCluster, loop: asyncio.AbstractEventLoop, key: str, certificate: str) -> None:
        self._cluster = cluster
        self._loop = loop
        self.programs = Programs()
        self._host_key = (asyncssh.import_private_key(key), asyncssh.import_certificate(certificate))

    def serve(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        with contextlib.suppress(asyncssh.Error, OSError):  # clients that leave are what some tests are about
            asyncio.run_coroutine_threadsafe(self._serve(sock), self._loop).result()

    async def _serve(self, sock: socket.socket) -> None:
        connection = await asyncssh.run_server(
            sock,
            config=None,
            server_factory=lambda: _Server(self._cluster),
            server_host_keys=[self._host_key],
            process_factory=self.programs.run,
            sftp_factory=_Files,
            encoding=None,
            allow_scp=False,
        )
        await connection.wait_closed()


@contextmanager
def node(cluster: ClientCluster, key: str = "", certificate: str = "") -> Iterator[Node]:
    with LoopThread() as loop:
        if not key:
            key, certificate = cluster.ssh_host()
        made = Node(cluster, loop, key, certificate)
        try:
            yield made
        finally:
            made.programs.end()
            asyncio.run_coroutine_threadsafe(made.programs.close(), loop).result(60)


def tree(path: Path) -> dict[str, bytes | None]:
    """Everything below a directory: contents of files, None for directories."""
    return {
        str(entry.relative_to(path)): entry.read_bytes() if entry.is_file() else None for entry in path.rglob("*")
    }
