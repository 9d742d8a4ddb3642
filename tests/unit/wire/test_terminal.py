"""Terminal sizes as strangers and people write them."""

from __future__ import annotations

import pytest

from teleport.wire.terminal import TerminalSize


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [(120, 40, "120:40"), (0, 0, "80:24"), (1 << 31, 5, "65535:5")],
)
def test_bounds_what_a_client_claims(columns: int, rows: int, expected: str) -> None:
    assert str(TerminalSize.of(columns, rows)) == expected


def test_reads_both_spellings() -> None:
    assert TerminalSize.parse("100:30") == TerminalSize.parse("100x30") == TerminalSize(100, 30)


@pytest.mark.parametrize("text", ["", "100", "a:b", "1:2:3", "-1:5"])
def test_refuses_anything_else(text: str) -> None:
    with pytest.raises(ValueError, match="terminal size"):
        TerminalSize.parse(text)
