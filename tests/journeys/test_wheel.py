"""A wheel from a fresh clone holds the web page: whoever installs it with pip gets the whole program."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
PAGE = "teleport/proxy/web/static/"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git knows of the house, without anything built; npm packages are those installed already."""
    known = subprocess.run(
        ["git", "ls-files", "-z"], cwd=HOUSE, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    folder = tmp_path / "clone"
    for name in filter(None, known.split("\0")):
        if name.startswith(("src/", "web/", "scripts/")) or "/" not in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HOUSE / name, folder / name)
    (folder / "web" / "node_modules").symlink_to(HOUSE / "web" / "node_modules")
    return folder


def build(clone: Path, out: Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    words = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={out}", str(clone)]
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=300, env=environment
    )


def test_a_wheel_of_a_fresh_clone_holds_the_web_page_and_the_programs(clone: Path, tmp_path: Path) -> None:
    done = build(clone, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "out").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert f"{PAGE}index.html" in names
    assert any(name.startswith(f"{PAGE}assets/") and name.endswith(".js") for name in names)
    programs = next(name for name in names if name.endswith("entry_points.txt"))
    text = zipfile.ZipFile(wheel).read(programs).decode()
    assert all(f"{name} = " in text for name in ("teleport", "tsh", "tctl"))


def test_without_node_a_wheel_is_refused_and_not_made_without_the_page(clone: Path, tmp_path: Path) -> None:
    done = build(clone, tmp_path / "out", {"PATH": "/nonexistent", "HOME": str(tmp_path)})
    assert done.returncode != 0
    assert "the web page is not built and npm is not here: install Node 20" in done.stdout + done.stderr
    assert not list((tmp_path / "out").glob("*.whl"))
