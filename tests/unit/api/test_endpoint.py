"""Addresses, and the way through an HTTPS proxy."""

from __future__ import annotations

import pytest

from teleport.api.endpoint import HttpsProxy, https_proxy_for, split_address
from teleport.foundation.errors import BadParameter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proxy.example.com", ("proxy.example.com", 3080)),
        ("proxy.example.com:443", ("proxy.example.com", 443)),
        ("[2001:db8::1]:3025", ("2001:db8::1", 3025)),
        ("https://proxy.example.com:3080/web", ("proxy.example.com", 3080)),
    ],
)
def test_splits_addresses(text: str, expected: tuple[str, int]) -> None:
    assert split_address(text, 3080) == expected


@pytest.mark.parametrize("text", ["", ":3080", "host:port", "https://"])
def test_refuses_what_is_no_address(text: str) -> None:
    with pytest.raises(BadParameter, match="address"):
        split_address(text, 3080)


def test_reads_the_environment_and_its_exceptions() -> None:
    environment = {"HTTPS_PROXY": "http://user:p%40ss@squid:3128", "NO_PROXY": ".internal, 10.0.0.1"}
    assert https_proxy_for("proxy.example.com", environment) == HttpsProxy("squid", 3128, "Basic dXNlcjpwQHNz")
    for host in ("localhost", "127.0.0.1", "auth.internal", "10.0.0.1"):
        assert https_proxy_for(host, environment) is None
    assert https_proxy_for("proxy.example.com", {}) is None
    with pytest.raises(BadParameter, match="HTTPS_PROXY"):
        https_proxy_for("proxy.example.com", {"HTTPS_PROXY": "http://"})
