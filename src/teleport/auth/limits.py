"""How often one address may knock without a certificate. A full bucket allows a burst, then a steady rate."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from teleport.foundation.clock import Clock
from teleport.foundation.errors import LimitExceeded

RATE_PER_MINUTE = 20
BURST = 40
_MAX_ADDRESSES = 50_000
_IPV6_NETWORK = 64


class RateLimiter:
    """A token bucket for each address (of IPv6 each /64). Memory is bounded; the longest unseen are forgotten."""

    def __init__(self, clock: Clock, rate_per_minute: float = RATE_PER_MINUTE, burst: int = BURST) -> None:
        self._clock = clock
        self._rate = rate_per_minute / 60
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str) -> None:
        """Raises LimitExceeded when the address has used up its allowance."""
        key = network_of(address)
        now = self._clock.monotonic()
        level, seen = self._buckets.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - seen) * self._rate)
        allowed = level >= 1.0
        self._buckets[key] = (level - 1.0 if allowed else level, now)
        if len(self._buckets) > _MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if not allowed:
            raise LimitExceeded("too many requests from this address; wait a little and try again")


def network_of(address: str) -> str:
    """What is limited together: an address, of IPv6 its /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6:
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))
    return address
