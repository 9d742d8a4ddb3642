"""Raw connections to the agents of nodes: through the tunnel one keeps, or where one without listens."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from teleport.foundation.errors import BadParameter, Unavailable
from teleport.model.resources.node import Node
from teleport.net.address import Address, parse_address
from teleport.net.handoff import HandedOff
from teleport.tunnel.direct import dial_host
from teleport.tunnel.messages import IncomingRequest
from teleport.tunnel.registry import AgentRegistry


class Hosts:
    """`context` is what the proxy shows itself with; only hosts of `cluster` answer it.

    `dial_timeout`: seconds for a host without a tunnel to take the connection.
    """

    def __init__(
        self,
        cluster: str,
        registry: AgentRegistry,
        context: Callable[[], ssl.SSLContext],
        dial_timeout: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._registry = registry
        self._context = context
        self.dial_timeout = dial_timeout

    async def connect(self, node: Node, request: IncomingRequest) -> HandedOff:
        """Assigned to `request`. Raises Unavailable."""
        listens = _direct_address(node)
        if listens is None or self._registry.is_connected(node.name):
            return await self._registry.connect(node.name, request)
        try:
            name = f"{node.name}.{self._cluster}"
            return await dial_host(listens, self._context(), name, request, self.dial_timeout())
        except Unavailable as problem:
            raise Unavailable(
                f"{node.hostname} has no tunnel to the proxy, which cannot reach it where it listens: "
                f"{problem.message}. Let it listen where the proxy reaches it (ssh_service.public_addr), or join "
                "through the proxy (teleport.proxy_server)"
            ) from problem


def _direct_address(node: Node) -> Address | None:
    """Where the agent of a node listens that keeps no tunnel."""
    if node.spec.use_tunnel or not node.spec.addr:
        return None
    try:
        return parse_address(node.spec.addr)
    except BadParameter:
        return None
