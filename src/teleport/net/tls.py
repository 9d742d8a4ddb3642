"""TLS over a raw socket that can be taken off again: handshake, a few messages, then the same TCP goes on bare.

The socket never belongs to a transport of the event loop, so it can be handed to a relay, an engine or a process.
An idle connection costs what OpenSSL keeps and a few hundred bytes of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Self, TypeVar

from teleport.foundation.errors import NotAuthenticated, Unavailable
from teleport.net.handoff import HandedOff
from teleport.wire.errors import RemoteProtocolError

HANDSHAKE_TIMEOUT = 10.0

_READ_SIZE = 64 * 1024
_Result = TypeVar("_Result")


class TlsConnection:
    """A TLS connection over a non-blocking socket that it owns until `unwrap` or `close`.

    One task may read while others write. Raises Unavailable when the connection is lost or late,
    RemoteProtocolError when the peer breaks TLS, NotAuthenticated when its certificate does not verify.
    """

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, *, server_name: str | None, received: bytes
    ) -> None:
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._incoming.write(received)
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_name is None, server_hostname=server_name
        )
        self._flushing = asyncio.Lock()
        self._broken = False

    @classmethod
    async def accept(
        cls,
        sock: socket.socket,
        context: ssl.SSLContext,
        *,
        timeout: float = HANDSHAKE_TIMEOUT,
        received: bytes = b"",
    ) -> Self:
        """Shake hands as the server, beginning with what was `received`. Closes the socket on failure."""
        connection = cls(sock, context, server_name=None, received=received)
        await connection.shake_hands(timeout)
        return connection

    @classmethod
    async def connect(
        cls, sock: socket.socket, context: ssl.SSLContext, server_name: str, *, timeout: float = HANDSHAKE_TIMEOUT
    ) -> Self:
        """Shake hands as the client, expecting `server_name` in the certificate. Closes the socket on failure."""
        connection = cls(sock, context, server_name=server_name, received=b"")
        await connection.shake_hands(timeout)
        return connection

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's certificate in DER; None when it sent none."""
        return self._tls.getpeercert(binary_form=True)

    @property
    def alpn(self) -> str | None:
        """The protocol agreed on."""
        return self._tls.selected_alpn_protocol()

    @property
    def sock(self) -> socket.socket:
        return self._sock

    async def shake_hands(self, timeout: float) -> None:
        """Done by `accept` and `connect`."""
        try:
            async with asyncio.timeout(timeout):
                await self._step(self._tls.do_handshake)
        except TimeoutError:
            self._abandon()
            raise Unavailable(f"TLS handshake: not finished within {timeout:g} s") from None
        except BaseException:
            self._abandon()
            raise

    async def read(self, limit: int = _READ_SIZE) -> bytes:
        """At least one byte; nothing when the peer closed properly."""
        try:
            return await self._step(lambda: self._tls.read(limit))
        except ssl.SSLZeroReturnError:
            return b""

    async def read_exactly(self, size: int) -> bytes:
        """Raises Unavailable when the peer closes before."""
        data = await self.read(size)
        while len(data) < size:
            more = await self.read(size - len(data))
            if not more:
                raise Unavailable("the other side closed the connection in the middle of a message")
            data += more
        return data

    async def write(self, data: bytes) -> None:
        """Whole or not at all; after a failure or a cancelled write the connection is of no more use."""
        self._tls.write(data)  # a memory buffer takes all of it
        await self._flush()

    async def unwrap(self, last: bytes = b"", *, timeout: float = HANDSHAKE_TIMEOUT) -> HandedOff:
        """Send `last`, close TLS in both directions, and give up the socket with what came behind the peer's close.

        Everything the peer wrote in TLS must have been read. Closes the socket on failure.
        """
        try:
            async with asyncio.timeout(timeout):
                if last:
                    self._tls.write(last)
                await self._step(self._tls.unwrap)
        except TimeoutError:
            self._abandon()
            raise Unavailable(f"the other side did not close TLS within {timeout:g} s") from None
        except BaseException:
            self._abandon()
            raise
        self._broken = True
        # a new object for the same descriptor: whoever still holds the old one cannot close it under its new owner
        sock = socket.socket(self._sock.family, self._sock.type, self._sock.proto, fileno=self._sock.detach())
        sock.setblocking(False)
        return HandedOff(sock, self._incoming.read())

    async def close(self, *, timeout: float = 1.0) -> None:
        """Say close_notify if the socket takes it at once or soon, then close; never raises."""
        if self._sock.fileno() < 0:
            return
        try:
            if not self._broken:
                with contextlib.suppress(ssl.SSLError):
                    self._tls.unwrap()
                async with asyncio.timeout(timeout):
                    await self._flush()
        except (OSError, TimeoutError, Unavailable):
            pass
        finally:
            self._abandon()

    def abort(self) -> None:
        """Close at once."""
        self._abandon()

    async def _step(self, step: Callable[[], _Result]) -> _Result:
        """Run one operation of OpenSSL, moving bytes for it until it is done."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLZeroReturnError:
                raise
            except ssl.SSLError as problem:
                with contextlib.suppress(Unavailable):
                    await self._flush()  # the alert that tells the peer why
                self._broken = True
                raise _explained(problem) from problem
            else:
                await self._flush()
                return result

    async def _fill(self) -> None:
        try:
            data = await asyncio.get_running_loop().sock_recv(self._sock, _READ_SIZE)
        except OSError as problem:
            self._broken = True
            raise Unavailable(f"connection lost: {problem.strerror or problem}") from problem
        if not data:
            self._broken = True
            raise Unavailable("the other side closed the connection")
        self._incoming.write(data)

    async def _flush(self) -> None:
        if not self._outgoing.pending:
            return
        async with self._flushing:
            data = self._outgoing.read()
            if not data:
                return
            try:
                await asyncio.get_running_loop().sock_sendall(self._sock, data)
            except OSError as problem:
                self._broken = True
                raise Unavailable(f"connection lost: {problem.strerror or problem}") from problem
            except BaseException:
                self._broken = True  # part of a record may be on the wire
                raise

    def _abandon(self) -> None:
        self._broken = True
        if self._sock.fileno() >= 0:
            _stop_watching(self._sock)
            self._sock.close()


def _stop_watching(sock: socket.socket) -> None:
    """A descriptor that is closed while the loop watches it would be watched under its next owner."""
    with contextlib.suppress(RuntimeError, NotImplementedError, OSError, ValueError):
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        loop.remove_writer(sock)


def _explained(problem: ssl.SSLError) -> Exception:
    reason = (problem.reason or str(problem)).replace("_", " ").lower()
    if isinstance(problem, ssl.SSLCertVerificationError):
        return NotAuthenticated(f"the other side's certificate was not accepted: {problem.verify_message}")
    if isinstance(problem, ssl.SSLEOFError):
        return Unavailable("the other side closed the connection")
    if "alert" in reason and "certificate" in reason:
        return NotAuthenticated(f"the other side did not accept our certificate: {reason}")
    return RemoteProtocolError(f"TLS: {reason}")
