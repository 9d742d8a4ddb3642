"""A node in a test: a real SSH server with a host certificate, that runs commands in a shell and serves files."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
from client_side import ClientCluster, LoopThread


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


async def run_command(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """A shell on pipes, or on nothing but an echo of its surroundings when a terminal was asked for."""
    if process.term_type is not None:
        width, height = process.term_size[:2]
        process.stdout.write(f"{process.term_type} {width}x{height}\r\n".encode())
        async for line in process.stdin:
            process.stdout.write(b"got " + line)
            if line.strip() == b"exit":
                break
        process.exit(3)
        return
    child = await asyncio.create_subprocess_shell(
        process.command or "cat",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**process.env, "PATH": "/usr/bin:/bin"},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None

    async def feed(target: asyncio.StreamWriter) -> None:
        while data := await process.stdin.read(65536):
            target.write(data)
            await target.drain()
        target.close()

    async def drain(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()

    feeding = asyncio.get_running_loop().create_task(feed(child.stdin))
    await asyncio.gather(drain(child.stdout, process.stdout), drain(child.stderr, process.stderr))
    status = await child.wait()
    feeding.cancel()
    if status < 0:
        process.exit_with_signal("KILL")
    else:
        process.exit(status)


class _Files(asyncssh.SFTPServer):
    """As it is: paths of this machine."""


class Node:
    """`serve` takes a raw socket and speaks SSH on it until it ends."""

    def __init__(self, cluster: ClientCluster, loop: asyncio.AbstractEventLoop, key: str, certificate: str) -> None:
        self._cluster = cluster
        self._loop = loop
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
            process_factory=run_command,
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
        yield Node(cluster, loop, key, certificate)


def tree(path: Path) -> dict[str, bytes | None]:
    """Everything below a directory: contents of files, None for directories."""
    return {
        str(entry.relative_to(path)): entry.read_bytes() if entry.is_file() else None for entry in path.rglob("*")
    }
