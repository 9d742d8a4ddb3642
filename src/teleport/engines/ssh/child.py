"""The small program that starts what users run. It is executed apart from the agent and imports nothing of ours.

One runs beside each agent. For every session it forks, becomes the host user, and executes the shell: forking this
little process takes a millisecond where forking the agent would take many, and nothing of ours stays behind.

It reads requests from a SEQPACKET socket (JSON, descriptors beside it) and answers with JSON:

    {"id", "do": "run", "path", "argv", "env", "cwd", "user"?, "pam"?, "cgroup"?, "terminal",
     "text", "greetings", "own_env"}                                                 + report, stdin, stdout, stderr
    {"id", "do": "sftp", "cwd", "user"?, "pam"?, "governed", "bases", "links_first"} + the same, link
    {"id", "do": "scp", …, "options", "path", "pattern"}                             + the same, link
    {"id", "do": "check", "pam"}                     whether PAM accepts the account + report
    {"id", "do": "connect" | "listen", "path", "user"?}                      + report, on which a socket comes back
    {"id", "do": "signal", "signal", "group"}

    {"id", "pid"}        it was started
    {"id", "status"}     it ended (a wait status)

"user" is [uid, gid, groups]; without it the program runs as we do. "report" is a socket that carries an error's
text, or the descriptor asked for, and is closed by the exec that succeeds. "link" is the socket of `file_desk`. "pam"
is what `pam_stack` takes; a session that goes through PAM is accompanied by one process of ours until it ends. When
the agent is gone, all sessions are hung up.
"""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import termios
import time
from contextlib import suppress
from typing import Any, NoReturn

Request = dict[str, Any]

MAX_REQUEST = 512 << 10
MAX_DESCRIPTORS = 5
MAX_OPEN = 1 << 16
BACKLOG = 16
MAX_GREETING = 64 << 10
OWN_ENVIRONMENT = ".tsh/environment"
MAX_OWN_ENVIRONMENT = 64 << 10
UMASK = 0o022
PARTING = 3.0
"""Seconds that sessions are given to end when the agent is gone."""


class Children:
    """What runs, by process id and by the agent's number for it."""

    def __init__(self, agent: socket.socket) -> None:
        self.agent = agent
        self.ids: dict[int, int] = {}
        self.pids: dict[int, int] = {}
        self.accompanied: set[int] = set()
        self.leaders: dict[int, tuple[int, ...]] = {}
        """Who leads the session of what is accompanied, once that is hung up."""
        self.orphans = orphans.Orphans()

    def serve(self) -> None:
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self.agent, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(self.orphans.patience)}
            if wake_read in ready:
                os.read(wake_read, 4096)
                self.reap()
            self.orphans.tell()
            if self.agent.fileno() in ready and not self.take():
                break
        self.hang_up()

    def take(self) -> bool:
        """One request. False when the agent is gone."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self.agent, MAX_REQUEST, MAX_DESCRIPTORS)
        except OSError:
            return False
        if not message:
            return False
        try:
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            request = json.loads(message)
            if request["do"] == "signal":
                self.signal(request)
            else:
                self.start(request, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def start(self, request: Request, descriptors: list[int]) -> None:
        try:
            if "pam" in request:
                load_pam()  # here, once for all sessions to come
            pid = os.fork()
        except OSError as error:
            os.write(descriptors[0], f"cannot start: {error.strerror or error}".encode())
            self.answer({"id": request["id"], "pid": 0})
            self.answer({"id": request["id"], "status": 255 << 8})
            return
        if "pam" in request:
            self.accompanied.add(pid)
        if pid == 0:
            become(request, descriptors)
        self.ids[pid] = request["id"]
        self.pids[request["id"]] = pid
        self.answer({"id": request["id"], "pid": pid})

    def signal(self, request: Request) -> None:
        pid = self.pids.get(request["id"])
        if pid is None:
            return
        if request["signal"] == signal.SIGHUP:
            self.note_hang_up(pid)
        with suppress(OSError):  # it has not made its group yet, or is gone
            if request["signal"] == signal.SIGKILL and pid in self.accompanied and kill_program(pid):
                return  # whoever accompanies it closes its session
            if request["group"]:
                os.killpg(pid, request["signal"])
            else:
                os.kill(pid, request["signal"])

    def reap(self) -> None:
        while self.ids:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self.ids.pop(pid, None)
            if number is not None:
                self.pids.pop(number, None)
                self.accompanied.discard(pid)
                self.answer({"id": number, "status": status})
                if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGHUP:
                    self.note_hang_up(pid)  # its terminal was closed, which is faster than we are told of it
                for leader in self.leaders.pop(pid, (pid,)):
                    self.orphans.ended(leader)

    def answer(self, message: dict[str, int]) -> None:
        with suppress(OSError):  # the next read tells that the agent is gone
            self.agent.send(json.dumps(message).encode())

    def note_hang_up(self, pid: int) -> None:
        if pid in self.accompanied:
            self.leaders[pid] = children_of(pid)
        for leader in self.leaders.get(pid, (pid,)):
            self.orphans.hung_up(leader)

    def hang_up(self) -> None:
        """All of them, and wait a moment for those that their shells were just starting."""
        for pid in self.ids:
            self.note_hang_up(pid)
            for number in (signal.SIGHUP, signal.SIGCONT):
                with suppress(OSError):
                    os.killpg(pid, number)
        end = time.monotonic() + PARTING
        while time.monotonic() < end and (self.ids or self.orphans.patience is not None):
            time.sleep(0.05)
            self.reap()
            self.orphans.tell()


def become(request: Request, descriptors: list[int]) -> NoReturn:
    """In the forked process: turn into what was asked for. Does not return."""
    report = -1
    try:
        report = fcntl.fcntl(descriptors[0], fcntl.F_DUPFD_CLOEXEC, 10)
        reset_signals()
        os.setsid()
        if "cgroup" in request:
            join_cgroup(request["cgroup"])
        if "pam" in request:
            go_through_pam(request, descriptors[1:], report)
        perform(request, descriptors[1:], report)
    except pam.PamRefused as refusal:
        with suppress(OSError):
            os.write(report, str(refusal).encode(errors="replace"))
    except BaseException as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        with suppress(OSError):
            os.write(report, f"{request.get('path', '')}: {text}".encode())
    os._exit(255)


def perform(request: Request, descriptors: list[int], report: int) -> NoReturn:
    if request["do"] == "run":
        run(request, descriptors)
    elif request["do"] in ("sftp", "scp"):
        serve_files(request, descriptors, report)
    else:
        hand_back(request, report)


def go_through_pam(request: Request, descriptors: list[int], report: int) -> NoReturn:
    """Raises PamRefused; in the process that accompanies the user's program it does not return."""
    links = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in descriptors[3:]]
    take_descriptors(descriptors[:3])
    close_all_but(0, 1, 2, report, *links)
    wanted = request["pam"]
    stack = pam.Stack(load_pam(), wanted)
    if request["do"] == "check":
        try:
            stack.check_account()
        finally:
            stack.close()
        os._exit(0)
    if wanted["terminal"] and wanted["authenticates"]:
        release(report)  # so that what is typed is brought here
    if user := request.get("user"):
        os.setgroups(user[2])
    try:
        stack.open()
    except pam.PamRefused as refusal:
        stack.close()
        if wanted["terminal"] and wanted["authenticates"]:
            os.write(2, f"{refusal}\n".encode(errors="replace"))
        raise
    if user:
        user[2] = os.getgroups()  # modules may have added some
    kept = {name: value for name, value in request.get("env", {}).items() if is_ours(name)}
    request["env"] = {**request.get("env", {}), **stack.environment(), **kept}
    pam.accompany(load_pam(), stack, lambda: perform(request, [0, 1, 2, *links], report), (report, *links))
    raise AssertionError("whoever accompanies a session has ended")


def close_all_but(*kept: int) -> None:
    ordered = sorted(kept)
    for before, after in zip(ordered, [*ordered[1:], MAX_OPEN], strict=True):
        os.closerange(before + 1, after)


def release(report: int) -> None:
    """Tell the agent that the program runs."""
    with socket.socket(fileno=os.dup(report)) as agent:
        agent.shutdown(socket.SHUT_RDWR)


def is_ours(name: str) -> bool:
    """Variables that modules do not change."""
    return name in ("USER", "LOGNAME", "HOME", "SHELL") or name.startswith("SSH_")


def kill_program(pid: int) -> bool:
    """Kill what is accompanied. False when there is nothing yet."""
    children = children_of(pid)
    for child in children:
        with suppress(OSError):
            os.killpg(child, signal.SIGKILL)
    return bool(children)


def children_of(pid: int) -> tuple[int, ...]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as listed:
            return tuple(map(int, listed.read().split()))
    except OSError:
        return ()


def run(request: Request, descriptors: list[int]) -> NoReturn:
    take_descriptors(descriptors)
    if request["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    change_user(request)
    if "pam" in request:
        pam.follow(load_pam())
    enter(request)
    greet(request)
    if request["own_env"]:
        read_own_environment(request["env"])
    # the user's own shell, as the user; or a command without one, found where its path says
    os.execvpe(request["path"], request["argv"], request["env"])  # noqa: S606


def greet(request: Request) -> None:
    """Show what a login is greeted with, unless the user has asked not to be."""
    if os.path.exists(".hushlogin"):
        return
    for path in request["greetings"]:
        with suppress(OSError), open(path, "rb") as file:
            os.write(1, file.read(MAX_GREETING))
    if request["text"]:
        os.write(1, f"{request['text']}\n".encode(errors="replace"))


def read_own_environment(environment: dict[str, str]) -> None:
    """Add the user's own variables; what says who and where the session is stays."""
    try:
        with open(OWN_ENVIRONMENT, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_OWN_ENVIRONMENT).splitlines()
    except OSError:
        return
    for line in lines:
        name, has_value, value = line.strip().partition("=")
        if has_value and name.isidentifier() and not is_ours(name) and "\0" not in value:
            environment[name] = value


def join_cgroup(folder: str) -> None:
    """Enter the session's cgroup, by which the kernel knows it, before anything of the user's runs."""
    with open(os.path.join(folder, "cgroup.procs"), "w") as members:
        members.write("0")


def take_descriptors(descriptors: list[int]) -> None:
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)


def serve_files(request: Request, descriptors: list[int], report: int) -> NoReturn:
    """Be a server of files: no program is executed, so everything that must not stay open is closed here."""
    link = fcntl.fcntl(descriptors[3], fcntl.F_DUPFD_CLOEXEC, 10)
    take_descriptors(descriptors[:3])
    change_user(request)
    if "pam" in request:
        pam.follow(load_pam())
    enter(request)
    os.close(report)
    os.dup2(link, 3)
    os.closerange(4, MAX_OPEN)
    with suppress(BrokenPipeError):  # the agent is gone
        desk = file_desk.Desk(socket.socket(fileno=3), is_governed=request["governed"], bases=request["bases"])
        if request["do"] == "sftp":
            out = answers.Answers(1, sftp_server.LONGEST_ANSWER)
            os._exit(sftp_server.serve(desk, out, has_links_first=request["links_first"]))
        path = os.fsencode(request["path"])
        os._exit(scp_server.serve(desk, request["options"], path, is_pattern=request["pattern"]))
    os._exit(255)


def hand_back(request: Request, report: int) -> NoReturn:
    """Open a Unix socket with the user's rights and give it to the agent."""
    change_user(request)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
        if request["do"] == "connect":
            opened.connect(request["path"])
        else:
            os.umask(0o177)
            opened.bind(request["path"])
            opened.listen(BACKLOG)
        with socket.socket(fileno=os.dup(report)) as agent:
            socket.send_fds(agent, [b"\0"], [opened.fileno()])
    os._exit(0)


def change_user(request: Request) -> None:
    user = request.get("user")
    if user is None:
        return
    uid, gid, groups = user
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if os.getuid() != uid or os.geteuid() != uid:
        raise OSError(errno.EPERM, "could not become the host user")


def enter(request: Request) -> None:
    """Go to the home directory; one that cannot be entered is told and does not keep anybody out."""
    os.umask(UMASK)
    try:
        os.chdir(request["cwd"])
    except OSError as error:
        os.chdir("/")
        line_end = "\r\n" if request.get("terminal") else "\n"
        os.write(2, f"Could not chdir to home directory {request['cwd']}: {error.strerror}{line_end}".encode())


def reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in range(1, signal.NSIG):
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def beside(name: str) -> Any:
    """A module in our own folder, whose name may mean something else elsewhere."""
    spec = importlib.util.spec_from_file_location(
        f"teleport_{name}", os.path.join(os.path.dirname(__file__), f"{name}.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


answers = beside("answers")
file_desk = beside("file_desk")
orphans = beside("orphans")
sftp_server = beside("sftp_server")
scp_server = beside("scp_server")
pam = beside("pam_stack")
_libraries: list[Any] = []


def load_pam() -> Any:
    """Raises OSError when this host has no libpam."""
    if not _libraries:
        _libraries.append(pam.Libraries())
    return _libraries[0]


def main() -> None:
    agent = socket.socket(fileno=int(sys.argv[1]))
    agent.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Children(agent).serve()


if __name__ == "__main__":
    main()
