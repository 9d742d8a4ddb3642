"""The way in, printed at the start: a link for the first administrator, or where those who signed up log in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from teleport.auth.bootstrap import FirstInvitation
from teleport.auth.service import AuthService

_AGAIN = (
    "\nThis cluster has users already: log in at https://{proxy}\nA new password for one: tctl users reset NAME\n"
)


class FirstUser:
    """The last service to start, so that the link is the last thing a person sees."""

    name = "first user"

    def __init__(self, auth: AuthService) -> None:
        self._auth = auth

    async def run(self, started: Callable[[], None]) -> None:
        invitation = await self._auth.invite_first_user()
        if invitation is not None:
            (pin, *_) = await self._auth.cluster.authorities.pins()
            print(self._text(invitation, pin), file=sys.stderr, flush=True)
        elif proxy := self._auth.cluster.settings.public_addr:
            print(_AGAIN.format(proxy=proxy), file=sys.stderr, flush=True)
        started()
        await asyncio.get_running_loop().create_future()

    def _text(self, invitation: FirstInvitation, pin: str) -> str:
        minutes = int(invitation.valid_for.total_seconds() // 60)
        proxy = self._auth.cluster.settings.public_addr or "PROXY"
        port = proxy.rpartition(":")[2] if ":" in proxy else "3080"
        where = invitation.url or f"/web/invite/{invitation.token}"
        return (
            f"\nThere is no user yet. Sign up as the first administrator, {invitation.user}, within {minutes} min:\n"
            f"\n    {where}\n\n"
            "From another machine, put this host's name or address in place of localhost, or forward the port:\n"
            f"    ssh -L {port}:localhost:{port} THIS-HOST\n"
            f"A new link at any time: tctl users reset {invitation.user}\n\n"
            f"Then on the command line:\n    tsh login --proxy={proxy} --user={invitation.user} --ca-pin={pin}\n"
        )
