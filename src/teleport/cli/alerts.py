"""Cluster alerts as people read them, at logins and with the status. Documents are plain: no model is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from teleport.cli import output

ON_LOGIN = "teleport.internal/alert-on-login"
_LINK, _LINK_TEXT = "teleport.internal/link", "teleport.internal/link-text"
_COLOURS = {"HIGH": "31", "MEDIUM": "33"}


def show(documents: Iterable[Mapping[str, Any]], out: TextIO | None = None) -> None:
    """One paragraph each on the error output, an empty line before the first."""
    out = out or sys.stderr
    texts = [told(one, coloured=out.isatty()) for one in documents]
    if texts:
        print("", *texts, sep="\n", file=out)


def told(document: Mapping[str, Any], *, coloured: bool = False) -> str:
    """No control character of the message survives but its line ends."""
    spec = document["spec"]
    severity, message = str(spec.get("severity", "LOW")), output.paragraphs(str(spec["message"]))
    labels = document["metadata"].get("labels") or {}
    link = output.printable(str(labels.get(_LINK, "")))
    if link:
        about = output.printable(str(labels.get(_LINK_TEXT, "")))
        message += f" ({about}: {link})" if about else f" ({link})"
    text = f"ALERT ({output.printable(severity.lower())}): {message}"
    colour = _COLOURS.get(severity) if coloured else None
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text
