"""The user's terminal: raw while a remote one is shown on it, its size, and the escape sequences at line starts."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

_DEFAULT = (80, 24)
HELP = (
    "\r\nEscape sequences, at the beginning of a line:\r\n"
    "  ~.  disconnect\r\n  ~?  this help\r\n  ~~  send the ~ itself\r\n"
)


def size(descriptor: int) -> tuple[int, int]:
    """Columns and rows."""
    try:
        found = os.get_terminal_size(descriptor)
    except OSError:
        return _DEFAULT
    return found.columns or _DEFAULT[0], found.lines or _DEFAULT[1]


@contextlib.contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Every key goes through as it is until the block ends, however it ends."""
    if os.name == "nt" or not os.isatty(descriptor):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def modes(descriptor: int) -> dict[int, int]:
    """The terminal's settings in the form SSH sends them (RFC 4254 section 8)."""
    if os.name == "nt" or not os.isatty(descriptor):
        return {}
    import termios

    from teleport.wire.terminal import CONTROL_CHARACTERS, FLAGS

    attributes = termios.tcgetattr(descriptor)
    found: dict[int, int] = {}
    for code, name in CONTROL_CHARACTERS.items():
        if (index := getattr(termios, name, None)) is not None:
            value = attributes[6][index]
            found[code] = value if isinstance(value, int) else value[0]
    for code, (group, name) in FLAGS.items():
        if (flag := getattr(termios, name, None)) is not None:
            found[code] = 1 if attributes[group] & flag else 0
    return found


class EscapeKeys:
    """Finds `~.` and its like in what is typed. `feed` gives what goes on to the server."""

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._at_line_start = True
        self._holds_tilde = False
        self.wants_leave = False
        self.wants_help = False

    def feed(self, typed: bytes) -> bytes:
        if not self._enabled:
            return typed
        out = bytearray()
        for byte in typed:
            if self._holds_tilde:
                self._holds_tilde = False
                if byte == ord("."):
                    self.wants_leave = True
                    return bytes(out)
                if byte == ord("?"):
                    self.wants_help = True
                    continue
                out += b"~" if byte == ord("~") else bytes((ord("~"), byte))
            elif byte == ord("~") and self._at_line_start:
                self._holds_tilde = True
            else:
                out.append(byte)
            self._at_line_start = byte in b"\r\n"
        return bytes(out)


def restore_on_error() -> None:
    """After a session that broke off in the middle of a full-screen program: colours off, cursor back."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[0m\x1b[?25h")
        sys.stdout.flush()
