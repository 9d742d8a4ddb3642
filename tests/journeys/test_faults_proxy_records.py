"""A proxy that records sessions itself, and whose disk takes nothing more: those that must be recorded end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import LOGIN
from harness.cluster import Cluster
from harness.disks import full_disk
from harness.processes import until
from harness.stock_sshd import StockSshd
from harness.towns import Town
from harness.visitors import Visitor
from harness.witnesses import all_events

STRICT = """kind: role
version: v7
metadata: {name: strict}
spec:
  options: {record_session: {default: strict}, forward_agent: true}
  allow: {logins: ['{{internal.logins}}'], node_labels: {'*': '*'}}
"""
AT_PROXY = (
    "kind: session_recording_config\nversion: v2\nmetadata: {name: session-recording-config}\nspec: {mode: proxy}\n"
)


@pytest.fixture
def town(new_cluster: Callable[..., Cluster], tmp_path: Path) -> Iterator[Town]:
    made = Town(new_cluster("town", roles="auth"), tmp_path)
    yield made
    made.close()


@pytest.fixture
def stock(town: Town, tmp_path: Path) -> Iterator[StockSshd]:
    server = StockSshd(town.cluster, tmp_path / "stock", "stock")
    server.trust()
    try:
        server.start().register()
        until(lambda: town.visitor.reaches("stock"), "the server is reached")
        yield server
    finally:
        server.stop()


def test_strict_sessions_end_and_others_go_on(town: Town, stock: StockSshd, tmp_path: Path) -> None:
    town.cluster.tctl("create", text=STRICT).ok()
    strict = Visitor(town.cluster, tmp_path / "strict", "stella", roles="strict")
    assert town.proxy.process is not None
    ended = 0
    for host in ("stock", "town"):
        if host == "town":  # an agent of ours, recorded at the proxy
            town.cluster.tctl("create", "-f", "-", text=AT_PROXY).ok()
            until(lambda: is_led(town, strict), "the proxy has heard")
        with (
            strict.terminal(host) as watched,
            town.visitor.terminal(host) as lenient,
            full_disk(town.proxy.process.pid),
        ):
            watched.send("echo one more line\n")
            assert watched.ended() != 0
            assert "can no longer be recorded" in watched.shown
            lenient.run("echo mine-$((1+1))", "mine-2")
            lenient.shows("can no longer be recorded")
            lenient.run("echo goes-on-$((1+1))", "goes-on-2")
            refused = strict.tsh("ssh", "-t", f"{LOGIN}@{host}", "true")
            assert refused.status != 0
            assert "cannot be recorded" in refused.out + refused.err
        ended += 2
        until(lambda: len(all_events(town.cluster, "session.end")) == ended, "ends told")  # noqa: B023


def is_led(town: Town, visitor: Visitor) -> bool:
    """Sessions at the agent are the proxy's now."""
    visitor.tsh("ssh", f"{LOGIN}@town", "true").ok()
    events = [event for event in all_events(town.cluster, "exec") if event["server_hostname"] == "town"]
    return bool(events) and "forwarded_by" in max(events, key=lambda event: str(event["time"]))
