"""The size of a terminal and the modes a client asks for (RFC 4254 section 8)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

MAX_SIDE: Final = 0xFFFF
_TEXT: Final = re.compile(r"(\d{1,5})[:x](\d{1,5})")


class TerminalSize(msgspec.Struct, frozen=True):
    """Columns and rows, each 1 to 65535; what a client leaves at zero becomes 80 by 24."""

    columns: int = 80
    rows: int = 24

    @classmethod
    def of(cls, columns: int, rows: int) -> TerminalSize:
        """From numbers a stranger sent."""
        return cls(min(columns, MAX_SIDE) or 80, min(rows, MAX_SIDE) or 24)

    @classmethod
    def parse(cls, text: str) -> TerminalSize:
        """From `80:24` (audit events) or `80x24` (people). Raises ValueError."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"terminal size {text!r}: expected columns:rows")
        return cls.of(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.columns}:{self.rows}"


# opcode -> name of the control character in termios
CONTROL_CHARACTERS: Final = {
    1: "VINTR",
    2: "VQUIT",
    3: "VERASE",
    4: "VKILL",
    5: "VEOF",
    6: "VEOL",
    7: "VEOL2",
    8: "VSTART",
    9: "VSTOP",
    10: "VSUSP",
    12: "VREPRINT",
    13: "VWERASE",
    14: "VLNEXT",
    18: "VDISCARD",
}
# opcode -> (index of the flags in the list that tcgetattr gives, name of the flag in termios)
FLAGS: Final = {
    30: (0, "IGNPAR"),
    31: (0, "PARMRK"),
    32: (0, "INPCK"),
    33: (0, "ISTRIP"),
    34: (0, "INLCR"),
    35: (0, "IGNCR"),
    36: (0, "ICRNL"),
    38: (0, "IXON"),
    39: (0, "IXANY"),
    40: (0, "IXOFF"),
    41: (0, "IMAXBEL"),
    42: (0, "IUTF8"),
    50: (3, "ISIG"),
    51: (3, "ICANON"),
    53: (3, "ECHO"),
    54: (3, "ECHOE"),
    55: (3, "ECHOK"),
    56: (3, "ECHONL"),
    57: (3, "NOFLSH"),
    58: (3, "TOSTOP"),
    59: (3, "IEXTEN"),
    60: (3, "ECHOCTL"),
    61: (3, "ECHOKE"),
    62: (3, "PENDIN"),
    70: (1, "OPOST"),
    72: (1, "ONLCR"),
    73: (1, "OCRNL"),
    74: (1, "ONOCR"),
    75: (1, "ONLRET"),
    90: (2, "CS7"),
    91: (2, "CS8"),
    92: (2, "PARENB"),
    93: (2, "PARODD"),
}
