"""What commands print: tables that fit the terminal, JSON and YAML documents, sizes, times, progress.

Everything that came from elsewhere is shown without control characters: a node's label must not drive the terminal.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TextIO

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

_ELLIPSIS = "…"
_NARROWEST = 8
_WIDE = 80


def printable(text: str) -> str:
    """The text on one line, control characters made visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def width(text: str) -> int:
    """Columns the text takes on a terminal: wide letters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def shorten(text: str, columns: int) -> str:
    """The text, or its beginning and an ellipsis, in at most so many columns."""
    if width(text) <= columns:
        return text
    kept, used = [], 0
    for letter in text:
        used += _letter_width(letter)
        if used > columns - 1:
            break
        kept.append(letter)
    return "".join(kept) + _ELLIPSIS


def terminal_columns(output: TextIO | None = None) -> int | None:
    """Columns of the terminal, None where the output is none (then nothing is cut)."""
    stream = output or sys.stdout
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDE
    except (OSError, ValueError):
        return _WIDE


def table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, columns: int | None = None, flexible: str = "Labels"
) -> str:
    """Header, dashed line and rows; on a terminal of `columns` the flexible column gives way, then nothing else.

    The header and its line are there even if there is no row.
    """
    return GrowingTable(headers, columns=columns, flexible=flexible).add(rows)


class GrowingTable:
    """A table printed in pieces: columns keep the widths of the pieces before, wider where they must."""

    def __init__(self, headers: Sequence[str], *, columns: int | None = None, flexible: str = "Labels") -> None:
        self._headers = list(headers)
        self._widths = [width(head) for head in headers]
        self._columns = columns
        self._flexible = self._headers.index(flexible) if flexible in headers else None
        self._begun = False

    def add(self, rows: Iterable[Sequence[str]]) -> str:
        """The next lines; the header comes with the first."""
        cells = [[printable(cell) for cell in row] for row in rows]
        for index in range(len(self._headers)):
            self._widths[index] = max([self._widths[index], *(width(row[index]) for row in cells)])
        self._fit(cells)
        lines = [_line(row, self._widths) for row in cells]
        if not self._begun:
            self._begun = True
            lines[:0] = [
                _line(self._headers, self._widths),
                _line(["-" * size for size in self._widths], self._widths),
            ]
        return "\n".join(lines)

    def _fit(self, cells: list[list[str]]) -> None:
        excess = sum(self._widths) + len(self._widths) - 1 - (self._columns or 0)
        if self._columns is None or self._flexible is None or excess <= 0:
            return
        at = self._flexible
        self._widths[at] = max(_NARROWEST, width(self._headers[at]), self._widths[at] - excess)
        for row in cells:
            row[at] = shorten(row[at], self._widths[at])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (size - width(cell)) for cell, size in zip(cells, widths, strict=True)]
    return " ".join(padded).rstrip()


def fields(pairs: Iterable[tuple[str, str]], mark: str = "  ") -> str:
    """`name:   value` lines, values in one column; `mark` stands before the first line."""
    shown = [(name + ":", printable(value)) for name, value in pairs]
    size = max((len(name) for name, _ in shown), default=0)
    lines = [f"  {name:<{size}} {value}".rstrip() for name, value in shown]
    if lines:
        lines[0] = mark + lines[0][2:]
    return "\n".join(lines)


def labels(values: Mapping[str, str], *, internal: bool = True) -> str:
    """`k=v,k2=v2`, sorted; those of the system itself only when `internal`."""
    return ",".join(
        f"{name}={value}"
        for name, value in sorted(values.items())
        if internal or not name.startswith(("teleport.internal/", "teleport.hidden/"))
    )


def as_json(content: object, indent: int | None = 4) -> str:
    """JSON for machines and people; what could drive a terminal is escaped. Without `indent` it is one line."""
    text = json.dumps(content, indent=indent, ensure_ascii=False, default=str)
    return text if text.isascii() and "\x7f" not in text else "".join(map(_escaped, text))


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1]


def paragraphs(text: str) -> str:
    """A text of several lines, its other control characters made visible."""
    return "\n".join(printable(line) for line in text.split("\n"))


def as_yaml(content: object) -> str:
    """The same document as YAML."""
    import yaml

    plain = json.loads(json.dumps(content, default=str))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, default_flow_style=False)).rstrip("\n")


def document(content: object, form: str) -> str:
    """In one of the forms for machines, `json` or `yaml`."""
    return as_json(content) if form == "json" else as_yaml(content)


def show(content: object, form: str) -> None:
    """Print a document."""
    print(document(content, form))


def ago(duration: timedelta) -> str:
    """A duration in its two largest units: `11h58m`, `3d4h`, `45s`."""
    seconds = max(0, int(duration.total_seconds()))
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    shown = [f"{count}{unit}" for count, unit in parts if count]
    return "".join(shown[:2]) or "0s"


def local_time(moment: datetime) -> str:
    """A time in the reader's zone: `2024-05-01 14:00:00 +0900 KST`."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z %Z").rstrip()


def utc_time(moment: datetime) -> str:
    """RFC 3339 in UTC, seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def size(count: float) -> str:
    """Bytes for people: `512 B`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


class Progress:
    """One line that follows a long copy on a terminal; silent elsewhere. `elapsed`: seconds since the start."""

    _EVERY = 0.1

    def __init__(self, elapsed: Callable[[], float], output: TextIO | None = None, *, quiet: bool = False) -> None:
        self._output = output or sys.stderr
        self._elapsed = elapsed
        self._silent = quiet or not self._output.isatty()
        self._shown_at = -1.0

    def update(self, name: str, done: int, total: int, *, final: bool = False) -> None:
        """Show how far the file is, at most ten times a second."""
        now = self._elapsed()
        if self._silent or (not final and now - self._shown_at < self._EVERY):
            return
        self._shown_at = now
        share = f"{100 * done // total:3d}%" if total else "100%" if final else "   "
        rate = f"{size(done / now)}/s" if now > 0 else ""
        columns = terminal_columns(self._output) or _WIDE
        right = f"{share} {size(done):>10} {rate:>12}"
        left = shorten(printable(name), max(_NARROWEST, columns - len(right) - 2))
        self._output.write(f"\r{left}{' ' * max(1, columns - 1 - width(left) - len(right))}{right}")
        if final:
            self._output.write("\n")
        self._output.flush()
