"""The version line of every program: product, edition, version, language runtime. Costs nothing to import."""

from __future__ import annotations

import sys

from teleport import EDITION, __version__


def runtime() -> str:
    """`python3.11.7`"""
    return "python" + ".".join(str(part) for part in sys.version_info[:3])


def version_line() -> str:
    """`Teleport Enterprise v18.0.0 python3.11.7`; without the word Enterprise for a community build."""
    product = "Teleport Enterprise" if EDITION == "enterprise" else "Teleport"
    return f"{product} v{__version__} {runtime()}"
