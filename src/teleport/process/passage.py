"""How a proxy reaches auth: beside it in this process, or somewhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from teleport.net.address import Address
from teleport.process.auth_server import AuthServer
from teleport.proxy.gateways.auth import AuthAcceptor


class Passage(Protocol):
    """Where the API of auth is, and who takes connections meant for it (None: they go to the address)."""

    @property
    def address(self) -> Address: ...

    @property
    def acceptor(self) -> AuthAcceptor | None: ...


def reached_by(listening: Address) -> Address:
    """The loopback address of a service of this process that listens on every address."""
    host = {"::": "::1", "0.0.0.0": "127.0.0.1", "": "127.0.0.1"}.get(listening.host, listening.host)
    return Address(host, listening.port)


@dataclass(frozen=True)
class Elsewhere:
    """Auth is another process: its address."""

    address: Address
    acceptor: AuthAcceptor | None = None


class InProcess:
    """Auth runs beside the proxy: the API over loopback, connections for auth handed over."""

    def __init__(self, server: AuthServer) -> None:
        self._server = server
        self.acceptor: AuthAcceptor | None = AuthAcceptor(server.take)

    @property
    def address(self) -> Address:
        return reached_by(self._server.bound[0])
