"""What the auth service counts for `/metrics`, under the names of the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from teleport.foundation import metrics
from teleport.model.resources.node import Node

LOGINS = metrics.counter("user_login", "Logins that were proved")
FAILED_LOGINS = metrics.counter("failed_login_attempts", "Logins that were refused")
ISSUED = metrics.counter("auth_generate_requests", "Certificates asked for")
ISSUING = metrics.gauge("auth_generate_requests_current", "Certificates being made now")
ISSUE_SECONDS = metrics.histogram("auth_generate_seconds", "Time to make the certificates of one request")
HEARTBEATS = metrics.counter("heartbeat_connections_received", "Heartbeats that hosts sent")
SERVERS = metrics.table(
    "teleport_registered_servers", "Servers that tell of themselves", ("version", "automatic_updates")
)
RESOURCES = metrics.table("teleport_connected_resources", "Resources that hosts tell of", ("type",))


def watch_nodes(nodes: Callable[[], Iterable[Node]]) -> None:
    """Count servers whenever somebody reads the figures."""

    def by_version() -> dict[tuple[str, ...], float]:
        found = Counter((node.spec.version, "false") for node in nodes())
        return {row: float(count) for row, count in found.items()}

    SERVERS.read = by_version
    RESOURCES.read = lambda: {("node",): float(sum(1 for _ in nodes()))}
