"""IP addresses that certificates are pinned to: one address, however it is spelt."""

from __future__ import annotations

import ipaddress

from teleport.foundation.errors import BadParameter


def single_address(text: str) -> str:
    """`10.0.0.9` of itself or of `10.0.0.9/32`. Raises BadParameter for a network or for no address."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError as problem:
        raise BadParameter(f"source address {text!r}: expected one IP address") from problem
    if network.num_addresses != 1:
        raise BadParameter(f"source address {text!r}: expected one IP address, not a network")
    return str(network.network_address)


def is_same_address(pinned: str, observed: str) -> bool:
    """False also when either is no address."""
    try:
        return _plain_address(pinned) == _plain_address(observed)
    except ValueError:
        return False


def _plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    # a socket that listens on both families shows an IPv4 peer in IPv6 dress
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
