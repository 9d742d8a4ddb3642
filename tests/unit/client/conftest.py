"""A cluster a client knows, and a home it is logged in from."""

from __future__ import annotations

from pathlib import Path

import pytest
from client_side import ClientCluster


@pytest.fixture(scope="session")
def known_cluster() -> ClientCluster:
    return ClientCluster()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TELEPORT_HOME, with nothing of the developer's own environment."""
    for name in ("PROXY", "USER", "LOGIN", "CLUSTER", "SITE", "AUTH", "IDENTITY_FILE", "DEBUG"):
        monkeypatch.delenv(f"TELEPORT_{name}", raising=False)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    path = tmp_path / "tsh"
    monkeypatch.setenv("TELEPORT_HOME", str(path))
    return path
