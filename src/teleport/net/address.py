"""Addresses as `host:port`, with IPv6 in brackets."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from teleport.foundation.errors import BadParameter

_MAX_PORT = 65535


class Address(NamedTuple):
    """A host name or IP, and a port. Its text is what people write: `example.com:3080`, `[::1]:3080`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_ip(self) -> bool:
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


def parse_address(text: str, default_port: int | None = None) -> Address:
    """Raises BadParameter. Accepts `host`, `host:port`, `[v6]:port`, a bare IPv6, and an `https://` in front."""
    rest = text.strip().removeprefix("https://").rstrip("/")
    host, port_text = _split(rest)
    if not host or any(character in host for character in "/ @?#"):
        raise BadParameter(f"address {text!r}: expected host:port")
    if not port_text:
        if default_port is None:
            raise BadParameter(f"address {text!r} has no port: expected host:port")
        return Address(host, default_port)
    if not (port_text.isascii() and port_text.isdigit()) or int(port_text) > _MAX_PORT:
        raise BadParameter(f"address {text!r}: port {port_text!r} is not a number from 0 to {_MAX_PORT}")
    return Address(host, int(port_text))


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def from_sockname(name: object) -> Address:
    """The address in what `getpeername` or `accept` returned; IPv4 inside IPv6 is shown as IPv4."""
    if not isinstance(name, tuple) or len(name) < 2:
        return Address("", 0)
    host = str(name[0]).partition("%")[0]
    return Address(host.removeprefix("::ffff:") if "." in host else host, int(name[1]))
