"""Builds the web page when a wheel or a source archive is made, so that neither comes without it.

`make run` and `make web` do the same by the Makefile; here it is done for `pip install .` and `pip wheel .`.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebPage(BuildHookInterface[Any]):
    """Runs before the files of a build are collected. An editable installation serves what `make web` built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises RuntimeError, saying what is missing, where the page is not there and cannot be built."""
        sources = Path(self.root) / "web"
        built = Path(self.root) / "src" / "teleport" / "proxy" / "web" / "static" / "index.html"
        if version == "editable" or not _is_older(built, sources):
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("the web page is not built and npm is not here: install Node 20, then build again")
        installed = sources / "node_modules" / ".installed"
        if not installed.exists():
            _run([npm, "ci", "--no-audit", "--no-fund", "--silent"], sources)
            installed.touch()
        _run([npm, "run", "--silent", "build"], sources)


def _is_older(built: Path, sources: Path) -> bool:
    """Whether the page is missing, or something it is made of has changed since. An archive holds the page alone."""
    if not sources.is_dir():
        return not built.exists()
    if not built.exists():
        return True
    skipped = {"node_modules", "dist"}
    files = (path for path in sources.rglob("*") if not skipped & set(path.relative_to(sources).parts))
    return any(path.is_file() and path.stat().st_mtime > built.stat().st_mtime for path in files)


def _run(words: list[str], folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - npm itself
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(words[1:])} in {folder} failed: {(done.stderr or done.stdout).strip()[-2000:]}"
        )
