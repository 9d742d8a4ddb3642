"""A key agent that holds our own key alone, for a proxy that records sessions and goes on as us.

It listens in a folder of ours (ssh-agent protocol, draft-ietf-sshm-ssh-agent) and answers one connection: the
proxy's, which comes first. Programs on the server that ask later are turned away, and it signs logins as the login
that was asked for, nothing else.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import Any

from teleport.client import ssh_library  # isort: skip
import asyncssh
from asyncssh.packet import Byte, PacketDecodeError, SSHPacket, String, UInt32

assert ssh_library

_REQUEST_IDENTITIES, _SIGN_REQUEST = 11, 13
_FAILURE, _IDENTITIES_ANSWER, _SIGN_RESPONSE = 5, 12, 14
_USERAUTH_REQUEST = 50
_MAX_REQUEST = 256 << 10


class OwnAgent:
    """Start it before the connection, close it with the connection."""

    def __init__(self, key: asyncssh.SSHKey, certificate: asyncssh.SSHCertificate, login: str) -> None:
        self._login = login
        self._key = key
        self._certificate = certificate
        self._folder = tempfile.mkdtemp(prefix="tsh-agent-")  # mode 0700
        self.path = os.path.join(self._folder, "agent")
        self._server: asyncio.AbstractServer | None = None
        self._was_asked = False

    async def start(self) -> None:
        """Raises OSError."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            os.unlink(self.path)
            os.rmdir(self._folder)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_first, self._was_asked = not self._was_asked, True
        try:
            while is_first:
                size = int.from_bytes(await reader.readexactly(4), "big")
                if not 0 < size <= _MAX_REQUEST:
                    return
                answer = self._answer(await reader.readexactly(size))
                writer.write(len(answer).to_bytes(4, "big") + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        blob = self._certificate.public_data
        if request[0] == _REQUEST_IDENTITIES:
            return Byte(_IDENTITIES_ANSWER) + UInt32(1) + String(blob) + String("tsh")
        if request[0] != _SIGN_REQUEST:
            return Byte(_FAILURE)
        try:
            packet: Any = SSHPacket(request[1:])
            asked, data = packet.get_string(), packet.get_string()
            login: Any = SSHPacket(data)
            login.get_string()  # the id of the session to the server
            is_login = login.get_byte() == _USERAUTH_REQUEST and login.get_string() == self._login.encode()
        except PacketDecodeError:
            return Byte(_FAILURE)
        if asked not in (blob, self._key.public_data) or not is_login:
            return Byte(_FAILURE)
        return Byte(_SIGN_RESPONSE) + String(self._key.sign(data, self._key.sig_algorithms[0]))
