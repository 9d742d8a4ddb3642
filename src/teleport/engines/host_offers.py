"""What an operator lets a host offer beyond sessions: displays to forward, an account for who has none, PAM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from teleport.engines.kernel_recording.requirements import KernelSettings


@dataclass(frozen=True)
class X11Displays:
    """The numbers of the displays that sessions may take, both ends included."""

    first: int = 10
    last: int = 1010


@dataclass(frozen=True)
class PamService:
    """The stack that sessions go through. `folder` is where the service's file lies, empty for the system's own.

    `environment` are templates of what modules and sessions find in their environment.
    """

    service_name: str = "sshd"
    authenticates: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""


@dataclass(frozen=True)
class LoginFiles:
    """Where the host keeps who is and was logged in, what it greets people with, what closes it to them."""

    utmp: Path = Path("/run/utmp")
    wtmp: Path = Path("/var/log/wtmp")
    lastlog: Path = Path("/var/log/lastlog")
    greetings: tuple[str, ...] = ("/run/motd.dynamic", "/etc/motd")
    closing: tuple[str, ...] = ("/run/nologin", "/etc/nologin")


@dataclass(frozen=True)
class HostOffers:
    """None is not offered."""

    x11: X11Displays | None = None
    pam: PamService | None = None
    creates_accounts: bool = True
    kernel: KernelSettings | None = None
    login_files: LoginFiles = field(default_factory=LoginFiles)
