"""61: keys stay readable by their owner alone, and secrets appear neither on the terminal nor in errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from client_side import ClientCluster

from teleport.api.messages import encode_call
from teleport.api.routes import tokens
from teleport.client import files, identity_file, login
from teleport.foundation.errors import BadParameter


def test_a_loose_umask_does_not_loosen_keys(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ClientCluster().log_in(tmp_path / "tsh")
    finally:
        os.umask(before)
    for path in (tmp_path / "tsh").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_file_that_others_could_read_is_replaced_not_refilled(tmp_path: Path) -> None:
    """Whoever had it open must not see what comes."""
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    with path.open() as held:
        files.write_private(str(path), "secret")
        assert held.read() == "old"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "key").symlink_to(tmp_path / "target")
    files.write_private(str(tmp_path / "key"), "secret")
    assert (tmp_path / "target").read_text() == "old"
    assert not (tmp_path / "key").is_symlink()


def test_a_broken_identity_file_is_not_quoted(tmp_path: Path) -> None:
    cluster = ClientCluster()
    text = login.to_identity_file("p", cluster.granted(cluster.user(), one_key=True)).to_text()
    (tmp_path / "id").write_text(text[: text.index("BEGIN CERTIFICATE")])
    with pytest.raises(BadParameter) as refusal:
        identity_file.load(str(tmp_path / "id"))
    body = text.splitlines()[1]
    assert body not in str(refusal.value)


def test_join_tokens_travel_in_bodies_not_in_addresses() -> None:
    deleted = encode_call(tokens.DELETE, tokens.DeleteToken(token="s3cr3t"))
    created = encode_call(tokens.CREATE, tokens.CreateToken(roles=("Node",), value="s3cr3t"))
    for call in (deleted, created):
        assert "s3cr3t" not in call.target
        assert b"s3cr3t" in call.body
