"""The channel on which a guest proves to be there: it takes a certificate, and ends."""

from __future__ import annotations

from teleport.engines.ssh.channel import SessionChannel
from teleport.foundation.errors import NotFound
from teleport.wire.terminal import TerminalSize


class PresenceRun:
    """A `channel.Run` that runs nothing."""

    borrows_input = False

    def __init__(self, channel: SessionChannel, sid: str, certificate: str) -> None:
        self._channel = channel
        self._sid = sid
        self._certificate = certificate

    async def run(self) -> None:
        """Raises NotFound, AccessDenied."""
        prove = self._channel.visit.presences.get(self._sid)
        if prove is None:
            raise NotFound("nobody asks for your presence in that session")
        self._channel.begin(self)
        prove(self._certificate)
        self._channel.exit(0)

    def take_input(self, data: bytes) -> None:
        """Nothing reads it."""

    def end_input(self) -> None:
        """Nothing reads it."""

    def resize(self, size: TerminalSize) -> None:
        """There is no terminal."""

    def signal(self, number: int) -> None:
        """Nothing runs."""

    def hold_output(self) -> None:
        """There is none."""

    def release_output(self) -> None:
        """There is none."""

    def lose_client(self) -> None:
        """It ends at once anyway."""
