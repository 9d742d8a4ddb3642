"""Rule 14, with the whole program: a host that proves the wrong thing runs no command and is not learned."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest
from client_side import NODE_ID, ClientCluster, small_proxy
from ssh_node import node

TSH = [sys.executable, "-m", "teleport.cli.tsh"]


def of_another_authority(cluster: ClientCluster) -> tuple[str, str]:
    return cluster.ssh_host(ca=ClientCluster().host_ca)


def of_another_host(cluster: ClientCluster) -> tuple[str, str]:
    """As when the host of a jump shows its own certificate in place of the target's."""
    return cluster.ssh_host(("jump-1",))


def a_users(cluster: ClientCluster) -> tuple[str, str]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    authority = asyncssh.import_private_key(cluster.user_ca.ssh_key.ssh_pem())
    certificate = authority.generate_user_certificate(key, "web-1", principals=["web-1", NODE_ID])
    return key.export_private_key().decode(), certificate.export_certificate().decode()


def expired(cluster: ClientCluster) -> tuple[str, str]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    authority = asyncssh.import_private_key(cluster.host_ca.ssh_key.ssh_pem())
    certificate = authority.generate_host_certificate(key, "web-1", principals=["web-1"], valid_before=1_000_000)
    return key.export_private_key().decode(), certificate.export_certificate().decode()


LIES = [of_another_authority, of_another_host, a_users, expired]


def ssh(home: Path, target: str, ran: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    environment |= {"TELEPORT_HOME": str(home), "TELEPORT_NO_DAEMON": "1", "HOME": str(home)}
    command = [*TSH, "ssh", f"root@{target}", f"touch {ran}"]
    return subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)


@pytest.mark.parametrize("lie", LIES)
def test_runs_nothing_and_is_not_learned(lie: Callable[[ClientCluster], tuple[str, str]], tmp_path: Path) -> None:
    cluster, home, ran = ClientCluster(), tmp_path / "tsh", tmp_path / "ran"
    with node(cluster, *lie(cluster)) as server, small_proxy(cluster, serve=server.serve) as small:
        cluster.log_in(home, small.port)
        before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
        for _ in range(2):  # the second time it would be known
            done = ssh(home, "web-1", ran)
            assert done.returncode != 0
            assert b"ERROR" in done.stderr
        assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert not ran.exists()


def test_an_honest_host_runs_it(tmp_path: Path) -> None:
    """The tests above would pass if nothing worked."""
    cluster, home, ran = ClientCluster(), tmp_path / "tsh", tmp_path / "ran"
    with node(cluster) as server, small_proxy(cluster, serve=server.serve) as small:
        cluster.log_in(home, small.port)
        assert ssh(home, "web-1", ran).returncode == 0
    assert ran.exists()


def test_a_broken_list_of_authorities_is_no_match(tmp_path: Path) -> None:
    cluster, home, ran = ClientCluster(), tmp_path / "tsh", tmp_path / "ran"
    with node(cluster) as server, small_proxy(cluster, serve=server.serve) as small:
        cluster.log_in(home, small.port)
        for text in ("", "@cert-authority", "@cert-authority * ssh-ed25519 AAAA", "garbage\n" * 100):
            (home / "known_hosts").write_text(text)
            assert ssh(home, "web-1", ran).returncode != 0, text
    assert not ran.exists()
