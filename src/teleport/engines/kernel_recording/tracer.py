"""One run of bpftrace: its lines in, its end noticed, whether it ended or merely went silent."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from teleport.engines.kernel_recording.lines import Line, LineReader
from teleport.engines.kernel_recording.program import MAX_TASKS, TEXT_SIZE, program_for
from teleport.engines.kernel_recording.requirements import Bpftrace

Take = Callable[[list[Line]], Awaitable[None]]
SILENCE = 60.0
"""Seconds without a line, of which ten are due each second, after which it counts as dead. Its start takes some."""
_INTERVAL = 0.05
"""Seconds between two looks: to wake for every line would cost more than all the lines."""
_PIPE = 1 << 20
_PIECE = 1 << 14
_MAX_LINE = 1 << 22
_MAX_COMPLAINT = 400
_AT_TRACEPOINT = b"prog_type:\t5\n"
_MISSES = re.compile(rb"^recursion_misses:\t([0-9]+)$", re.MULTILINE)
_HARMLESS = "RLIMIT_MEMLOCK"
"""Since Linux 5.11 that limit holds for nothing here."""


class Tracer:
    """`run` once."""

    def __init__(self, bpftrace: Bpftrace, root: str, pages: int) -> None:
        program = program_for(root, with_rings=bpftrace.sees_rings)
        self._words = (bpftrace.path, "-B", "line", "-f", "json", "-e", program)
        self._pages = pages
        self._process: asyncio.subprocess.Process | None = None
        self._complaint = b""
        self._programs: list[Path] = []
        self._misses = 0

    async def run(self, take: Take) -> str:
        """Hand on what it tells, piece by piece, until it ends. What it complained of.

        `take` may be slow: what the kernel tells meanwhile waits in buffers of fixed size, then is counted as lost.
        """
        output, theirs = os.pipe()
        os.set_blocking(output, False)
        with suppress(OSError):
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE)
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *self._words, stdin=asyncio.subprocess.DEVNULL, stdout=theirs, stderr=asyncio.subprocess.PIPE,
                env=self._environment(), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        complaints = asyncio.get_running_loop().create_task(self._hear_complaints(process))
        try:
            why = await self._read(output, take)
        finally:
            os.close(output)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await complaints
        return why or self._said() or f"exit status {process.returncode}"

    def ask_marks(self) -> None:
        """Let it tell `Marked`. Only once it is ready."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGUSR1)

    def passed_over(self) -> int:
        """How often more since the last call the kernel did not run our program though it was its turn.

        It passes over one that comes while another works on the same processor, and tells nobody of it but here.
        """
        if self._process is None:
            return 0
        self._programs = self._programs or programs_in(Path(f"/proc/{self._process.pid}/fdinfo"))
        misses = missed_runs(self._programs)
        new, self._misses = max(0, misses - self._misses), max(misses, self._misses)
        return new

    def stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "BPFTRACE_STRLEN": str(TEXT_SIZE),
            "BPFTRACE_MAP_KEYS_MAX": str(MAX_TASKS),
            "BPFTRACE_PERF_RB_PAGES": str(self._pages),
        }

    async def _read(self, output: int, take: Take) -> str:
        """Why nothing more is read; empty when it ended."""
        loop = asyncio.get_running_loop()
        reader = LineReader()
        rest, heard = b"", loop.time()
        while True:
            await asyncio.sleep(_INTERVAL)
            while True:
                try:
                    piece = os.read(output, _PIECE)
                except BlockingIOError:
                    break
                if not piece:
                    return ""
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > _MAX_LINE:
                    return "it wrote a line without an end"
                await take([seen for line in lines if line.strip() for seen in reader.feed(line)])
                await asyncio.sleep(0)
                heard = loop.time()
            if loop.time() - heard > SILENCE:
                return f"it told nothing for {SILENCE:g} seconds"

    async def _hear_complaints(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while piece := await process.stderr.read(_PIECE):
            self._complaint = (self._complaint + piece)[-4 * _MAX_COMPLAINT :]

    def _said(self) -> str:
        lines = self._complaint.decode(errors="replace").splitlines()
        return "\n".join(line for line in lines if _HARMLESS not in line).strip()[-_MAX_COMPLAINT:]


def programs_in(folder: Path) -> list[Path]:
    """Which files of a `/proc/<pid>/fdinfo` describe programs at tracepoints."""
    with suppress(OSError):
        return [path for path in folder.iterdir() if _AT_TRACEPOINT in _content(path)]
    return []


def missed_runs(programs: list[Path]) -> int:
    """How often the kernel passed over one of them."""
    return sum(int(found[1]) for path in programs if (found := _MISSES.search(_content(path))))


def _content(path: Path) -> bytes:
    """Empty once the file is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
