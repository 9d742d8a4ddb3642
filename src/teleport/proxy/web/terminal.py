"""Terminals in the browser: a WebSocket to the page, an SSH session to the server, bytes in between.

The person's own certificate opens the session, on the way that every dial takes: roles decide, the node records. The
page proves itself with its bearer token in the first message, as browsers send no header of ours with a WebSocket.

From the page: first `Opening` as JSON; then binary messages are what was typed, JSON `{"resize": [columns, rows]}`.
To the page: binary messages are what is shown; JSON says what happens (`state`: open, ended, failed).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import asyncssh
import msgspec
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from teleport.api.client import Client
from teleport.api.json_value import read_json
from teleport.api.route import Empty
from teleport.api.routes import certificates, cluster
from teleport.api.routes.login import WebSessionGrant
from teleport.api.routes.mfa import MfaResponse
from teleport.credentials import x509
from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import AccessDenied, BadParameter, LimitExceeded, TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.net.address import Address
from teleport.proxy.inner_dial import InnerConnection, InnerDial
from teleport.proxy.web.safety import require_same_origin
from teleport.proxy.web.sessions import WebSessions, session_id_of
from teleport.tunnel.messages import DialRequest

log = get_logger("web:terminal")

PATH = "/webapi/terminal"
MAX_TERMINALS = 2000
MAX_PER_SESSION = 20
MAX_OPENING = 32 * 1024
MAX_TYPED = 64 * 1024
"""Bytes of one message; pages cut what is pasted."""
OPENS_WITHIN = 10.0
LOGIN_TIMEOUT = 30
CHECK_EVERY = 15.0
MAX_BANNER = 4096
"""Characters that are kept of what a server says before it lets anybody in, however often it speaks."""
_READ = 32 * 1024
_MAX_SIDE = 2000
_ALGORITHMS = ("ssh-ed25519-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com")


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`server` is a node's id. `mfa` answers a challenge of scope session, where the server asks for one."""

    token: str
    server: str
    login: str
    columns: int = 80
    rows: int = 24
    mfa: MfaResponse | None = None


class _Resize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    resize: tuple[int, int]


class _Keys(msgspec.Struct, frozen=True):
    """What proves who comes: PEM, an OpenSSH key and a line."""

    tls_certificate: bytes
    ssh_key: bytes
    ssh_certificate: bytes


class Terminals:
    """`api` calls auth for a web session, `dial` and `authorities` are asked for when they are needed."""

    def __init__(
        self,
        sessions: WebSessions,
        api: Callable[[HTTPConnection, str], Client],
        address: Callable[[HTTPConnection], str],
        dial: Callable[[], InnerDial],
        authorities: Callable[[], Sequence[TrustedAuthority]],
    ) -> None:
        self._sessions = sessions
        self._api = api
        self._address = address
        self._dial = dial
        self._authorities = authorities
        self._open: Counter[str] = Counter()

    async def serve(self, socket: WebSocket) -> None:
        """One terminal, from its opening to its end. A page of another site is refused unheard."""
        try:
            if "origin" not in socket.headers:
                raise AccessDenied("a page says where it comes from")
            require_same_origin(socket)
            session_id = session_id_of(socket)
        except TeleportError as refusal:
            log.debug("a terminal is refused", error=refusal)
            await socket.close(4403)
            return
        await socket.accept()
        try:
            with self._counted(session_id):
                await self._serve(socket)
        except (WebSocketDisconnect, RuntimeError, OSError) as problem:
            log.debug("a page is gone", error=problem)
        except TeleportError as problem:
            await _tell(socket, state="failed", code=problem.code, message=problem.message, eventId=problem.event_id)
            await _close(socket, 4000)

    def _counted(self, session_id: str) -> _Place:
        if self._open.total() >= MAX_TERMINALS or self._open[session_id] >= MAX_PER_SESSION:
            raise LimitExceeded("too many terminals are open: close another one first")
        return _Place(self._open, session_id)

    async def _serve(self, socket: WebSocket) -> None:
        opening = await _opening(socket)
        grant = await self._sessions.of_token(socket, opening.token)
        keys = await self._keys(socket, grant, opening)
        request = DialRequest(target=opening.server, login=opening.login)
        host, peer = self._address(socket), socket.client
        client = Address(host, peer.port if peer is not None and peer.host == host else 0)
        reached = await self._dial().open(x509.to_der(keys.tls_certificate), request, client)
        connection = await self._log_in(reached, opening.login, keys)
        try:
            await self._converse(socket, connection, opening, reached.name, self._api(socket, grant.session_id))
        finally:
            connection.abort()

    async def _keys(self, socket: WebSocket, grant: WebSessionGrant, opening: Opening) -> _Keys:
        """The session's own, or fresh ones that say that a second factor was proved for this server."""
        if opening.mfa is None:
            return _Keys(grant.tls_certificate, grant.ssh_key, grant.ssh_certificate)
        tls, ssh = PrivateKey.generate("ecdsa-p256"), PrivateKey.generate("ed25519")
        request = certificates.IssueCertificates(
            ssh_public_key=ssh.public.ssh().encode(),
            tls_public_key=tls.public.pem.encode(),
            target=opening.server,
            mfa_response=opening.mfa,
        )
        issued = await self._api(socket, grant.session_id).call(certificates.ISSUE, request)
        return _Keys(issued.tls_certificate, ssh.ssh_pem().encode(), issued.ssh_certificate)

    async def _log_in(self, reached: InnerConnection, login: str, keys: _Keys) -> asyncssh.SSHClientConnection:
        """Raises AccessDenied with what the server says, Unavailable."""
        trusted = [
            asyncssh.import_public_key(line)
            for authority in self._authorities()
            if authority.kind == "host"
            for line in authority.ssh_keys
        ]
        client = _Client()
        try:
            connection, _ = await asyncssh.create_connection(
                lambda: client,
                reached.principal,
                sock=reached.sock,
                config=None,
                username=login,
                client_keys=[
                    (asyncssh.import_private_key(keys.ssh_key), asyncssh.import_certificate(keys.ssh_certificate))
                ],
                known_hosts=([], trusted, []),
                server_host_key_algs=_ALGORITHMS,
                encryption_algs=["aes128-gcm@openssh.com"],
                compression_algs=None,
                x509_trusted_certs=None,
                preferred_auth=["publickey"],
                gss_host=None,
                agent_path=None,
                login_timeout=LOGIN_TIMEOUT + reached.dial_timeout,
            )
        except (asyncssh.Error, OSError) as problem:
            reached.sock.close()
            reason = " ".join(client.banner.split())
            if isinstance(problem, asyncssh.PermissionDenied | asyncssh.DisconnectError) and reason:
                raise AccessDenied(reason) from problem
            raise Unavailable(reason or f"{reached.name}: {problem}") from problem
        return connection

    async def _converse(
        self,
        socket: WebSocket,
        connection: asyncssh.SSHClientConnection,
        opening: Opening,
        name: str,
        person: Client,
    ) -> None:
        try:
            process: asyncssh.SSHClientProcess[bytes] = await connection.create_process(
                term_type="xterm-256color",
                term_size=_size(opening.columns, opening.rows),
                env={"LANG": "C.UTF-8"},
                encoding=None,
            )
        except asyncssh.ChannelOpenError as refusal:
            raise AccessDenied(refusal.reason) from refusal
        await _tell(socket, state="open", name=name)
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(_type(socket, process), name="terminal input"),
                group.create_task(_stay_allowed(socket, process, person), name="terminal session"),
            ]
            await _show(socket, process)
            for helper in helpers:
                helper.cancel()
        await _tell(socket, state="ended", status=process.exit_status, reason=self._reason(connection, process))
        await _close(socket, 1000)

    @staticmethod
    def _reason(connection: asyncssh.SSHClientConnection, process: asyncssh.SSHClientProcess[bytes]) -> str:
        if process.exit_signal is not None:
            return str(process.exit_signal[0])
        return ""


class _Place:
    """One terminal of a session, counted while it is open."""

    def __init__(self, counts: Counter[str], session_id: str) -> None:
        self._counts = counts
        self._session_id = session_id

    def __enter__(self) -> None:
        self._counts[self._session_id] += 1

    def __exit__(self, *_: object) -> None:
        self._counts[self._session_id] -= 1
        if not self._counts[self._session_id]:
            del self._counts[self._session_id]


class _Client(asyncssh.SSHClient):
    """Keeps what the server says before it lets us in: the reason of a refusal."""

    def __init__(self) -> None:
        self.banner = ""

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.banner = (self.banner + msg[:MAX_BANNER])[:MAX_BANNER]


async def _opening(socket: WebSocket) -> Opening:
    """Raises BadParameter, Unavailable."""
    try:
        async with asyncio.timeout(OPENS_WITHIN):
            message = await socket.receive_text()
    except TimeoutError:
        raise Unavailable("the page did not say what it wants") from None
    except KeyError:
        raise BadParameter("the first message says what is wanted") from None
    if len(message) > MAX_OPENING:
        raise BadParameter("the first message is too long")
    try:
        return msgspec.json.decode(message, type=Opening, dec_hook=read_json)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise BadParameter(f"the first message: {problem}") from None


async def _type(socket: WebSocket, process: asyncssh.SSHClientProcess[bytes]) -> None:
    """What the page sends; its end is the terminal's."""
    try:
        while True:
            message: Any = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            typed, text = message.get("bytes"), message.get("text")
            if typed and len(typed) <= MAX_TYPED:
                process.stdin.write(typed)
                await process.stdin.drain()
            elif text and len(text) <= 256:
                columns, rows = msgspec.json.decode(text, type=_Resize).resize
                process.change_terminal_size(*_size(columns, rows))
            else:
                return
    except (msgspec.DecodeError, BrokenPipeError, asyncssh.Error, RuntimeError) as problem:
        log.debug("the input of a terminal ends", error=problem)
    finally:
        process.channel.abort()


async def _stay_allowed(socket: WebSocket, process: asyncssh.SSHClientProcess[bytes], person: Client) -> None:
    """A web session that has ended, wherever it did, takes its terminals along. To ask is no sign of life in it."""
    while True:
        await asyncio.sleep(CHECK_EVERY)
        try:
            await person.call(cluster.WHO_AM_I, Empty())
        except Unavailable:
            continue  # auth is away: what was allowed goes on
        except TeleportError as problem:
            await _tell(socket, state="failed", code=problem.code, message=problem.message, eventId=problem.event_id)
            process.channel.abort()
            return


async def _show(socket: WebSocket, process: asyncssh.SSHClientProcess[bytes]) -> None:
    """What the session prints, until it has ended. The page's pace is the session's: nothing is kept in between."""
    try:
        while data := await process.stdout.read(_READ):
            await socket.send_bytes(data)
        await process.wait_closed()
    except (asyncssh.Error, RuntimeError, OSError, WebSocketDisconnect) as problem:
        log.debug("the output of a terminal ends", error=problem)
        process.channel.abort()


def _size(columns: int, rows: int) -> tuple[int, int]:
    return min(max(columns, 1), _MAX_SIDE), min(max(rows, 1), _MAX_SIDE)


async def _tell(socket: WebSocket, **what: object) -> None:
    try:
        await socket.send_text(msgspec.json.encode(what).decode())
    except (RuntimeError, OSError, WebSocketDisconnect) as problem:
        log.debug("a page is gone", error=problem)


async def _close(socket: WebSocket, code: int) -> None:
    try:
        await socket.close(code)
    except (RuntimeError, OSError, WebSocketDisconnect) as problem:
        log.debug("a page is gone", error=problem)
