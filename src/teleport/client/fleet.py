"""One command on many servers at once: so many at a time, each line of output with the name of its server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from teleport.client import session_mfa, ssh_connection, ssh_session  # isort: skip
import asyncssh

from teleport.client.account import Account
from teleport.client.dialer import Reached, dial
from teleport.client.files import make_directory
from teleport.client.own_thread import in_own_thread
from teleport.client.ssh import SshRequest, check_cluster, session_request
from teleport.foundation.errors import BadParameter, MfaRequired, TeleportError

_LONGEST_LINE = 64 * 1024
UNREACHED = 255


class Member(NamedTuple):
    """A server of the fleet."""

    hostname: str
    node_id: str


class Outcome(NamedTuple):
    """The command's exit status, or why there is none."""

    member: Member
    status: int = UNREACHED
    problem: str = ""

    @property
    def has_failed(self) -> bool:
        return self.status != 0


class FleetChoice(NamedTuple):
    """`log_folder`: where the outputs of each server go too, as `NAME.stdout` and `NAME.stderr`."""

    parallel: int
    log_folder: str = ""


def run(account: Account, members: Sequence[Member], request: SshRequest, choice: FleetChoice) -> list[Outcome]:
    """Outcomes in the order of `members`. Ctrl-C ends the command everywhere and raises KeyboardInterrupt."""
    names = labels(members)
    if choice.log_folder:
        make_directory(choice.log_folder)
    with asyncio.Runner() as runner:
        return runner.run(_Fleet(account, request, choice).run(dict(zip(members, names, strict=True))))


def exit_status(outcomes: Iterable[Outcome]) -> int:
    """0 when all went well; what all failures have in common, else 1."""
    failures = {outcome.status for outcome in outcomes if outcome.has_failed}
    return 0 if not failures else failures.pop() if len(failures) == 1 else 1


def labels(members: Sequence[Member]) -> list[str]:
    """Host names, with the id where two have the same. Nodes choose their names: one that leads elsewhere as part of
    a path raises BadParameter.
    """
    count: dict[str, int] = {}
    for member in members:
        name = member.hostname
        if not name or name.startswith(".") or not name.isprintable() or any(mark in name for mark in "/\\:"):
            raise BadParameter(f"the server {member.node_id} has the name {name!r}, which is none")
        count[name] = count.get(name, 0) + 1
    return [one.hostname if count[one.hostname] == 1 else f"{one.hostname}-{one.node_id}" for one in members]


class LabelledOutput:
    """Whole lines to a descriptor, each with its label in front; all as it came to `copy` where there is one."""

    def __init__(self, label: str, descriptor: int, copy: int | None = None) -> None:
        self._label = f"[{label}] ".encode()
        self._sink = ssh_session.DescriptorSink(descriptor)
        self._copy = ssh_session.DescriptorSink(copy) if copy is not None else None
        self._begun = b""

    def write(self, data: bytes) -> bool:
        if self._copy is not None and not self._copy.write(data):
            return False
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > _LONGEST_LINE:
            lines.append(self._begun)
            self._begun = b""
        return not lines or self._sink.write(b"".join(self._label + line + b"\n" for line in lines))

    def finish(self) -> None:
        """Show a last line that was not ended."""
        if self._begun:
            self._sink.write(self._label + self._begun + b"\n")
            self._begun = b""


class _Fleet:
    def __init__(self, account: Account, request: SshRequest, choice: FleetChoice) -> None:
        self._account = account
        self._request = request
        self._choice = choice
        self._places = asyncio.Semaphore(choice.parallel)
        self._asking = threading.Lock()

    async def run(self, members: dict[Member, str]) -> list[Outcome]:
        main = asyncio.current_task()
        assert main is not None
        if os.name != "nt":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._visit(member, label)) for member, label in members.items()]
        return [task.result() for task in tasks]

    async def _visit(self, member: Member, label: str) -> Outcome:
        async with self._places:
            try:
                return Outcome(member, await self._command(member, label))
            except TeleportError as problem:
                return Outcome(member, problem=str(problem))
            except (asyncssh.Error, OSError) as problem:
                return Outcome(member, problem=str(ssh_connection.explain(problem, member.hostname)))

    async def _command(self, member: Member, label: str) -> int:
        wanted = self._request.wanted._replace(name=member.node_id, labels=())
        account, reached = await in_own_thread(lambda: self._reach(member))
        check_cluster(account, reached)
        request = self._request
        connection = await ssh_connection.connect(
            reached,
            wanted,
            account.ssh(),
            forward_agent=request.forward_agent,
            insecure=request.insecure,
            alive_interval=request.alive_interval,
            alive_count=request.alive_count,
        )
        try:
            with contextlib.ExitStack() as ends:
                nothing = _opened(ends, os.devnull, os.O_RDONLY)
                sinks = (self._output(ends, label, "stdout", 1), self._output(ends, label, "stderr", 2))
                status = await ssh_session.run_session(
                    connection, session_request(request), (nothing, 1, 2), sinks=sinks
                )
            lost = ssh_connection.end_of(connection)
            if status == ssh_session.CONNECTION_LOST and isinstance(lost, asyncssh.ConnectionLost):
                raise lost
            return status
        finally:
            connection.close()

    def _reach(self, member: Member) -> tuple[Account, Reached]:
        """In a thread. Questions for a second factor are asked one after the other."""
        wanted = self._request.wanted._replace(name=member.node_id, labels=())
        try:
            return self._account, dial(self._account, wanted)
        except MfaRequired:
            with self._asking:
                return session_mfa.reach_proven(self._account, wanted, self._request.mfa_mode)

    def _output(self, ends: contextlib.ExitStack, label: str, name: str, descriptor: int) -> LabelledOutput:
        copy = None
        if self._choice.log_folder:
            path = os.path.join(self._choice.log_folder, f"{label}.{name}")
            copy = _opened(ends, path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        output = LabelledOutput(label, descriptor, copy)
        ends.callback(output.finish)
        return output


def _opened(ends: contextlib.ExitStack, path: str, flags: int) -> int:
    descriptor = os.open(path, flags, 0o600)
    ends.callback(os.close, descriptor)
    return descriptor
