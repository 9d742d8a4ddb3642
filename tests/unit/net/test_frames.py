"""Length-prefixed messages."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.net.frames import MAX_FRAME, FrameDecoder, encode
from teleport.tunnel.messages import Assign, Connect, FromProxy, IncomingRequest, Ping
from teleport.wire.errors import LocalProtocolError, RemoteProtocolError

MESSAGES: list[FromProxy] = [Ping(), Connect(3), Assign("d", IncomingRequest(kind="node", resource_id="x")), Ping()]


def decoder() -> FrameDecoder[FromProxy]:
    return FrameDecoder(msgspec.json.Decoder(FromProxy))


@given(st.lists(st.integers(1, 40), max_size=30))
def test_however_the_stream_is_cut_the_messages_are_the_same(cuts: list[int]) -> None:
    data = b"".join(encode(message) for message in MESSAGES)
    reading = decoder()
    received: list[FromProxy] = []
    for cut in [*cuts, len(data)]:
        received += reading.feed(data[:cut])
        data = data[cut:]
    assert received == MESSAGES
    assert reading.pending == 0


@pytest.mark.parametrize(
    "data",
    [
        (MAX_FRAME + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02{}",
        b"\x00\x00\x00\x02\xff\xff",
        b"\x00\x00\x00\x00",
        encode(IncomingRequest(kind="node", resource_id="x")),  # a message that has no place here
    ],
)
def test_refuses(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decoder().feed(data)


def test_deep_nesting_is_refused() -> None:
    body = b"[" * 60_000
    with pytest.raises(RemoteProtocolError):
        decoder().feed(len(body).to_bytes(4, "big") + body)


def test_a_message_too_large_is_our_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        encode(Assign("x" * MAX_FRAME, IncomingRequest(kind="node", resource_id="x")))


@given(st.binary(max_size=400))
def test_any_bytes_give_messages_or_our_error(data: bytes) -> None:
    reading = decoder()
    try:
        reading.feed(data)
    except RemoteProtocolError:
        return
    assert reading.pending <= len(data)
