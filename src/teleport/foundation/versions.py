"""Versions as programs compare them: `18.0.1`, with or without `v`, whatever stands behind a hyphen left out."""

from __future__ import annotations


def numbers(version: str) -> tuple[int, ...]:
    """(18, 0, 1); what is no number counts as 0."""
    words = version.removeprefix("v").partition("-")[0].split(".")
    return tuple(int(word) if word.isdigit() else 0 for word in words) or (0,)
