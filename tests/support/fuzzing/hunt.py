"""The hunt: feeds a target changed inputs, keeps those that reach new lines, and tells what it must not do.

Found is an exception that the target does not promise, an input that takes too long, or memory that stays taken.
"""

from __future__ import annotations

import base64
import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from fuzzing.mutation import mutate
from fuzzing.targets import Target

SLOW = 2.0
GROWTH = 16 << 20
_MAX_CORPUS = 2000
_ROUND = 64


@dataclass
class Finding:
    """`data` makes `what` happen."""

    target: str
    what: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.target}: {self.what}\n  input (base64): {base64.b64encode(self.data).decode()}"


@dataclass
class Hunt:
    """One target hunted for a while."""

    target: Target
    seed: int = 1
    runs: int = 0
    findings: list[Finding] = field(default_factory=list)
    _seen: set[tuple[CodeType, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self.corpus = list(self.target.seeds)

    @property
    def lines(self) -> int:
        """How many lines of ours were reached."""
        return len(self._seen)

    def run(self, seconds: float) -> Hunt:
        """Until the time is up, or something was found."""
        end = time.monotonic() + seconds
        for data in self.target.seeds:
            self._try(data)
        tracemalloc.start()
        try:
            while time.monotonic() < end and not self.findings:
                self._round(end)
        finally:
            tracemalloc.stop()
        return self

    def _round(self, end: float) -> None:
        before = tracemalloc.get_traced_memory()[0]
        data = b""
        for _ in range(_ROUND):
            if time.monotonic() > end or self.findings:
                return
            data = mutate(self._dice.choice(self.corpus), self.corpus, self._dice)
            if self._try(data) and len(self.corpus) < _MAX_CORPUS:
                self.corpus.append(data)
        grown = tracemalloc.get_traced_memory()[0] - before
        if grown > GROWTH:
            self.findings.append(
                Finding(self.target.name, f"{grown >> 20} MiB stay taken after {_ROUND} inputs", data)
            )

    def _try(self, data: bytes) -> bool:
        """Whether it went where none went before."""
        self.runs += 1
        known = len(self._seen)
        begun = time.monotonic()
        try:
            self._traced(self.target.run, data)
        except self.target.promised:
            pass
        except Exception as problem:
            self.findings.append(Finding(self.target.name, f"{type(problem).__name__}: {problem}", data))
        taken = time.monotonic() - begun
        if taken > SLOW:
            self.findings.append(Finding(self.target.name, f"took {taken:.1f} s", data))
        return len(self._seen) > known

    def _traced(self, run: Callable[[bytes], object], data: bytes) -> None:
        sys.settrace(self._on_call)
        try:
            run(data)
        finally:
            sys.settrace(None)

    def _on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._on_line if "teleport" in frame.f_code.co_filename else None

    def _on_line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._seen.add((frame.f_code, frame.f_lineno))
        return self._on_line
