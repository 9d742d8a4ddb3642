"""Proofs that a moderator is there, where sessions need a second factor: a fresh certificate, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from teleport.credentials import ssh_certificates
from teleport.engines.ssh.visit import Visit
from teleport.foundation.errors import AccessDenied, BadParameter, NotAuthenticated
from teleport.policy.moderation import Mode
from teleport.wire.joining import PRESENCE_ANSWER, PRESENCE_ASKED_EVERY, PRESENCE_LASTS

_LOOK = 1.0
_MARGIN = 0.01
RULE = (
    f"prove that you are there every {PRESENCE_ASKED_EVERY:g} seconds: your second factor is asked for, and you have "
    f"{PRESENCE_ANSWER:g} seconds"
)


class Presence:
    """How long a moderator counts as present. The certificate that joined is the first proof."""

    def __init__(self, visit: Visit, mode: Mode) -> None:
        self._visit = visit
        self.is_watched = mode == "moderator" and bool(visit.identity.mfa_verified)
        self._last = visit.post.clock.monotonic()
        self._issued = ssh_certificates.read_user(visit.certificate).valid_after

    def prove(self, certificate: str) -> None:
        """Raises AccessDenied unless it is the same person's, newer than the last, and holds a second factor."""
        try:
            identity = self._visit.verify(certificate)
            issued = ssh_certificates.read_user(certificate).valid_after
        except (BadParameter, NotAuthenticated) as problem:
            raise AccessDenied(f"presence is not proven: {problem.message}") from problem
        if identity.username != self._visit.identity.username:
            raise AccessDenied("presence is not proven: the certificate is that of somebody else")
        if not identity.mfa_verified:
            raise AccessDenied("presence is not proven: the certificate holds no second factor")
        if issued <= self._issued:
            raise AccessDenied("presence is not proven: the certificate is not newer than the last")
        self._issued = issued
        self._last = self._visit.post.clock.monotonic()

    async def watch(self, gone: Callable[[str], None]) -> None:
        """Call `gone`, with the reason, once there was no proof for too long."""
        while True:
            left = self._last + PRESENCE_LASTS - self._visit.post.clock.monotonic()
            if left < 0:
                break
            await asyncio.sleep(min(left, _LOOK) + _MARGIN)
        gone(f"your presence was not proven for {PRESENCE_LASTS:g} seconds")
