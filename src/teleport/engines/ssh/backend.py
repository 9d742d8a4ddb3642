"""The seam of the engine: what a client asks for is decided, recorded and told in one place, and done by a back end.

One back end starts programs on this host (`local_backend`), another asks the SSH server of a host that runs no agent
of ours (`remote_backend`). Neither decides anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import asyncssh

from teleport.engines.admission import Admission
from teleport.engines.ssh.displays import DisplaySource, OfferedDisplay
from teleport.engines.ssh.forwarding import Arrived, Far
from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.passing import Paths
from teleport.engines.ssh.spawner import Process, Spawner
from teleport.model.events.base import Event
from teleport.wire.terminal import TerminalSize

SFTP = "sftp"


class TerminalRequest:
    """What a client said of its terminal."""

    def __init__(self, kind: str, size: TerminalSize, modes: Mapping[int, int]) -> None:
        self.kind = kind
        self.size = size
        self.modes = dict(modes)


class Copy(Protocol):
    """A copy of files that our own server makes: it takes what the server tells, and answers what it asks."""

    async def launch(
        self, spawner: Spawner, user: HostUser, descriptors: tuple[int, int, int], cgroup: str = ""
    ) -> Process:
        """Start the server. Raises Unavailable."""
        ...


class Wish(Protocol):
    """What a client asks a session to run: a subsystem, a command, or a shell where there is none of them."""

    subsystem: str
    command: str | None
    terminal: TerminalRequest | None
    display: OfferedDisplay | None

    words: Sequence[str]
    """Set where the command is to be run as these very words, by no shell if that can be. It says the same."""

    said: Mapping[str, str]
    """Variables of ours: a server that takes none of them is to be given them with the words."""

    @property
    def copy(self) -> Copy | None:
        """Set where files are to be copied, and this host serves them."""
        ...

    def variables(self) -> dict[str, str]:
        """Those the client was allowed to set."""
        ...


class Program(Protocol):
    """One program, with a terminal or without. Runs once; everything but `start` and the waits returns at once."""

    async def start(self, sid: str, size: TerminalSize) -> None:
        """Start what the channel asked for. Raises TeleportError with the reason."""
        ...

    @property
    def is_started(self) -> bool: ...

    @property
    def is_lost(self) -> bool:
        """Whether it was hung up, perhaps before it ever started."""
        ...

    def type(self, data: bytes) -> None: ...

    def end_typing(self) -> None:
        """Nothing more will be typed."""
        ...

    def discard_typed(self) -> None:
        """What the program has not taken yet is forgotten, as far as it waits here."""
        ...

    def resize(self, size: TerminalSize) -> None: ...

    def hold(self, reason: str) -> None:
        """Read no output until every reason has been released."""
        ...

    def release(self, reason: str) -> None: ...

    def signal(self, number: int) -> None: ...

    def hang_up(self) -> None:
        """End it, or keep it from ever starting to be waited for."""
        ...

    async def unless_lost(self, waiting: asyncio.Task[Any]) -> bool:
        """Wait for something else before the start. False when the program was hung up in the meantime."""
        ...

    async def wait(self) -> int | None:
        """How it ended, once all it showed was read: a status, the negative number of a signal, None if unknown."""
        ...

    def close(self) -> None: ...


class Screens(Protocol):
    """Where a program's output goes, and whoever types is told to wait."""

    def show(self, output: bytes) -> None: ...

    def show_error(self, output: bytes) -> None: ...

    def pause_typing(self) -> None: ...

    def resume_typing(self) -> None: ...

    def note_event(self, event: Event) -> None:
        """The log was told of something the program did, which belongs into a replay."""
        ...


class Backend(Protocol):
    """Where the sessions of one visit run. Made with the visit, closed with it."""

    async def arrive(self, admission: Admission, certificate: str) -> None:
        """The client is who it says and may come in: make ready to serve it. Raises TeleportError with the reason."""
        ...

    @property
    def home(self) -> str | None:
        """The home of the login where files are served by us, path by path; None where another server does that."""
        ...

    def paths(self) -> Paths | None:
        """Where the paths of one copy lead that another server serves; None where files are served by us."""
        ...

    def program(self, wish: Wish, screens: Screens) -> Program:
        """What a session was asked to run, not started yet."""
        ...

    async def connect_tcp(self, host: str, port: int) -> Far:
        """Raises TeleportError, OSError, TimeoutError."""
        ...

    def hosts_of(self, far: Far, host: str) -> Sequence[str]:
        """Names and addresses of the host that a connection to `host` has reached."""
        ...

    async def connect_unix(self, path: str) -> Far:
        """Raises TeleportError, OSError, TimeoutError."""
        ...

    async def listen_tcp(
        self, host: str, port: int, arrived: Arrived, closed: Callable[[], None]
    ) -> asyncssh.SSHListener:
        """`host` empty: on every address. Raises TeleportError, OSError."""
        ...

    async def listen_unix(self, path: str, arrived: Arrived, closed: Callable[[], None]) -> asyncssh.SSHListener:
        """Raises TeleportError, OSError."""
        ...

    async def open_agent(self, arrived: Arrived) -> bool:
        """Offer the client's key agent to its programs. False when it cannot be."""
        ...

    def displays(self) -> DisplaySource:
        """Screens of the client for its programs."""
        ...

    def close(self) -> None: ...
