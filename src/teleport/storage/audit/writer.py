"""Writing the audit log: lines to the day's file first, then to the index; and mending what a sudden end left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from teleport.foundation.clock import Clock
from teleport.foundation.errors import BadParameter, TeleportError, Unavailable
from teleport.foundation.logs import get_logger
from teleport.storage.audit.files import DayFiles, day_file_name, day_of_file
from teleport.storage.audit.index import AuditIndex, Entry, day_of
from teleport.storage.audit.lines import Line, microseconds, read_line

log = get_logger("audit")

_REPAIRED_AT_ONCE = 5000


class AuditWriter:
    """`stage`, `commit` and `settle` as a GroupCommit calls them. `stage` raises Unavailable, `commit` too."""

    def __init__(self, files: DayFiles, index: AuditIndex, clock: Clock) -> None:
        self._files = files
        self._index = index
        self._clock = clock
        self._name = ""
        self._size = 0
        self._content = b""
        self._today = 0
        self._pruned = 0

    def stage(self, batches: list[Sequence[Line]]) -> list[int | TeleportError]:
        """How many events of each batch are new."""
        now = self._clock.now()
        self._name = day_file_name(now)
        try:
            self._index.begin()
            self._size = self._repair(self._name)
            known = self._index.known([line.uid for lines in batches for line in lines])
            fresh = [_unknown(lines, known) for lines in batches]
            self._add([line for lines in fresh for line in lines], day_of(microseconds(now)))
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"the audit log cannot be written: {error}; check its disk") from error
        return [len(lines) for lines in fresh]

    def commit(self) -> None:
        try:
            if self._content:
                self._files.write(self._name, self._size, self._content)
            if self._pruned != self._today:
                self._index.forget_old_uids(self._today)
                self._pruned = self._today
            self._index.commit()
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"the audit log cannot be written: {error}; free space on its disk") from error

    def settle(self, failure: TeleportError | None) -> None:
        content, self._content = self._content, b""
        if failure is None:
            return
        self._index.roll_back()
        if content:
            try:
                self._files.truncate(self._name, self._size)
            except OSError as error:
                # what is left is indexed with the next batch: said to have failed, and there; nothing is doubled
                log.warning("a failed batch stays in the audit log", file=self._name, error=error)

    def repair_all(self) -> None:
        """Bring the index up to date with every file. Raises OSError, sqlite3.Error."""
        names = self._files.names()
        self._index.begin()
        try:
            for name in self._index.file_names() - set(names):
                self._index.forget_behind(name, 0)
            for name in names:
                self._repair(name)
            self._index.commit()
        finally:
            self._index.roll_back()

    def _add(self, lines: Sequence[Line], today: int) -> None:
        self._today = today
        if lines:
            self._content = b"".join(line.content for line in lines)
            entries = _entries(lines, self._size)
            self._index.add(self._name, entries, self._size + len(self._content), today)

    def _repair(self, name: str) -> int:
        """Make index and file agree; the size of the file."""
        indexed, size = self._index.size(name), self._files.size(name)
        if size < indexed:
            log.warning("an audit file was cut", file=name, size=size, was=indexed)
            self._index.forget_behind(name, size)
        if size <= indexed:
            return size
        end, unreadable, found = indexed, 0, []
        for offset, content in self._files.lines_from(name, indexed):
            end = offset + len(content)
            try:
                found.append((offset, read_line(content)))
            except BadParameter:
                unreadable += 1
            if len(found) == _REPAIRED_AT_ONCE:
                self._add_found(name, found, end)
                found = []
        self._add_found(name, found, end)
        if unreadable:
            log.warning("an audit file has lines that are no events", file=name, lines=unreadable)
        if end < size:
            log.warning("the torn last line of an audit file is cut off", file=name, bytes=size - end)
            self._files.truncate(name, end)
        return end

    def _add_found(self, name: str, found: Sequence[tuple[int, Line]], size: int) -> None:
        known = self._index.known([line.uid for _, line in found])
        fresh = {id(line) for line in _unknown([line for _, line in found], known)}
        self._index.add(
            name, [line.entry(offset) for offset, line in found if id(line) in fresh], size, day_of_file(name)
        )


def _unknown(lines: Sequence[Line], known: set[str]) -> list[Line]:
    """Those whose uid is new; it is known from now on."""
    fresh = []
    for line in lines:
        if line.uid not in known:
            known.add(line.uid)
            fresh.append(line)
    return fresh


def _entries(lines: Iterable[Line], offset: int) -> list[Entry]:
    entries = []
    for line in lines:
        entries.append(line.entry(offset))
        offset += len(line.content)
    return entries
