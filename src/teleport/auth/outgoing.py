"""Where auth calls out to: addresses that administrators write, and where none of them may lead.

A name is looked up before it is called, so that it leads neither to where machines ask for credentials nor, unless
the address says so itself, to this machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Self
from urllib.parse import urlsplit

import msgspec

from teleport.foundation.errors import AccessDenied, BadParameter, Unavailable
from teleport.net.address import Address

_MAX_URL = 2048


class Destination(msgspec.Struct, frozen=True):
    """`target` is path and query."""

    address: Address
    target: str
    is_tls: bool

    @classmethod
    def read(cls, url: str, where: str) -> Self:
        """https, or http to this machine. Raises BadParameter, beginning with `where` it is written."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as problem:
            raise BadParameter(f"{where}: {problem}") from None
        host = parts.hostname or ""
        is_clean = len(url) <= _MAX_URL and url.isascii() and url.isprintable() and " " not in url
        if not is_clean or parts.scheme not in ("https", "http") or not host or parts.username or parts.fragment:
            raise BadParameter(f"{where}: expected https://host[:port]/path, without user or fragment")
        is_tls = parts.scheme == "https"
        if not is_tls and not is_loopback(host):
            raise BadParameter(f"{where}: http is for this machine alone, use https")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(Address(host, port or (443 if is_tls else 80)), target, is_tls)

    @property
    def is_here(self) -> bool:
        """Whether it may be on this machine, as it says itself."""
        return is_loopback(self.address.host)

    async def check_reachable(self) -> None:
        """Raises AccessDenied when its name leads where nothing may be sent, Unavailable when it leads nowhere."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self.address.host, self.address.port, type=socket.SOCK_STREAM
            )
        except OSError as problem:
            raise Unavailable(f"{self.address.host} is not found: {problem.strerror or problem}") from problem
        for *_, address in found:
            if not is_reachable(str(address[0]), is_here=self.is_here):
                raise AccessDenied(f"{self.address.host} leads to {address[0]}, where nothing is sent")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_reachable(ip: str, *, is_here: bool) -> bool:
    """Whether anything may go to this address: never where machines ask for credentials or talk to themselves."""
    found = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback:
        return is_here
    return not (found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved)
