"""The version line of every program: product, edition, version, language runtime."""

from __future__ import annotations

import platform

from teleport import EDITION, __version__


def version_line() -> str:
    """`Teleport Enterprise v18.0.0 python3.11.7`; without the word Enterprise for a community build."""
    product = "Teleport Enterprise" if EDITION == "enterprise" else "Teleport"
    return f"{product} v{__version__} python{platform.python_version()}"
