"""Files copied by the stock scp and sftp, and by tsh, through proxy and tunnel, against the stock ones to sshd."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import Figure, ratio
from benchmarks.yardstick import BIN, bench, timed

SIZE = 500_000_000
COUNT, SMALL = 10_000, 4096
STRAIGHT = "the same straight to sshd, aes128-gcm"
SFTP = "stock `sftp` straight to sshd"
Words = Callable[..., list[str]]


def measure() -> list[Figure]:
    with bench() as stage, _places(stage.folder) as places:
        ours = _Copies(places, stage.ssh, stage.target, stage.environment)
        theirs = _Copies(places, stage.sshd.ssh, stage.sshd.target, stage.environment)
        tsh = _Trees(places, stage.node, stage.environment)
        return [
            ratio("`scp` up, 500 MB", STRAIGHT, ours.up, theirs.up, ">=", 1.0, unit="MB/s"),
            ratio("`scp` down, 500 MB", STRAIGHT, ours.down, theirs.down, ">=", 1.0, unit="MB/s"),
            ratio(f"`tsh scp -r` up, {COUNT} files of 4 KB", SFTP, tsh.up, theirs.many_up, "<=", 1.2),
            ratio(f"`tsh scp -r` down, {COUNT} files of 4 KB", SFTP, tsh.down, theirs.many_down, "<=", 1.2),
            ratio(f"`sftp` up, {COUNT} files of 4 KB", STRAIGHT, ours.many_up, theirs.many_up, "<=", 1.2),
            ratio(f"`sftp` down, {COUNT} files of 4 KB", STRAIGHT, ours.many_down, theirs.many_down, "<=", 1.2),
        ]


@contextlib.contextmanager
def _places(folder: Path) -> Iterator[Path]:
    """`large`, `many/`, and a folder each for what is sent and what is fetched."""
    places = folder / "files"
    many = places / "many"
    many.mkdir(parents=True)
    for number in range(COUNT):
        (many / f"{number:05}").write_bytes(os.urandom(SMALL))
    with (places / "large").open("wb") as file:
        file.truncate(SIZE)
    for name in ("sent", "fetched"):
        (places / name).mkdir()
        (places / name).chmod(0o777)
    yield places


class _Copies:
    """One side's copies; each answers its measure and leaves nothing behind."""

    def __init__(self, places: Path, words: Words, target: str, environment: dict[str, str]) -> None:
        self._places = places
        self._words = words
        self._target = target
        self._environment = environment

    def up(self) -> float:
        return self._large(str(self._places / "large"), f"{self._target}:{self._places}/sent/large", "sent")

    def down(self) -> float:
        return self._large(f"{self._target}:{self._places}/large", str(self._places / "fetched/large"), "fetched")

    def many_up(self) -> float:
        return self._many(f"put -r {self._places}/many {self._places}/sent/many", "sent")

    def many_down(self) -> float:
        return self._many(f"get -r {self._places}/many {self._places}/fetched/many", "fetched")

    def _large(self, source: str, target: str, end: str) -> float:
        elapsed = timed(self._words("-q", source, target, program="scp"), self._environment)
        copied = self._places / end / "large"
        if copied.stat().st_size != SIZE:
            raise RuntimeError(f"{target}: only {copied.stat().st_size} of {SIZE} bytes came")
        copied.unlink()
        return SIZE / 1e3 / elapsed

    def _many(self, line: str, end: str) -> float:
        batch = self._places / "batch"
        batch.write_text(f"{line}\n")
        elapsed = timed(self._words("-q", "-b", str(batch), self._target, program="sftp"), self._environment)
        _take_away(self._places / end / "many")
        return elapsed


class _Trees:
    """The same files, copied by tsh."""

    def __init__(self, places: Path, target: str, environment: dict[str, str]) -> None:
        self._places = places
        self._target = target
        self._environment = environment

    def up(self) -> float:
        return self._copy(f"{self._places}/many", f"{self._target}:{self._places}/sent/many", "sent")

    def down(self) -> float:
        return self._copy(f"{self._target}:{self._places}/many", f"{self._places}/fetched/many", "fetched")

    def _copy(self, source: str, target: str, end: str) -> float:
        elapsed = timed([str(BIN / "tsh"), "scp", "-r", "-q", source, target], self._environment)
        _take_away(self._places / end / "many")
        return elapsed


def _take_away(copied: Path) -> None:
    """Raises RuntimeError unless all had come."""
    if len(list(copied.iterdir())) != COUNT:
        raise RuntimeError(f"{copied}: not all of {COUNT} files came")
    shutil.rmtree(copied)
