"""PROXY headers of both versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.wire.errors import Incomplete, LocalProtocolError, RemoteProtocolError
from teleport.wire.proxy_protocol import MAX_SIZE, V2_START, ProxyHeader, encode_v1, encode_v2, parse

V4 = (("192.0.2.7", 40000), ("198.51.100.1", 443))
V6 = (("2001:db8::7", 40000), ("2001:db8::1", 443))


@pytest.mark.parametrize("addresses", [V4, V6])
@pytest.mark.parametrize("encode", [encode_v1, encode_v2])
def test_what_is_encoded_is_read_back(addresses: tuple[tuple[str, int], tuple[str, int]], encode: object) -> None:
    assert callable(encode)
    data = encode(*addresses)
    header = parse(data + b"\x16\x03")
    assert isinstance(header, ProxyHeader)
    assert (header.source, header.destination, header.length) == (*addresses, len(data))


def test_every_prefix_asks_for_more() -> None:
    for data in (encode_v1(*V4), encode_v2(*V6)):
        for length in range(len(data)):
            answer = parse(data[:length])
            assert isinstance(answer, Incomplete)
            assert length < answer.needed <= len(data)


@pytest.mark.parametrize("data", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ::2 1 2\r\n"])
def test_unknown_clients_have_no_address(data: bytes) -> None:
    assert parse(data) == ProxyHeader(1, len(data))


def test_a_balancer_that_speaks_for_itself_has_no_address() -> None:
    assert parse(V2_START + b"\x20\x00\x00\x00") == ProxyHeader(2, 16)


def test_extensions_are_kept() -> None:
    plain = encode_v2(*V4)
    extension = b"\x02\x00\x03abc" + b"\xe4\x00\x00"
    data = plain[:14] + (12 + len(extension)).to_bytes(2, "big") + plain[16:] + extension
    header = parse(data)
    assert isinstance(header, ProxyHeader)
    assert header.extensions == ((2, b"abc"), (0xE4, b""))


@pytest.mark.parametrize("data", [b"GET / HTTP", b"\x16\x03\x01", b"SSH-2.0-x", b"PROXIMITY"])
def test_other_protocols_have_none(data: bytes) -> None:
    assert parse(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
        b"PROXY TCP4 ::1 ::2 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        b"PROXY " + b"x" * 101,
        b"PROXY \xff\xff\r\n",
        V2_START + b"\x31\x11\x00\x0c" + bytes(12),  # version 3
        V2_START + b"\x21\x11\xff\xff",  # announces 64 KiB
        V2_START + b"\x21\x11\x00\x04" + bytes(4),  # too short for its addresses
        V2_START + b"\x21\x11\x00\x0f" + bytes(12) + b"\x02\x00\x09",  # an extension past the end
    ],
)
def test_refuses(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(data)


def test_addresses_of_two_families_are_our_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        encode_v2(V4[0], V6[1])
    with pytest.raises(LocalProtocolError):
        encode_v1(V4[0], V6[1])


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda tail: V2_START + tail),
        st.binary(max_size=120).map(lambda tail: b"PROXY " + tail),
    )
)
def test_any_bytes_give_an_answer_or_our_error(data: bytes) -> None:
    try:
        answer = parse(data)
    except RemoteProtocolError:
        return
    if isinstance(answer, Incomplete):
        assert len(data) < answer.needed <= MAX_SIZE
    elif answer is not None:
        assert answer.length <= len(data)
