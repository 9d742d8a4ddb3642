"""14: what a host shows is never remembered, and an error on the way is never taken for a match."""

from __future__ import annotations

from pathlib import Path

import pytest
from client_side import CLUSTER, NODE_ID, ClientCluster

from teleport.client import ssh_connection
from teleport.client.account import SshTexts
from teleport.client.dialer import Reached, Wanted
from teleport.foundation.errors import NotAuthenticated

# the socket plays no part in what is checked here
UNUSED_SOCKET = None


def reached(name: str = "web-1", cluster: str = CLUSTER) -> Reached:
    return Reached(UNUSED_SOCKET, NODE_ID, name, cluster)  # type: ignore[arg-type]


def texts(*lines: str) -> SshTexts:
    return SshTexts("", "", lines)


def test_the_name_that_was_asked_for_is_what_the_host_must_prove() -> None:
    assert ssh_connection.expected_principal(reached(), Wanted("web-1")) == "web-1"
    assert ssh_connection.expected_principal(reached(), Wanted(f"web-1.{CLUSTER}")) == "web-1"
    assert ssh_connection.expected_principal(reached(), Wanted(NODE_ID)) == NODE_ID


@pytest.mark.parametrize("wanted", [Wanted("10.0.0.7"), Wanted("", labels=(("env", "prod"),)), Wanted("alias")])
def test_where_no_name_can_be_proved_the_resources_id_must_be(wanted: Wanted) -> None:
    assert ssh_connection.expected_principal(reached(), wanted) == f"{NODE_ID}.{CLUSTER}"


def test_no_known_authority_is_a_refusal() -> None:
    with pytest.raises(NotAuthenticated, match="no host authority"):
        ssh_connection.host_authorities(texts(), CLUSTER)


def test_an_authority_of_another_cluster_or_without_its_mark_does_not_count() -> None:
    key = ClientCluster().host_ca.ssh_key.public.ssh()
    plain = f"localhost,{CLUSTER},*.{CLUSTER} {key}"
    other = f"@cert-authority localhost,other.example,*.other.example {key} type=host"
    with pytest.raises(NotAuthenticated):
        ssh_connection.host_authorities(texts(plain, other), CLUSTER)
    right = f"@cert-authority localhost,{CLUSTER},*.{CLUSTER} {key} type=host"
    assert len(ssh_connection.host_authorities(texts(plain, other, right), CLUSTER)) == 1


def test_known_hosts_is_written_by_logins_alone(tmp_path: Path) -> None:
    cluster = ClientCluster()
    cluster.log_in(tmp_path)
    before = (tmp_path / "known_hosts").read_text()
    ssh_connection.host_authorities(texts(*before.splitlines()), CLUSTER)
    assert (tmp_path / "known_hosts").read_text() == before
    assert all(line.startswith("@cert-authority ") for line in before.splitlines())
