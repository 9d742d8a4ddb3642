"""The doors of a node: before keys are exchanged, before a login, behind it; and what a host behind a proxy says."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import asyncssh
from raw_ssh import (
    CHANNEL_OPEN,
    DISCONNECT,
    GLOBAL_REQUEST,
    USERAUTH_FAILURE,
    USERAUTH_PK_OK,
    USERAUTH_REQUEST,
    USERAUTH_SUCCESS,
    Boolean,
    RawClient,
    String,
    UInt32,
    raw_client,
)  # fmt: skip
from remote_host import HostConnection, remote_host
from sharing import watched
from ssh_post import ME, Person, Site, run, site
from ssh_proofs import key_of, request, signature

from fuzzing.doors import SSH, Door, bare, connected
from fuzzing.targets import CERTIFICATE_LINE
from teleport.engines.engine import Limits
from teleport.net.address import Address

_UNIMPLEMENTED, _SERVICE_ACCEPT = 3, 6
_CONFIRMED, _OPEN_FAILED, _ADJUST, _DATA, _EXTENDED, _EOF, _CLOSE, _REQUEST, _DONE, _FAILED = 91, 92, *range(93, 101)
_ANSWERS = (DISCONNECT, _UNIMPLEMENTED, 81, 82, _OPEN_FAILED, _CLOSE, _DONE, _FAILED)
_HEARS_FOR = 0.3


def _request(method: bytes, *parts: bytes) -> bytes:
    return bytes((USERAUTH_REQUEST,)) + b"".join(map(String, (b"root", b"ssh-connection", method))) + b"".join(parts)


_ALGORITHM = b"ssh-ed25519-cert-v01@openssh.com"
_CERTIFICATE = String(base64.b64decode(CERTIFICATE_LINE.split()[1]))
_SIGNATURE = String(String(b"ssh-ed25519") + String(bytes(64)))
LOGINS = (
    _request(b"none"),
    _request(b"publickey", Boolean(False), String(_ALGORITHM), _CERTIFICATE),
    _request(b"publickey", Boolean(True), String(_ALGORITHM), _CERTIFICATE, _SIGNATURE),
    _request(b"password", Boolean(False), String(b"secret")),
    _request(b"keyboard-interactive", String(b""), String(b"")),
    bytes((90,)) + String(b"session") + UInt32(0) + UInt32(1 << 20) + UInt32(1 << 15),
    bytes((80,)) + String(b"tcpip-forward") + Boolean(True) + String(b"") + UInt32(0),
    bytes((7,)) + UInt32(1) + String(b"server-sig-algs") + String(b"ssh-ed25519"),
    bytes((2,)) + String(b"ignored"),
)


_NUMBERS = UInt32(1) + UInt32(1 << 20) + UInt32(1 << 15)


def _open(kind: bytes, rest: bytes = b"") -> bytes:
    return bytes((CHANNEL_OPEN,)) + String(kind) + _NUMBERS + rest


def _ask(kind: bytes, rest: bytes = b"", channel: int = 0) -> bytes:
    """A request on the channel that is open; on 0 that is the first one of either side."""
    return bytes((_REQUEST,)) + UInt32(channel) + String(kind) + Boolean(True) + rest


def _ask_all(kind: bytes, rest: bytes = b"") -> bytes:
    return bytes((GLOBAL_REQUEST,)) + String(kind) + Boolean(True) + rest


_HERE = String(b"127.0.0.1") + UInt32(1)
_OF_CHANNELS = (
    bytes((_ADJUST,)) + UInt32(0) + UInt32(1 << 20),
    bytes((_DATA,)) + UInt32(0) + String(b"typed"),
    bytes((_EXTENDED,)) + UInt32(0) + UInt32(1) + String(b"an error"),
    bytes((_EOF,)) + UInt32(0),
    bytes((_CLOSE,)) + UInt32(0),
    bytes((_CONFIRMED,)) + UInt32(0) + _NUMBERS,
    bytes((_OPEN_FAILED,)) + UInt32(0) + UInt32(1) + String(b"no") + String(b"en"),
    bytes((_DONE,)) + UInt32(0),
    bytes((81,)),
    bytes((20,)) + bytes(16) + String(b"curve25519-sha256") * 10 + bytes(5),
    bytes((_UNIMPLEMENTED,)) + UInt32(7),
    bytes((4,)) + Boolean(True) + String(b"debug") + String(b"en"),
)
WORDS_OF_CLIENTS = (
    *_OF_CHANNELS,
    _open(b"session"),
    _open(b"direct-tcpip", _HERE + _HERE),
    _open(b"direct-streamlocal@openssh.com", String(b"/nowhere/at/all") + String(b"") + UInt32(0)),
    _ask_all(b"tcpip-forward", String(b"localhost") + UInt32(0)),
    _ask_all(b"cancel-tcpip-forward", String(b"localhost") + UInt32(1)),
    _ask_all(b"streamlocal-forward@openssh.com", String(b"/nowhere/at/all")),
    _ask_all(b"keepalive@openssh.com"),
    _ask_all(b"hostkeys-prove-00@openssh.com", String(b"key")),
    _ask(b"pty-req", String(b"xterm") + UInt32(80) * 4 + String(b"\x81\0\0\x25\x80\0")),
    _ask(b"env", String(b"TELEPORT_SESSION_INVITED") + String(b"a,b")),
    _ask(b"env", String(b"LC_ALL") + String(b"C")),
    _ask(b"x11-req", Boolean(False) + String(b"MIT-MAGIC-COOKIE-1") + String(b"00" * 16) + UInt32(0)),
    _ask(b"auth-agent-req@openssh.com"),
    _ask(b"window-change", UInt32(80) * 4),
    _ask(b"signal", String(b"TERM")),
    _ask(b"break", UInt32(500)),
    _ask(b"exec", String(b"true")),
    _ask(b"subsystem", String(b"sftp")),
)
WORDS_OF_HOSTS = (
    *_OF_CHANNELS,
    _open(b"auth-agent@openssh.com"),
    _open(b"forwarded-tcpip", _HERE + _HERE),
    _open(b"forwarded-streamlocal@openssh.com", String(b"/nowhere") + String(b"")),
    _open(b"x11", _HERE),
    _ask(b"exit-status", UInt32(1)),
    _ask(b"exit-signal", String(b"TERM") + Boolean(False) + String(b"ended") + String(b"en")),
    _ask(b"xon-xoff", Boolean(True)),
    _ask(b"eow@openssh.com"),
    _ask_all(b"hostkeys-00@openssh.com", String(String(b"ssh-ed25519") + String(bytes(32)))),
    bytes((53,)) + String(b"a banner") + String(b"en"),
    bytes((7,)) + UInt32(1) + String(b"server-sig-algs") + String(b"ssh-ed25519"),
)


async def _after_key_exchange(port: int, data: bytes) -> None:
    """One packet to whoever asks for a login: its type is the first byte."""
    with suppress(asyncssh.Error, OSError, TimeoutError):
        async with asyncio.timeout(5), raw_client(port) as client:
            await client.until(_SERVICE_ACCEPT)
            client.say(data[0] if data else USERAUTH_REQUEST, data[1:])
            await client.until(DISCONNECT, USERAUTH_FAILURE, USERAUTH_PK_OK, _UNIMPLEMENTED, timeout=_HEARS_FOR)


async def _log_in(client: RawClient, person: Person) -> None:
    body = request(person, signed=True)
    client.say(USERAUTH_REQUEST, body, signature(client, key_of(person), body))
    assert await client.until(USERAUTH_SUCCESS, USERAUTH_FAILURE) == USERAUTH_SUCCESS


async def _after_login(here: Site, person: Person, data: bytes) -> None:
    """One packet from somebody who is in and has a session channel open."""
    with suppress(asyncssh.Error, OSError, TimeoutError):
        async with asyncio.timeout(5), raw_client(here.port) as client:
            await _log_in(client, person)
            client.say(*_first(_open(b"session")))
            await client.until(_CONFIRMED)
            client.say(*_first(data or b"\0"))
            await client.until(*_ANSWERS, timeout=_HEARS_FOR)


def _first(data: bytes) -> tuple[int, bytes]:
    return data[0], data[1:]


@asynccontextmanager
async def ssh_doors(directory: Path) -> AsyncIterator[list[Door]]:
    """Behind the login nobody starts a program or a forward: others would have to be there."""
    async with site(directory, Limits(login_grace=timedelta(seconds=1))) as here:
        address = Address("127.0.0.1", here.port)
        await here.apply(watched())
        person = here.person("mallory", roles=("watched",))

        async def answers() -> bool:
            sock = await connected(address)
            with sock:
                return (await asyncio.get_running_loop().sock_recv(sock, 100)).startswith(b"SSH-2.0-")

        def open_count() -> int:
            return len(here.connections)

        async def log_in(data: bytes) -> None:
            await _after_key_exchange(here.port, data)

        async def go_on(data: bytes) -> None:
            await _after_login(here, person, data)

        yield [
            Door("a node", SSH, lambda data: bare(address, data), answers, open_count),
            Door("a login at a node", LOGINS, log_in, answers, open_count),
            Door("a session at a node", WORDS_OF_CLIENTS, go_on, answers, open_count),
        ]


@asynccontextmanager
async def host_doors(directory: Path) -> AsyncIterator[list[Door]]:
    """A host without an agent says something while a command runs there for somebody."""
    said: asyncio.Queue[bytes] = asyncio.Queue()

    async def behave(connection: HostConnection, process: asyncssh.SSHServerProcess[bytes]) -> None:
        data = said.get_nowait() if not said.empty() else b""
        if data:
            connection.send_bare(*_first(data))
            await asyncio.sleep(0.05)
        process.exit(0)

    async with site(directory) as here, remote_host(here.clock.now, behave) as host:
        here.post.upstream = host
        person = here.person()
        keys = [(str(person.key), str(person.directory / "id-cert.pub"))]

        async def visit(data: bytes) -> None:
            said.put_nowait(data)
            with suppress(asyncssh.Error, OSError, TimeoutError):
                async with (
                    asyncio.timeout(5),
                    asyncssh.connect(
                        "127.0.0.1", here.port, username=ME, client_keys=keys, known_hosts=None, config=None,
                        agent_path=None,
                    ) as client,
                ):  # fmt: skip
                    await client.run("true")

        async def is_served() -> bool:
            while not said.empty():
                said.get_nowait()
            return (await run(person.ssh("--", "true"))).status == 0

        yield [Door("a host behind a proxy", WORDS_OF_HOSTS, visit, is_served, lambda: len(here.connections))]
