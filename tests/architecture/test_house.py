"""The manners of the house that no other tool checks."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "teleport").rglob("*.py"))
VAGUE = {
    "utils",
    "util",
    "common",
    "helpers",
    "helper",
    "manager",
    "handler",
    "handlers",
    "core",
    "data",
    "info",
    "misc",
}
LONGEST_FILE = 500
LONGEST_FUNCTION = 60


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_and_keeps_its_size(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module begins with what it is"
    assert path.stem not in VAGUE, "a file is called after its noun"
    assert text.count("\n") <= LONGEST_FILE, "there is a second noun in this file"
    for function in functions(tree):
        length = (function.end_lineno or 0) - function.lineno
        assert length <= LONGEST_FUNCTION, f"{function.name} is too long to read"


def tracked() -> list[str]:
    return subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_lock_files_name_no_registry() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        text = (ROOT / name).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
    assert '"resolved"' not in (ROOT / "web" / "package-lock.json").read_text()


def test_nothing_built_or_large_is_kept() -> None:
    for name in tracked():
        path = ROOT / name
        if path.is_file() and not name.endswith(("package-lock.json", ".lock")):
            assert path.stat().st_size < 300_000, name
        assert not name.endswith((".pyc", ".whl", ".so")), name
        assert "node_modules/" not in name


def test_every_decision_and_guide_is_linked() -> None:
    links = "".join((ROOT / name).read_text() for name in ("README.md", "docs/architecture.md"))
    links += "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    for guide in (ROOT / "docs" / "guides").glob("*.md"):
        assert guide.name in links, f"{guide.name} is linked from nowhere"


def test_the_page_of_the_house_names_every_folder_and_promises_nothing_that_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree, _, planned = (
        page.partition("## 2. The tree")[2].partition("## 3.")[0].partition("planned and not in the tree")
    )
    packages = [path.parent for path in (ROOT / "src" / "teleport").rglob("__init__.py")]
    names = {path.name for path in packages if path.name != "teleport"}
    assert {name for name in names if f"{name}/" not in tree} == set()
    promised = re.findall(r"`([a-z_]+/[a-z_]*/?)`", planned)
    assert len(promised) > 10
    there = [
        name
        for name in promised
        for end in ("", ".py")
        if (ROOT / "src" / "teleport" / (name.rstrip("/") + end)).exists()
    ]
    assert there == []
