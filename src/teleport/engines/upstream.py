"""The SSH server of another host, for a post that serves it: how it is found, entered and held to what it claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from teleport.credentials.authorities import TrustedAuthority
from teleport.credentials.keys import PublicKey
from teleport.net.handoff import HandedOff


class Upstream(Protocol):
    """One host, as it is now. Whatever cannot be had raises TeleportError with a reason for the person who asks."""

    @property
    def names(self) -> Sequence[str]:
        """Its certificate must be for one of these."""
        ...

    @property
    def checks_host(self) -> bool:
        """Whether it must show a certificate of the host authority at all."""
        ...

    @property
    def asks_key_agent(self) -> bool:
        """Whether the person's own key agent proves who comes, instead of a certificate made for the visit."""
        ...

    def host_authorities(self) -> Sequence[TrustedAuthority]: ...

    async def connect(self, login: str, user: str, client_address: str) -> HandedOff:
        """A connection whose first byte is the server's. Raises Unavailable."""
        ...

    async def certify(self, shown: str, login: str, key: PublicKey, client_ip: str) -> str:
        """A certificate for `login` there, for a moment, on the strength of the one that the person has shown.

        Raises AccessDenied, Unavailable.
        """
        ...
