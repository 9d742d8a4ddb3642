"""What an operator lets a host offer beyond sessions: displays to forward, an account for who has none, PAM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class X11Displays:
    """The numbers of the displays that sessions may take, both ends included."""

    first: int = 10
    last: int = 1010


@dataclass(frozen=True)
class HostOffers:
    """None is not offered."""

    x11: X11Displays | None = None
    creates_accounts: bool = True
