"""Reading a ClientHello that nobody answers."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.wire.client_hello import MAX_SIZE, ClientHello, parse
from teleport.wire.errors import Incomplete, RemoteProtocolError


def hello(server_name: str | None = "node.example.com", alpn: tuple[str, ...] = ("teleport-dial",)) -> bytes:
    """What OpenSSL sends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def in_records(data: bytes, size: int) -> bytes:
    """The same message, cut into records of `size`."""
    message = data[5:]
    cut = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in cut)


def test_tells_name_and_protocols() -> None:
    assert parse(hello("Node.Example.com", ("teleport-dial", "http/1.1"))) == ClientHello(
        "node.example.com", ("teleport-dial", "http/1.1")
    )


def test_absent_extensions_are_empty() -> None:
    assert parse(hello(None, ())) == ClientHello("", ())


def test_bytes_behind_it_do_not_matter() -> None:
    assert parse(hello() + b"more") == parse(hello())


@pytest.mark.parametrize("size", [1, 4, 100])
def test_may_be_cut_into_records(size: int) -> None:
    assert parse(in_records(hello(), size)) == parse(hello())


def test_every_prefix_asks_for_more_and_for_no_more_than_there_is() -> None:
    data = hello()
    for length in range(len(data)):
        answer = parse(data[:length])
        assert isinstance(answer, Incomplete)
        assert length < answer.needed <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\x00\x02\x01\x00",  # an alert
        b"\x16\x02\x01\x00\x02\x01\x00",  # a version that never was
        b"\x16\x03\x01\x00\x00",  # an empty record
        b"\x16\x03\x01\xff\xff",  # longer than records are
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",  # a ServerHello
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",  # announces 16 MiB
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",  # ends in its version
    ],
)
def test_refuses(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(data)


def test_never_asks_for_more_than_the_limit() -> None:
    record = b"\x16\x03\x01\x40\x00" + b"\x01\x00\x3f\xff" + bytes(0x4000 - 4)
    answer = None
    with pytest.raises(RemoteProtocolError):
        answer = parse(record * 4)
    assert answer is None


@given(st.binary(max_size=2048))
def test_any_bytes_give_an_answer_or_our_error(data: bytes) -> None:
    check(data)


@given(st.data())
def test_any_damage_gives_an_answer_or_our_error(data: st.DataObject) -> None:
    changed = bytearray(HELLO)
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(changed[: data.draw(st.integers(0, len(changed)))]))


HELLO = hello()


def check(data: bytes) -> None:
    try:
        answer = parse(data)
    except RemoteProtocolError:
        return
    if isinstance(answer, Incomplete):
        assert len(data) < answer.needed <= MAX_SIZE
