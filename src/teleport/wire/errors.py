"""The two ways a protocol goes wrong, and the value that says: not enough bytes yet."""

from __future__ import annotations

from typing import NamedTuple


class ProtocolError(Exception):
    """The bytes or the order of messages break the protocol."""


class LocalProtocolError(ProtocolError):
    """We asked a codec for something its protocol does not allow: a bug of ours."""


class RemoteProtocolError(ProtocolError):
    """The other side sent what its protocol does not allow: drop the connection, trust nothing it said."""


class Incomplete(NamedTuple):
    """More bytes must come. `needed` counts from the first byte; asking again with fewer is wasted work."""

    needed: int
