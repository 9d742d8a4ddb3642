"""Identity files: written, read, and spoken with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from client_side import CLUSTER, ClientCluster

from teleport.client import account, identity_file, login
from teleport.client.account import Choice
from teleport.foundation.errors import BadParameter, NotAuthenticated, NotFound


def write(cluster: ClientCluster, path: Path, form: str = "file") -> identity_file.IdentityFile:
    identity = login.to_identity_file("localhost", cluster.granted(cluster.user(), one_key=True))
    identity_file.write_as(identity, form, str(path))
    return identity


def test_an_identity_file_is_read_back(known_cluster: ClientCluster, tmp_path: Path) -> None:
    written = write(known_cluster, tmp_path / "id")
    assert identity_file.load(str(tmp_path / "id")) == written
    assert (tmp_path / "id").stat().st_mode & 0o777 == 0o600
    text = (tmp_path / "id").read_text()
    order = ["PRIVATE KEY", "-cert-v01@openssh.com", "BEGIN CERTIFICATE", "@cert-authority"]
    assert [text.index(mark) for mark in order] == sorted(text.index(mark) for mark in order)


def test_it_becomes_an_account_without_a_profile(known_cluster: ClientCluster, tmp_path: Path, home: Path) -> None:
    write(known_cluster, tmp_path / "id")
    found = account.find(Choice(identity=str(tmp_path / "id"), proxy="p:443"))
    assert (found.user, found.cluster, found.port) == ("alice", CLUSTER, 443)
    assert found.ssh().host_authorities[0].startswith("@cert-authority localhost,alpha.example,*.alpha.example ")
    assert not home.exists()


def test_where_its_cluster_is_must_be_said(known_cluster: ClientCluster, tmp_path: Path) -> None:
    write(known_cluster, tmp_path / "id")
    with pytest.raises(BadParameter, match="--proxy"):
        account.find(Choice(identity=str(tmp_path / "id")))


def test_openssh_reads_the_openssh_form(known_cluster: ClientCluster, tmp_path: Path) -> None:
    write(known_cluster, tmp_path / "id", "openssh")
    shown = subprocess.run(
        ["ssh-keygen", "-L", "-f", str(tmp_path / "id-cert.pub")], capture_output=True, text=True, check=True
    ).stdout
    assert 'Key ID: "alice"' in shown
    assert (tmp_path / "id").read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----"), "tells its public half"
    subprocess.run(["ssh-keygen", "-y", "-f", str(tmp_path / "id")], capture_output=True, check=True)


def test_the_tls_form_is_three_files(known_cluster: ClientCluster, tmp_path: Path) -> None:
    write(known_cluster, tmp_path / "id", "tls")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["id.cas", "id.crt", "id.key"]


def test_two_keys_are_told_apart(known_cluster: ClientCluster, tmp_path: Path) -> None:
    written = login.to_identity_file("localhost", known_cluster.granted(known_cluster.user()))
    identity_file.save(str(tmp_path / "id"), written)
    assert identity_file.load(str(tmp_path / "id")) == written
    assert written.tls_key != written.ssh_key


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_identity_file_is_refused_without_quoting_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(BadParameter) as refusal:
        identity_file.load(str(tmp_path / "x"))
    assert "BEGIN" not in str(refusal.value)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        identity_file.load(str(tmp_path / "absent"))


def test_an_expired_identity_is_refused(known_cluster: ClientCluster, tmp_path: Path) -> None:
    identity = login.to_identity_file("p", known_cluster.granted(known_cluster.user(hours=-0.01), one_key=True))
    identity_file.save(str(tmp_path / "id"), identity)
    with pytest.raises(NotAuthenticated, match="expired"):
        account.find(Choice(identity=str(tmp_path / "id"), proxy="p"))
