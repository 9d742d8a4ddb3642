"""Addresses as people write them."""

from __future__ import annotations

import pytest

from teleport.foundation.errors import BadParameter
from teleport.net.address import Address, from_sockname, parse_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com:3080", Address("example.com", 3080)),
        ("https://example.com:443/", Address("example.com", 443)),
        ("127.0.0.1:1", Address("127.0.0.1", 1)),
        ("[::1]:3080", Address("::1", 3080)),
        ("example.com", Address("example.com", 9)),
        ("::1", Address("::1", 9)),
        ("[2001:db8::1]", Address("2001:db8::1", 9)),
    ],
)
def test_reads(text: str, expected: Address) -> None:
    assert parse_address(text, 9) == expected
    assert parse_address(str(expected)) == expected


@pytest.mark.parametrize("text", ["", ":80", "a:b", "a:65536", "a:-1", "a b:1", "user@host:1", "a/b:1", "a:٣"])
def test_refuses(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_address(text, 9)


def test_a_port_is_needed_where_there_is_no_default() -> None:
    with pytest.raises(BadParameter, match="no port"):
        parse_address("example.com")


def test_ipv4_inside_ipv6_is_shown_as_ipv4() -> None:
    assert from_sockname(("::ffff:192.0.2.1", 5, 0, 0)) == Address("192.0.2.1", 5)
    assert from_sockname(("fe80::1%eth0", 5, 0, 2)) == Address("fe80::1", 5)
    assert from_sockname("/a/unix/path") == Address("", 0)
