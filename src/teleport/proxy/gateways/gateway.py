"""What a gateway is, and the connection it is given."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from typing import Protocol

from teleport.net.address import Address
from teleport.net.connection_limits import Slot
from teleport.wire.opening import Opening


@dataclass(slots=True)
class Arrival:
    """A connection that was looked at and not answered yet; its first bytes are still in the socket.

    `client` is the address told by a PROXY header where balancers are sure to send one. `is_client_doubtful`: one
    came that anybody could have sent, so `client` is only who is next to us, a balancer or the client itself.
    `deadline` is the loop's time by which it must have authenticated.
    """

    sock: socket.socket
    client: Address
    server: Address
    opening: Opening
    slot: Slot
    deadline: float
    is_client_doubtful: bool = False

    @property
    def time_left(self) -> float:
        return max(0.1, self.deadline - asyncio.get_running_loop().time())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()
        self.slot.release()


class ServesArrivals(Protocol):
    """Serves one connection to its end, or hands its socket on.

    It closes the socket and releases the slot, or gives both to who will. It calls `slot.prove` once the peer has
    authenticated. What the peer does wrong is raised as Unavailable, NotAuthenticated or RemoteProtocolError.
    """

    async def serve(self, arrival: Arrival) -> None: ...
