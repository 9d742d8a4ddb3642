"""The far end of the old copy protocol of `scp -O`: source and sink, without a shell and without the program.

Like `sftp_server` it runs as the host user, over the desk that tells and asks the agent, and imports nothing of ours.
The protocol is that of BSD rcp: lines that announce a file (`C<mode> <size> <name>`), a folder (`D`), its end (`E`)
or times (`T`), each answered by a byte: 0, or 1 and a line that says what failed.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teleport.engines.ssh.file_desk import Desk, OpenFile

MAX_LINE = 8192
MAX_DEPTH = 100
MODE_FLAG, TIME_FLAG = 4, 8
PIECE = 256 << 10
_MODES = 0o7777
FAILED = 1


class Broken(Exception):
    """The other side does not speak the protocol, or has gone; the text is told to it."""


class Wire:
    """Standard input and output: lines, bytes of files, answers."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._waiting = b""

    def line(self) -> bytes:
        """Without its end; empty when the other side has ended. Raises Broken."""
        while b"\n" not in self._waiting:
            if len(self._waiting) > MAX_LINE:
                raise Broken("a line is too long")
            piece = os.read(self._source, PIECE)
            if not piece:
                if self._waiting:
                    raise Broken("lost connection")
                return b""
            self._waiting += piece
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line

    def take(self, size: int) -> bytes:
        """At least one byte, at most `size`. Raises Broken."""
        if not self._waiting:
            self._waiting = os.read(self._source, PIECE)
            if not self._waiting:
                raise Broken("lost connection")
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken

    def answer(self) -> str:
        """Empty when all is well; else what failed. Raises Broken when it cannot go on."""
        code = self.take(1)
        if code == b"\0":
            return ""
        text = self.line().decode("utf-8", "replace")
        if code == b"\1":
            return text or "failed"
        raise Broken(text)

    def send(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._sink, view) :]

    def confirm(self) -> None:
        self.send(b"\0")

    def fail(self, text: str) -> None:
        self.send(b"\1scp: " + text.replace("\n", " ").encode("utf-8", "replace")[:MAX_LINE] + b"\n")


class Sink:
    """Takes files (`scp -t`)."""

    def __init__(self, desk: Desk, wire: Wire, *, keeps_times: bool, must_be_folder: bool, recursive: bool) -> None:
        self._desk = desk
        self._wire = wire
        self._keeps_times = keeps_times
        self._must_be_folder = must_be_folder
        self._recursive = recursive
        self._mask = os.umask(0)
        os.umask(self._mask)
        self.failures = 0

    def run(self, target: bytes) -> None:
        wire = self._wire
        if self._must_be_folder and not os.path.isdir(target):
            wire.fail(f"{shown(target)}: Not a directory")
            self.failures += 1
            return
        wire.confirm()
        self._take(target, is_folder=os.path.isdir(target), depth=0)

    def _take(self, target: bytes, *, is_folder: bool, depth: int) -> None:
        """Whatever comes until the end, or the end of this folder."""
        wire = self._wire
        times: tuple[int, int] | None = None
        while line := wire.line():
            kind, rest = line[:1], line[1:]
            if kind in (b"\1", b"\2"):
                self.failures += 1
                if kind == b"\2":
                    raise Broken(rest.decode("utf-8", "replace"))
                continue
            if kind == b"E":
                wire.confirm()
                return
            if kind == b"T":
                times = read_times(rest)
                wire.confirm()
                continue
            mode, size, name = read_announcement(line)
            path = os.path.join(target, name) if is_folder else target
            kept, times = times if self._keeps_times else None, None
            if kind == b"C":
                self._attempt(path, partial(self._file, path, mode, size, kept))
            elif not self._recursive:
                raise Broken("received directory without -r")
            elif depth >= MAX_DEPTH:
                raise Broken(f"more than {MAX_DEPTH} folders within each other")
            else:
                self._folder(path, mode, kept, depth)

    def _attempt(self, path: bytes, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            self.failures += 1
            self._wire.fail(f"{shown(path)}: {why(error)}")

    def _file(self, path: bytes, mode: int, size: int, times: tuple[int, int] | None) -> None:
        """The file is created before its bytes are asked for; what fails afterwards is told behind the bytes."""
        file = self._desk.open(path, os.O_WRONLY | os.O_CREAT, mode & _MODES & ~self._mask | stat.S_IWUSR)
        problem: OSError | None = None
        try:
            self._wire.confirm()
            position = 0
            while position < size:
                piece = self._wire.take(min(size - position, PIECE))
                if problem is None:
                    try:
                        self._desk.write(file, position, piece)
                    except OSError as error:
                        problem = error
                position += len(piece)
            if problem is None:
                problem = self._finish(file, size, mode, times)
        finally:
            self._desk.close(file)
        told = self._wire.answer()
        if told:
            self.failures += 1
        if problem is not None:
            raise problem
        self._wire.confirm()

    def _finish(self, file: OpenFile, size: int, mode: int, times: tuple[int, int] | None) -> OSError | None:
        try:
            if os.fstat(file.descriptor).st_size != size:
                os.ftruncate(file.descriptor, size)
            if self._keeps_times:
                os.fchmod(file.descriptor, mode & _MODES)
            if times is not None:
                os.utime(file.descriptor, times)
        except OSError as error:
            return error
        return None

    def _folder(self, path: bytes, mode: int, times: tuple[int, int] | None, depth: int) -> None:
        try:
            if not os.path.isdir(path):
                self._desk.make_folder(path, mode & _MODES & ~self._mask | stat.S_IRWXU)
        except OSError as error:
            self.failures += 1
            self._wire.fail(f"{shown(path)}: {why(error)}")
            return  # the other side leaves the folder out
        self._wire.confirm()
        self._take(path, is_folder=True, depth=depth + 1)
        if self._keeps_times:
            given: dict[int, tuple[int, ...]] = {MODE_FLAG: (mode & _MODES,)} | (
                {TIME_FLAG: times} if times is not None else {}
            )
            self._attempt(path, lambda: self._desk.change(path, given))


class Source:
    """Gives files (`scp -f`)."""

    def __init__(self, desk: Desk, wire: Wire, *, keeps_times: bool, recursive: bool) -> None:
        self._desk = desk
        self._wire = wire
        self._keeps_times = keeps_times
        self._recursive = recursive
        self._piece = memoryview(bytearray(PIECE))
        self.failures = 0

    def run(self, path: bytes, *, is_pattern: bool) -> None:
        self._hear()
        for found in (sorted(glob.glob(path)) if is_pattern else []) or [path]:
            self._give(found, 0)

    def _hear(self) -> bool:
        """Whether the other side is content."""
        problem = self._wire.answer()
        if problem:
            self.failures += 1
        return not problem

    def _give(self, path: bytes, depth: int) -> None:
        try:
            self._give_one(path, depth)
        except OSError as error:
            self.failures += 1
            self._wire.fail(f"{shown(path)}: {why(error)}")

    def _give_one(self, path: bytes, depth: int) -> None:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            if not self._recursive:
                raise IsADirectoryError(0, "not a regular file")
            if depth >= MAX_DEPTH:
                raise OSError(0, f"more than {MAX_DEPTH} folders within each other")
            self._give_folder(path, depth)
        elif stat.S_ISREG(kind):
            self._give_file(path)
        else:
            raise OSError(0, "not a regular file")

    def _give_file(self, path: bytes) -> None:
        file = self._desk.open(path, os.O_RDONLY | os.O_NONBLOCK, 0)
        try:
            found = os.fstat(file.descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(0, "not a regular file")
            if not self._announce(b"C", found, found.st_size, path):
                return
            problem = self._send(file, found.st_size)
        finally:
            self._desk.close(file)
        if problem is None:
            self._wire.confirm()
        else:
            self.failures += 1
            self._wire.fail(f"{shown(path)}: {why(problem)}")
        self._hear()

    def _send(self, file: OpenFile, size: int) -> OSError | None:
        """As many bytes as were announced; zeros for what could not be read, with the reason behind them."""
        position, problem = 0, None
        while position < size:
            count, wanted = 0, min(PIECE, size - position)
            if problem is None:
                try:
                    count = self._desk.read(file, position, self._piece[:wanted])
                except OSError as error:
                    problem = error
                else:
                    problem = None if count else OSError(0, "the file has become shorter")
            self._wire.send(self._piece[:count] if count else bytes(wanted))
            position += count or wanted
        return problem

    def _give_folder(self, path: bytes, depth: int) -> None:
        names = sorted(self._desk.listing(path))
        if not self._announce(b"D", os.stat(path), 0, path):
            return
        for name in names:
            if name not in (b".", b".."):
                self._give(os.path.join(path, name), depth + 1)
        self._wire.send(b"E\n")
        self._hear()

    def _announce(self, kind: bytes, found: os.stat_result, size: int, path: bytes) -> bool:
        name = os.path.basename(path.rstrip(b"/")) or b"."
        if b"\n" in name:
            raise OSError(0, "names with line feeds cannot be copied by this protocol")
        if self._keeps_times:
            self._wire.send(b"T%d 0 %d 0\n" % (int(found.st_mtime), int(found.st_atime)))
            if not self._hear():
                return False
        self._wire.send(b"%c%04o %d %s\n" % (kind, found.st_mode & _MODES, size, name))
        return self._hear()


def read_announcement(line: bytes) -> tuple[int, int, bytes]:
    """`C0644 12 name`: mode, size, name. Raises Broken; a name leads nowhere else."""
    fields = line[1:].split(b" ", 2)
    if line[:1] not in (b"C", b"D") or len(fields) != 3:
        raise Broken("protocol error: expected control record")
    mode, size, name = fields
    if len(mode) != 4 or not mode.isdigit() or b"8" in mode or b"9" in mode:
        raise Broken("bad mode")
    if not size.isdigit() or len(size) > 18:
        raise Broken("size not delimited")
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise Broken("unexpected filename")
    return int(mode, 8), int(size), name


def read_times(rest: bytes) -> tuple[int, int]:
    """`<modified> 0 <accessed> 0`: accessed, modified. Raises Broken."""
    fields = rest.split(b" ")
    if len(fields) != 4 or not all(field.isdigit() and len(field) <= 12 for field in fields):
        raise Broken("times not delimited")
    return int(fields[2]), int(fields[0])


def shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def why(error: OSError) -> str:
    return error.strerror or "failed"


def serve(desk: Desk, options: str, path: bytes, source: int = 0, sink: int = 1, *, is_pattern: bool = False) -> int:
    """`options` are the letters of the client's switches, with `t` or `f`. The exit status."""
    wire = Wire(source, sink)
    recursive, keeps_times = "r" in options, "p" in options
    side: Sink | Source
    try:
        if "t" in options:
            side = Sink(desk, wire, keeps_times=keeps_times, must_be_folder="d" in options, recursive=recursive)
            side.run(path)
        else:
            side = Source(desk, wire, keeps_times=keeps_times, recursive=recursive)
            side.run(path, is_pattern=is_pattern)
    except BrokenPipeError:
        return FAILED
    except Broken as problem:
        wire.send(b"\2scp: " + str(problem).encode() + b"\n")
        return FAILED
    return FAILED if side.failures else 0
