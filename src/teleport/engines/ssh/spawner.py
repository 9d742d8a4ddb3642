"""Our side of the small program (`child`) that starts what users run."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from teleport.engines.ssh.host_users import HostUser
from teleport.engines.ssh.opening import Opening
from teleport.engines.ssh.pam import PamRequest
from teleport.engines.ssh.scp_command import ScpCommand
from teleport.foundation.descriptors import give_usual_limit
from teleport.foundation.errors import AccessDenied, Unavailable
from teleport.foundation.logs import get_logger

log = get_logger("ssh.spawner")

START_TIMEOUT = 20.0
OPEN_TIMEOUT = 10.0
_BUFFER = 1 << 20
_MAX_ANSWER = 4096
NOTHING = Opening()
_REFUSED = "refused by PAM"
_PROGRAM = Path(__file__).with_name("child.py")


class Process:
    """A program that runs as a host user."""

    def __init__(self, spawner: Spawner, number: int) -> None:
        loop = asyncio.get_running_loop()
        self._spawner = spawner
        self._number = number
        self.pid = 0
        self.known: asyncio.Future[None] = loop.create_future()
        """Done once the process id is known, or never will be."""
        self.exited: asyncio.Future[int] = loop.create_future()
        """The exit status, or the negative number of the signal that ended it."""

    def signal(self, number: int, *, group: bool = True) -> None:
        """Signal it, with its process group unless said otherwise. Nothing happens once it is gone."""
        if not self.exited.done():
            self._spawner.ask({"id": self._number, "do": "signal", "signal": number, "group": group})


class Spawner:
    """Starts the small program when first needed, and again if it dies. One per agent process."""

    def __init__(self) -> None:
        self._program: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._processes: dict[int, Process] = {}
        self._next = 0

    async def run(
        self,
        path: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        user: HostUser,
        descriptors: tuple[int, int, int],
        *,
        is_terminal: bool,
        pam: PamRequest | None = None,
        opening: Opening = NOTHING,
        cgroup: str = "",
    ) -> Process:
        """Execute `path` as `user` in its home directory, by way of PAM and in `cgroup` where they are given.

        Raises Unavailable, AccessDenied (PAM refuses) with the reason.

        The descriptors stay open on our side; with `is_terminal` they are the terminal that will control it.
        """
        request: dict[str, object] = {
            "do": "run", "path": path, "argv": list(argv), "env": dict(env), "cwd": user.home,
            "terminal": is_terminal, "text": opening.text, "greetings": opening.greetings,
            "own_env": opening.reads_environment,
        }  # fmt: skip
        return await self._started(request, user, descriptors, pam, cgroup)

    async def serve_files(
        self,
        user: HostUser,
        descriptors: tuple[int, int, int, int],
        *,
        pam: PamRequest | None = None,
        scp: ScpCommand | None = None,
        has_links_first: bool = False,
        is_governed: bool = False,
        bases: Sequence[str] = (),
        cgroup: str = "",
    ) -> Process:
        """Serve SFTP, or the far end of one old copy, as `user` in its home directory. Raises as `run`.

        The last descriptor is the link of `file_desk`, which tells what `is_governed` and `bases` mean;
        `has_links_first`: the client names a symbolic link before its target.
        """
        request: dict[str, object] = {"cwd": user.home, "governed": is_governed, "bases": list(bases)}
        if scp is not None:
            request |= {"do": "scp", "options": scp.options, "path": scp.path, "pattern": scp.is_pattern}
        else:
            request |= {"do": "sftp", "links_first": has_links_first}
        return await self._started(request, user, descriptors, pam, cgroup)

    async def check_account(self, user: HostUser, pam: PamRequest) -> None:
        """Whether PAM accepts the account. Raises AccessDenied, Unavailable with the reason."""
        await self._started({"do": "check"}, user, (), pam)

    async def _started(
        self,
        request: dict[str, object],
        user: HostUser,
        descriptors: tuple[int, ...],
        pam: PamRequest | None,
        cgroup: str = "",
    ) -> Process:
        if cgroup:
            request["cgroup"] = cgroup
        if pam is not None:
            request["pam"] = pam
        process, report = self._start(request, user, descriptors)
        with report:
            try:
                async with asyncio.timeout(START_TIMEOUT):
                    problem = await asyncio.get_running_loop().sock_recv(report, _MAX_ANSWER)
            except TimeoutError as error:
                process.signal(9, group=False)
                raise Unavailable(f"no program started within {START_TIMEOUT:g} seconds") from error
        if problem:
            reason = problem.decode(errors="replace")
            raise AccessDenied(reason) if reason.startswith(_REFUSED) else Unavailable(reason)
        await asyncio.wait({process.known})
        return process

    async def connect(self, path: str, user: HostUser) -> socket.socket:
        """Connect to a Unix socket with the rights of `user`. Raises AccessDenied with the reason."""
        return await self._open("connect", path, user)

    async def listen(self, path: str, user: HostUser) -> socket.socket:
        """Listen on a Unix socket with the rights of `user`; only the user may connect. Raises AccessDenied."""
        return await self._open("listen", path, user)

    async def _open(self, do: str, path: str, user: HostUser) -> socket.socket:
        process, report = self._start({"do": do, "path": path}, user, ())
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()
        with report:
            loop.add_reader(report, _settle, readable)
            try:
                async with asyncio.timeout(OPEN_TIMEOUT):
                    await readable
            except TimeoutError as error:
                process.signal(9, group=False)
                raise AccessDenied(f"{path}: no answer") from error
            finally:
                loop.remove_reader(report)
            message, found, _, _ = socket.recv_fds(report, _MAX_ANSWER, 1)
        if not found:
            raise AccessDenied(message.decode(errors="replace") or f"{path}: cannot be opened")
        opened = socket.socket(fileno=found[0])
        opened.setblocking(False)
        return opened

    def _start(
        self, request: dict[str, object], user: HostUser, descriptors: tuple[int, ...]
    ) -> tuple[Process, socket.socket]:
        self._next += 1
        process = Process(self, self._next)
        if os.geteuid() == 0:
            request["user"] = [user.uid, user.gid, list(user.groups)]
        report, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        report.setblocking(False)
        with theirs:
            self._processes[self._next] = process
            try:
                self.ask({**request, "id": self._next}, (theirs.fileno(), *descriptors))
            except BaseException:
                report.close()
                self._processes.pop(self._next, None)
                raise
        return process, report

    def ask(self, request: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
        """Send one request. Raises Unavailable when the program cannot be started or does not keep up."""
        message = json.dumps(request).encode()
        try:
            link = self._socket or self._launch()
            socket.send_fds(link, [message], list(descriptors))
        except OSError as error:
            raise Unavailable(f"no program can be started now: {error}") from error

    def _launch(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for side in (ours, theirs):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        with theirs:
            command = [sys.executable, "-I", "-S", "-E", str(_PROGRAM), str(theirs.fileno())]
            self._program = subprocess.Popen(  # noqa: S603 - our own program, no shell
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                start_new_session=True, cwd="/", env={"PATH": os.defpath},
            )  # fmt: skip
        give_usual_limit(self._program.pid)
        ours.setblocking(False)
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._hear)
        return ours

    def _hear(self) -> None:
        assert self._socket is not None
        while True:
            try:
                message = self._socket.recv(_MAX_ANSWER)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._lose()
                return
            self._take(json.loads(message))

    def _take(self, answer: dict[str, int]) -> None:
        process = self._processes.get(answer["id"])
        if process is None:
            return
        if "pid" in answer:
            process.pid = answer["pid"]
            _settle(process.known)
        else:
            del self._processes[answer["id"]]
            if not process.exited.done():
                process.exited.set_result(os.waitstatus_to_exitcode(answer["status"]))

    def _lose(self) -> None:
        """The program died: sessions go on, but how they end will not be known."""
        if self._processes:
            log.error("the program that starts sessions died", running=len(self._processes))
        self._part()
        for process in self._processes.values():
            _settle(process.known)
            if not process.exited.done():
                process.exited.set_result(255)
        self._processes.clear()

    def _part(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    async def close(self) -> None:
        """End the small program; what it started is hung up."""
        self._part()
        program, self._program = self._program, None
        if program is not None:
            await asyncio.to_thread(program.wait)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
