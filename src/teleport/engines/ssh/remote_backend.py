"""The back end for hosts that run no agent of ours: the visit goes on as a client of that host's SSH server.

Everything was decided before it gets here, and decided again by auth when it certifies the login. The server is let
no further than its role: what it opens by itself are agent channels that were asked for, and forwards.
"""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

import asyncssh
from asyncssh.stream import SSHReader, SSHUNIXStreamSession, SSHWriter

from teleport.credentials import ssh_certificates
from teleport.credentials.keys import PrivateKey
from teleport.engines.admission import Admission
from teleport.engines.ssh.algorithms import CIPHERS, KEY_EXCHANGES, MACS, VERSION, WINDOW, available
from teleport.engines.ssh.backend import Program, Screens, Wish
from teleport.engines.ssh.forwarding import Arrived, Far, is_loopback
from teleport.engines.ssh.inlet import Inlet
from teleport.engines.ssh.path_probe import PathProbe
from teleport.engines.ssh.remote_connection import RemoteConnection, RemoteSide
from teleport.engines.ssh.remote_displays import RemoteDisplays
from teleport.engines.ssh.remote_program import RemoteProgram
from teleport.engines.ssh.visit import Visit
from teleport.engines.upstream import Upstream
from teleport.foundation.errors import AccessDenied, NotAuthenticated, Unavailable
from teleport.foundation.logs import get_logger

log = get_logger("ssh.remote")

LOGIN_TIMEOUT = 20.0
_CERTIFIED = (
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
)
_BARE = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_NO_AGENT = (
    "this cluster records sessions at the proxy, which goes on with your own key agent: add the key and certificate "
    "to an agent and forward it (ssh -A), or use tsh"
)
_NO_FORWARDING = (
    "this cluster records sessions at the proxy, which needs your key agent, and your roles do not allow that it is "
    "forwarded (forward_agent)"
)


class RemoteBackend:
    """A `backend.Backend`."""

    def __init__(self, visit: Visit, upstream: Upstream) -> None:
        self._visit = visit
        self._upstream = upstream
        self._login = ""
        self._link: RemoteConnection | None = None
        self._connecting = asyncio.Lock()
        self._agent_arrived: Arrived | None = None
        self._is_agent_wanted = False
        self._displays: RemoteDisplays | None = None
        self._is_closed = False

    home = None

    async def arrive(self, admission: Admission, certificate: str) -> None:
        """Connects at once, so that what stands against it is told before the client is let in."""
        self._login = login = admission.login
        if self._upstream.asks_key_agent:
            return  # there is none before a session offers it
        key = PrivateKey.generate("ed25519")
        client_ip = self._visit.connection.client_address[0]
        line = await self._upstream.certify(certificate, login, key.public, client_ip)
        pair = (asyncssh.import_private_key(key.ssh_pem()), asyncssh.import_certificate(line))
        self._replace(await self._connect([pair]))

    def _replace(self, link: RemoteConnection) -> None:
        old, self._link = self._link, link
        if old is not None:
            old.abort()

    async def _reach(self) -> RemoteConnection:
        """Raises TeleportError."""
        async with self._connecting:
            if self._link is None:
                self._link = await self._connect_as_client()
            return self._link

    async def _connect_as_client(self) -> RemoteConnection:
        """With the certified keys of the client's own agent, which is asked for this alone."""
        if not self._visit.admission.options.forward_agent:
            raise AccessDenied(_NO_FORWARDING)
        if self._agent_arrived is None:
            raise AccessDenied(_NO_AGENT)
        agent = asyncssh.SSHAgentClient(_ClientsAgent(self._visit))
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT):
                keys = await agent.get_keys()
            certified = [key for key in keys if b"-cert-v01@" in key.algorithm]
            if not certified:
                raise AccessDenied(_NO_AGENT)
            return await self._connect(certified)
        except (ValueError, asyncssh.Error, OSError, TimeoutError) as error:
            raise AccessDenied(f"{_NO_AGENT} ({error or 'it does not answer'})") from error
        finally:
            agent.close()

    async def _connect(self, keys: Sequence[Any]) -> RemoteConnection:
        visit, upstream = self._visit, self._upstream
        host, port = visit.connection.client_address
        try:
            raw = await upstream.connect(self._login, visit.connection.request.user, f"{host}:{port}")
            async with asyncio.timeout(LOGIN_TIMEOUT):
                return await self._log_in(raw, keys)
        except TimeoutError as error:
            raise Unavailable(f"{self._where} does not answer") from error
        except asyncssh.PermissionDenied as error:
            raise AccessDenied(
                f"{self._where} does not let {self._login} in: there must be such a user, and sshd there must trust "
                "this cluster (TrustedUserCAKeys)"
            ) from error
        except asyncssh.HostKeyNotVerifiable as error:
            raise NotAuthenticated(f"{self._where} does not prove to be itself: {error.reason}") from error
        except asyncssh.KeyExchangeFailed as error:
            raise NotAuthenticated(
                f"{self._where} shows no certificate of this cluster for its host key, or speaks nothing that is "
                f"safe: {error.reason}"
            ) from error
        except (asyncssh.Error, OSError) as error:
            raise Unavailable(f"{self._where} cannot be reached: {getattr(error, 'reason', '') or error}") from error

    @property
    def _where(self) -> str:
        return f"the SSH server of {self._visit.post.hostname}"

    async def _log_in(self, raw: Any, keys: Sequence[Any]) -> RemoteConnection:
        loop = asyncio.get_running_loop()
        options = copy.copy(await loop.run_in_executor(None, _options, self._upstream.checks_host))
        options.username = self._login
        options.client_keys = asyncssh.load_keypairs(list(keys))
        options.protocol_factory = lambda: _Owner(self._lose)
        options.waiter = established = loop.create_future()
        link = RemoteConnection(loop, options, self._check_host, self._take_agent, self._take_display)
        try:
            await loop.create_connection(lambda: Inlet(link), sock=raw.sock)
        except BaseException:
            raw.close()
            raise
        if raw.leftover:
            link.take(memoryview(raw.leftover))
        try:
            await established
            if link.is_open_to_truncation:
                raise NotAuthenticated(f"{self._where} speaks nothing that is safe from truncation: update it")
        except BaseException:
            link.abort()
            raise
        if self._is_closed:
            link.abort()
        return link

    def _check_host(self, certificate: str) -> None:
        upstream = self._upstream
        if not upstream.checks_host:
            return
        if not certificate:
            raise NotAuthenticated("it shows a bare key instead of a certificate of this cluster")
        ssh_certificates.verify_host(
            certificate, upstream.host_authorities(), upstream.names, self._visit.post.clock.now()
        )

    def _lose(self, link_error: Exception | None) -> None:
        """The server has ended the connection."""
        if not self._is_closed and self._link is not None and self._visit.is_admitted:
            log.debug("an SSH server closed its connection", server=self._visit.post.hostname, error=link_error)
            self._visit.leave("the server closed the connection")

    # -- engines.ssh.backend.Backend

    def paths(self) -> PathProbe:
        return PathProbe(self._reach)

    def program(self, wish: Wish, screens: Screens) -> Program:
        return RemoteProgram(self._reach, wish, screens, lambda: self._is_agent_wanted)

    async def connect_tcp(self, host: str, port: int) -> RemoteSide:
        return await self._open(lambda link, side: link.create_connection(lambda: side, host, port, encoding=None))

    def hosts_of(self, far: Far, host: str) -> Sequence[str]:
        """As far as it can be told from here: the server looks the name up by itself."""
        return [host, *self._upstream.names] if host == "localhost" or is_loopback(host) else [host]

    async def connect_unix(self, path: str) -> RemoteSide:
        return await self._open(lambda link, side: link.create_unix_connection(lambda: side, path, encoding=None))

    async def _open(self, connect: Callable[[RemoteConnection, RemoteSide], Any]) -> RemoteSide:
        side = RemoteSide(self._visit.touch)
        link = await self._reach()
        try:
            await connect(link, side)
        except asyncssh.Error as error:
            raise Unavailable(error.reason) from error
        return side

    async def listen_tcp(
        self, host: str, port: int, arrived: Arrived, closed: Callable[[], None]
    ) -> asyncssh.SSHListener:
        def accept(origin_host: str, origin_port: int) -> RemoteSide:
            return self._arrive(arrived, (origin_host, origin_port))

        return await self._listen(
            lambda link: link.create_server(accept, host, port, encoding=None), f"port {port}", closed
        )

    async def listen_unix(self, path: str, arrived: Arrived, closed: Callable[[], None]) -> asyncssh.SSHListener:
        return await self._listen(
            lambda link: link.create_unix_server(lambda: self._arrive(arrived, ("", 0)), path, encoding=None),
            path, closed,
        )  # fmt: skip

    def _arrive(self, arrived: Arrived, origin: tuple[str, int]) -> RemoteSide:
        side = RemoteSide(self._visit.touch)
        arrived(side, origin)
        return side

    async def _listen(
        self, listen: Callable[[RemoteConnection], Any], where: str, closed: Callable[[], None]
    ) -> asyncssh.SSHListener:
        link = await self._reach()
        try:
            listener = await listen(link)
        except asyncssh.Error as error:
            raise Unavailable(f"{where}: {error.reason}") from error
        return _RemoteListener(listener, closed)

    async def open_agent(self, arrived: Arrived) -> bool:
        self._agent_arrived = arrived
        self._is_agent_wanted = True
        return True

    async def _take_agent(self) -> RemoteSide:
        if self._agent_arrived is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no agent was offered")
        return self._arrive(self._agent_arrived, ("", 0))

    def displays(self) -> RemoteDisplays:
        visit = self._visit
        self._displays = RemoteDisplays(lambda: visit.link, visit.admission, visit.audit, visit.tasks, visit.touch)
        return self._displays

    async def _take_display(self, host: str, port: int) -> RemoteSide:
        if self._displays is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no display was offered")
        return self._displays.take(host, port)

    def close(self) -> None:
        self._is_closed = True
        if self._link is not None:
            self._link.close()


@functools.cache
def _options(checks_host: bool) -> asyncssh.SSHClientConnectionOptions:
    """What all connections share; making them takes longer than the handshake."""
    return asyncssh.SSHClientConnectionOptions(
        client_factory=asyncssh.SSHClient,
        config=None,
        username="",
        client_keys=[],
        known_hosts=None,
        server_host_key_algs=list(_CERTIFIED if checks_host else _CERTIFIED + _BARE),
        client_version=VERSION,
        x509_trusted_certs=None,
        preferred_auth=["publickey"],
        gss_host=None,
        agent_path=None,
        kex_algs=available(asyncssh.kex.get_kex_algs(), KEY_EXCHANGES),
        encryption_algs=list(CIPHERS),
        mac_algs=list(MACS),
        compression_algs=None,
        tcp_keepalive=True,
        window=WINDOW,
        login_timeout=LOGIN_TIMEOUT,
        keepalive_interval=60,
    )


class _Owner(asyncssh.SSHClient):
    def __init__(self, lose: Callable[[Exception | None], None]) -> None:
        self._lose = lose

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(exc)


class _RemoteListener(asyncssh.SSHListener):
    """What the other server listens on for the client."""

    def __init__(self, listener: asyncssh.SSHListener, closed: Callable[[], None]) -> None:
        super().__init__()
        self._listener = listener
        self._closed = closed
        self._is_closed = False

    def get_port(self) -> int:
        return self._listener.get_port()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._listener.close()
            self._closed()

    async def wait_closed(self) -> None:
        return


class _ClientsAgent:
    """The client's key agent, as asyncssh wants to reach it."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    async def open_agent_connection(self) -> tuple[SSHReader[bytes], SSHWriter[bytes]]:
        channel = self._visit.link.create_agent_channel()
        session = cast("SSHUNIXStreamSession[bytes]", await channel.open(SSHUNIXStreamSession))
        return SSHReader(session, channel), SSHWriter(session, channel)
