"""How many connections may be open, in all and from one address, before and after they proved who they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`unproven` connections have not authenticated yet. An IPv6 address counts as its /64 network."""

    total: int = 50_000
    per_ip: int = 15_000
    unproven_total: int = 4_096
    unproven_per_ip: int = 512


class ConnectionCounter:
    """Counts connections against limits. Not for use by several threads."""

    def __init__(self, limits: ConnectionLimits | None = None, on_refused: Callable[[], None] = lambda: None) -> None:
        self.limits = limits or ConnectionLimits()
        self._on_refused = on_refused
        self.refused = 0
        self._open: dict[str, int] = {}
        self._unproven: dict[str, int] = {}
        self._open_total = 0
        self._unproven_total = 0

    @property
    def open(self) -> int:
        return self._open_total

    @property
    def unproven(self) -> int:
        return self._unproven_total

    def admit(self, host: str) -> Slot | None:
        """A slot for one more connection from `host`, or None when a limit is reached."""
        network = _network(host)
        limits = self.limits
        if (
            self._open_total >= limits.total
            or self._unproven_total >= limits.unproven_total
            or self._is_full(network)
        ):
            self._refuse()
            return None
        return self._count(network)

    def move(self, slot: Slot, host: str) -> Slot | None:
        """Count an unproven connection under another address, that of the client behind a balancer.

        None when that one's limit is reached; the slot is released then.
        """
        network = _network(host)
        slot.release()
        if self._is_full(network):
            self._refuse()
            return None
        return self._count(network)

    def prove(self, network: str) -> None:
        _add(self._unproven, network, -1)
        self._unproven_total -= 1

    def _is_full(self, network: str) -> bool:
        return (
            self._open.get(network, 0) >= self.limits.per_ip
            or self._unproven.get(network, 0) >= self.limits.unproven_per_ip
        )

    def _count(self, network: str) -> Slot:
        _add(self._open, network, 1)
        _add(self._unproven, network, 1)
        self._open_total += 1
        self._unproven_total += 1
        return Slot(self, network)

    def _refuse(self) -> None:
        self.refused += 1
        self._on_refused()

    def remove(self, network: str) -> None:
        _add(self._open, network, -1)
        self._open_total -= 1


class Slot:
    """One connection's place in the count. Calling a method twice counts once."""

    __slots__ = ("_is_open", "_is_proven", "_network", "counter")

    def __init__(self, counter: ConnectionCounter, network: str) -> None:
        self.counter = counter
        self._network = network
        self._is_proven = False
        self._is_open = True

    def prove(self) -> None:
        """The connection authenticated, or speaks a protocol with its own limits."""
        if not self._is_proven:
            self._is_proven = True
            self.counter.prove(self._network)

    def release(self) -> None:
        """The connection ended."""
        if self._is_open:
            self._is_open = False
            self.prove()
            self.counter.remove(self._network)


def _add(counts: dict[str, int], network: str, by: int) -> None:
    left = counts.get(network, 0) + by
    if left:
        counts[network] = left
    else:
        counts.pop(network, None)


def _network(host: str) -> str:
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host, 64), strict=False))
    except ValueError:
        return host
