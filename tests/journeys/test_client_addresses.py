"""Auth behind a proxy that runs elsewhere knows where people come from: the proxy vouches for it, nobody else can."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.cluster import Cluster
from harness.processes import until
from harness.towns import Town
from harness.witnesses import all_events

from teleport.wire import proxy_protocol
from teleport.wire.tls_names import auth_alpn, auth_server_name

HOME = "127.0.0.77"


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Town]:
    made = Town(new_cluster("town", roles="auth"), tmp_path)
    yield made
    made.close()


def make_role(town: Town, name: str, port: int, before: bytes = b"") -> int:
    """Call auth from HOME, as the visitor; the status of the answer."""
    cluster = f"{town.cluster.name}.example"
    context = ssl._create_unverified_context()
    context.load_cert_chain(town.visitor.identity)
    context.set_alpn_protocols([auth_alpn(cluster), "http/1.1"])
    plain = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(HOME, 0))
    plain.sendall(before)
    connection = http.client.HTTPConnection("auth")
    connection.sock = context.wrap_socket(plain, server_hostname=auth_server_name(cluster))
    document = {"kind": "role", "version": "v7", "metadata": {"name": name}, "spec": {}}
    body = json.dumps({"resource": document})
    connection.request("POST", "/v1/resources/role", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def told_address(town: Town, name: str) -> str:
    found = [event["addr.remote"] for event in all_events(town.cluster, "role.created") if event["name"] == name]
    return str(found[-1]).rpartition(":")[0] or str(found[-1]) if found else ""


def test_auth_knows_who_is_behind_the_proxy(town: Town) -> None:
    assert make_role(town, "through", town.cluster.web_port) == 200
    until(lambda: told_address(town, "through") == HOME, "told with the address of the person")
    forged = proxy_protocol.encode_v2(("203.0.113.7", 1), ("127.0.0.1", town.cluster.auth_port))
    with pytest.raises((OSError, http.client.HTTPException)):
        make_role(town, "forged", town.cluster.auth_port, forged)
    assert make_role(town, "straight", town.cluster.auth_port) == 200
    until(lambda: told_address(town, "straight") == HOME, "told with the address of the socket")
    assert not told_address(town, "forged")
