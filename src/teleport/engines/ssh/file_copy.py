"""One copy of files, by SFTP or the old protocol: served as the host user, decided and told here.

Rules are asked about with each file, so a change of them counts at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from teleport.engines.ssh.file_link import Answer, Bases, FileLink, Question, Told, path_of, shown
from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.pam import pam_request
from teleport.engines.ssh.scp_command import ScpCommand
from teleport.engines.ssh.spawner import Process, Spawner
from teleport.engines.ssh.visit import Visit
from teleport.model.events.file_transfer import SFTPAction
from teleport.policy.file_links import decide_link
from teleport.policy.file_rules import AskedFile, FileAnswer, Host, decide, decide_move
from teleport.policy.sentences import Language, sentence

MAX_STATS: Final = 10_000
"""Files that the summary of one session names."""
MAX_OPEN: Final = 1_000
_LINKS_FIRST: Final = ("AsyncSSH", "-libssh_", "WinSCP")
"""In the versions of clients that follow the draft with every server that is not OpenSSH."""


def has_links_first(client_version: str) -> bool:
    """Whether such a client names a new link before its target, as OpenSSH does not."""
    return any(name in client_version for name in _LINKS_FIRST)


class Transfer:
    """What was carried of one file, as far as it is known."""

    def __init__(self, path: str, *, is_write: bool) -> None:
        self.path = path
        self.is_write = is_write
        self.read = 0
        self.written = 0
        self.sha256 = ""


class CopyClerk:
    """Decides about one copy and tells of it, from its start to the last event, whoever carries the files."""

    def __init__(
        self, visit: Visit, sid: str, home: str, scp: ScpCommand | None = None, language: Language = "en"
    ) -> None:
        self._visit = visit
        self._sid = sid
        self._scp = scp
        self._language: Language = language
        self._host = Host(home=home)
        self._home = home
        self._open: dict[int, Transfer] = {}
        self._done: list[Transfer] = []
        self.is_governed = visit.admission.options.file_rules.are_set
        """Whether it is asked about each file."""
        self.on_end: Callable[[str], None] = lambda _reason: None
        """Called with a reason when it may not go on."""

    def objection(self) -> str:
        """Rules came up for files that this copy was started without asking about."""
        if self._visit.admission.options.file_rules.are_set and not self.is_governed:
            return "your roles now have rules for files: copy again"
        return ""

    def arrive(self, home: str) -> tuple[str, ...]:
        """The home of the login is known now. The folders that rules name, of which it wants to learn."""
        self._home, self._host = home, Host(home=home)
        return self._visit.admission.options.file_rules.bases(home) if self.is_governed else ()

    def end(self) -> None:
        """Nothing more is carried: sum up."""
        cut_off, self._open = self._open, {}
        if self._scp is not None:
            for transfer in cut_off.values():
                self._tell_scp(transfer, "cut off")
        elif self._done or cut_off:
            every = [*self._done, *cut_off.values()][:MAX_STATS]
            self._visit.audit.sftp_summary(
                self._sid, [(one.path, one.read, one.written, one.sha256) for one in every]
            )

    # -- engines.ssh.file_link.Clerk

    @property
    def is_behind(self) -> bool:
        return self._visit.post.emitter.is_behind

    async def caught_up(self) -> None:
        await self._visit.post.emitter.caught_up()

    def take(self, told: Told) -> None:
        path = shown(path_of(told.path))
        if told.action == SFTPAction.CLOSE:
            self._take_close(told)
            return
        if told.action == SFTPAction.OPEN and not told.error and len(self._open) < MAX_OPEN:
            self._open[told.file] = Transfer(path, is_write=self._writes(told))
        if self._scp is None:
            self._tell_sftp(told, path)
        elif told.error and told.action == SFTPAction.OPEN:
            self._tell_scp(Transfer(path, is_write=self._scp.is_upload), told.error)

    def answer(self, question: Question) -> Answer:
        rules = self._visit.admission.options.file_rules
        path, asked = path_of(question.path), path_of(question.asked)
        file = AskedFile(
            path=path, others=(asked,) if asked and asked != path else (), size=question.size,
            direction="download" if question.direction == "download" else "upload", is_folder=question.folder,
        )  # fmt: skip
        if question.direction == "link":
            answer = decide_link(rules, file, path_of(question.to), self._host)
        elif question.direction == "move":
            target = msgspec.structs.replace(file, path=path_of(question.to), others=())
            answer = decide_move(rules, file, target, self._host)
        else:
            answer = decide(rules, file, self._host)
        if answer.allowed:
            return Answer(True, limit=answer.limit)
        return Answer(False, self._refuse(answer, question))

    def learn(self, bases: Bases) -> None:
        real = {path_of(base): path_of(place) for base, place in bases.bases.items()}
        self._host = Host(home=real.pop(self._host.home, self._host.home), real=real)

    # -- what the log is told

    def _refuse(self, answer: FileAnswer, question: Question) -> str:
        """The reason for the person, with the event that tells of it."""
        refused = msgspec.structs.replace(
            answer.reason, value=shown(answer.reason.value), detail=shown(answer.reason.detail)
        )
        path, target = shown(path_of(question.path)), shown(path_of(question.to))
        audit, reason = self._visit.audit, sentence(refused)
        if self._scp is None:
            event_id = audit.sftp_disallowed(self._sid, path, target, reason)
        else:
            event_id = audit.scp_disallowed(self._sid, path, self._action, reason)
        told = sentence(refused, self._language)
        return f"{told} (event {event_id})" if event_id else told

    def _writes(self, told: Told) -> bool:
        return self._scp.is_upload if self._scp is not None else bool(told.flags & 2)

    @property
    def _action(self) -> str:
        return "upload" if self._scp is not None and self._scp.is_upload else "download"

    def _take_close(self, told: Told) -> None:
        transfer = self._open.pop(told.file, None)
        if transfer is None:
            return
        transfer.read, transfer.written, transfer.sha256 = told.read, told.written, told.sha256
        if self._scp is not None:
            self._tell_scp(transfer, told.error)
            return
        self._tell_sftp(told, transfer.path)
        if len(self._done) < MAX_STATS:
            self._done.append(transfer)

    def _tell_sftp(self, told: Told, path: str) -> None:
        self._visit.audit.sftp(
            self._sid,
            told.action,
            path=path,
            target_path=shown(path_of(told.target)),
            resolved_path=shown(path_of(told.resolved)),
            working_directory=self._home,
            flags=told.flags,
            error=told.error,
            bytes_read=told.read,
            bytes_written=told.written,
            sha256=told.sha256,
        )

    def _tell_scp(self, transfer: Transfer, error: str) -> None:
        size = transfer.written if transfer.is_write else transfer.read
        self._visit.audit.scp(
            self._sid, transfer.path, size, is_upload=transfer.is_write, sha256=transfer.sha256, error=error
        )


class FileCopy(CopyClerk):
    """One copy that a server of ours makes, in a process of the host user's own."""

    _link: FileLink | None = None

    async def launch(
        self, spawner: Spawner, user: HostUser, descriptors: tuple[int, int, int], cgroup: str = ""
    ) -> Process:
        """Raises Unavailable, AccessDenied."""
        visit, rules = self._visit, self._visit.admission.options.file_rules
        self.is_governed = rules.are_set
        self._link = FileLink(
            self, visit.tasks, lambda: self.on_end("the server of files broke its word"), is_asked=self.is_governed
        )
        assert self._link.theirs is not None
        process = await spawner.serve_files(
            user,
            (*descriptors, self._link.theirs.fileno()),
            pam=pam_request(visit.admission, user, visit.connection.client_address[0]),
            scp=self._scp,
            has_links_first=has_links_first(visit.link.client_version),
            is_governed=self.is_governed,
            bases=rules.bases(self._host.home),
            cgroup=cgroup,
        )
        self._link.hand_over()
        return process

    def end(self) -> None:
        """The server has ended: take what is left, and sum up."""
        if self._link is not None:
            self._link.finish()
        super().end()
