"""A copy of files that another server serves: the run that passes it on, read and decided on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from teleport.engines.ssh.channel import SessionChannel
from teleport.engines.ssh.file_copy import CopyClerk, has_links_first
from teleport.engines.ssh.passing import Passage, Paths
from teleport.engines.ssh.passing_scp import ScpPassage
from teleport.engines.ssh.passing_sftp import SftpPassage
from teleport.engines.ssh.pipe_run import PipeRun
from teleport.engines.ssh.remote_paths import Found, Question
from teleport.engines.ssh.scp_command import ScpCommand
from teleport.foundation.errors import TeleportError

UNKNOWN_HOME = "~"


class PassingRun(PipeRun):
    """A `channel.Run`, and the sides of its passage. `scp` is the old copy that is asked for; without it SFTP is.

    `is_exact`: the command is that and no more, so it can be asked for in words of ours.
    """

    def __init__(
        self,
        channel: SessionChannel,
        sid: str,
        clerk: CopyClerk,
        scp: ScpCommand | None = None,
        *,
        is_exact: bool = False,
    ) -> None:
        super().__init__(channel, sid)
        self._clerk = clerk
        self._scp = scp
        self._is_exact = is_exact
        self._paths: Paths | None = None
        self._passage: Passage | None = None

    async def _prepare(self) -> None:
        """Raises Unavailable."""
        if self._scp is None:
            links_first = has_links_first(self._channel.visit.link.client_version)
            self._passage = SftpPassage(self, self._clerk, has_links_first=links_first)
        else:
            self._passage = await self._prepare_scp(self._scp)
        self._passage.open()

    async def _prepare_scp(self, scp: ScpCommand) -> ScpPassage:
        self._paths = paths = self._channel.visit.backend.paths()
        assert paths is not None, "another server serves this copy"
        home = ""
        try:
            home = await paths.settle(self._clerk)
        except TeleportError:
            if self._clerk.is_governed:
                raise
        if home and (scp.path == UNKNOWN_HOME or scp.path.startswith(f"{UNKNOWN_HOME}/")):
            scp = dataclasses.replace(scp, path=home + scp.path[1:])
        if self._is_exact and home and not scp.is_pattern:
            self._channel.words = scp.words
        return ScpPassage(self, self._clerk, scp, self._ask_host, home)

    def _ask_host(self, question: Question, learn: Callable[[Found | str], None]) -> None:
        self._channel.visit.tasks.start(self._find(question, learn), "where a path leads")

    async def _find(self, question: Question, learn: Callable[[Found | str], None]) -> None:
        assert self._paths is not None
        learn(await self._paths.find(question))
        self._settle_input()

    # -- engines.ssh.passing.Sides

    def to_client(self, data: bytes) -> None:
        self._channel.show(data)

    def to_server(self, data: bytes) -> None:
        self._program.type(data)

    def end_to_server(self) -> None:
        self._program.end_typing()

    def note(self, text: str) -> None:
        self._channel.show_error(f"teleport: {text}\n".encode())

    def break_off(self, reason: str) -> None:
        self._on_leave(reason)

    # -- what comes from both ends

    def show(self, output: bytes) -> None:
        assert self._passage is not None
        self._passage.from_server(output)
        self._settle_input()

    def take_input(self, data: bytes) -> None:
        assert self._passage is not None
        self._passage.from_client(data)
        self._wait_for_the_log()
        self._settle_input()

    def end_input(self) -> None:
        assert self._passage is not None
        self._passage.end_of_client()

    def _settle_input(self) -> None:
        if self._passage is not None and self._passage.is_full:
            self._hold_input("passage")
        else:
            self._release_input("passage")

    def _audit(self, status: int, problem: str) -> None:
        if self._passage is not None:
            self._passage.close()
        if self._paths is not None:
            self._paths.close()
        self._clerk.end()
        super()._audit(status, problem)
