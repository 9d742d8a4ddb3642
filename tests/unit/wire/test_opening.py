"""What the first bytes say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.wire.errors import Incomplete, RemoteProtocolError
from teleport.wire.opening import MAX_SIZE, Opening, Plain, parse
from teleport.wire.proxy_protocol import ProxyHeader


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET / HTTP/1.1\r\n", Plain("http")),
        (b"POST /webapi HTTP/1.1\r\n", Plain("http")),
        (b"PUT / HTTP/1.1\r\n", Plain("http")),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Plain("http")),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Plain("ssh")),
        (bytes.fromhex("0000000804d2162f"), Plain("postgres")),
        (bytes.fromhex("0000000804d21630"), Plain("postgres")),
        (b"hello", Plain("unknown")),
        (b"\x00\x00\x00\x09", Plain("unknown")),
        (b"\xff", Plain("unknown")),
        (b"PROXY UNKNOWN\r\n", ProxyHeader(1, 15)),
    ],
)
def test_names_the_protocol(data: bytes, expected: Opening) -> None:
    assert parse(data) == expected


@pytest.mark.parametrize(
    "data", [b"", b"G", b"P", b"PRO", b"SSH", b"\r\n", b"\x00\x00\x00\x08\x04", b"\x16", b"\x16\x03"]
)
def test_asks_for_more_while_it_cannot_tell(data: bytes) -> None:
    answer = parse(data)
    assert isinstance(answer, Incomplete)
    assert answer.needed > len(data)


@given(st.binary(max_size=600))
def test_any_bytes_give_an_answer_or_our_error(data: bytes) -> None:
    try:
        answer = parse(data)
    except RemoteProtocolError:
        return
    if isinstance(answer, Incomplete):
        assert len(data) < answer.needed <= MAX_SIZE
