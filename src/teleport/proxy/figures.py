"""What the proxy counts for `/metrics`, under the names of the reference."""

from __future__ import annotations

from teleport.foundation import metrics

REFUSED = metrics.counter("proxy_connection_limit_exceeded", "Connections reset because a limit was reached")
TUNNELS = metrics.gauge("teleport_reverse_tunnels_connected", "Agents with a control connection to this proxy")
SESSIONS = metrics.gauge("proxy_ssh_sessions_total", "Connections of clients joined to agents now")
DIALS = metrics.counter("teleport_connect_to_node_attempts", "Dials to a server that were allowed")
FAILED_DIALS = metrics.counter("failed_connect_to_node_attempts", "Of them, those whose agent could not be reached")
