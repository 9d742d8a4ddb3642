"""Where a printed file goes: standard output, a path, or the default place; never over an existing file."""

from __future__ import annotations

import os
from pathlib import Path

from teleport.foundation.errors import AlreadyExists, BadParameter

DEFAULT_PATH = "/etc/teleport.yaml"


def deliver(text: str, output: str) -> None:
    """`stdout`, `file` (the default path), `file:///path` or a path. A written file has mode 0600."""
    if output in ("stdout", "-"):
        print(text, end="")
        return
    path = Path(DEFAULT_PATH if output == "file" else output.removeprefix("file://"))
    if not path.name:
        raise BadParameter(f"--output: {output!r}: expected stdout, file or file:///path")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise AlreadyExists(f"{path} exists: remove it first, or choose another path with --output") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"wrote {path}; start with: teleport start --config={path}")
