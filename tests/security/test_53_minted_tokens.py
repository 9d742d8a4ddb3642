"""Rule 53: what admits a connection cannot be minted, read or used elsewhere by others."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from authorities import NOW

from teleport.credentials import jwt, tokens
from teleport.credentials.join import shared_token
from teleport.credentials.join.shared_token import JoinRequest
from teleport.credentials.keys import PrivateKey
from teleport.credentials.sealing import Box, new_key
from teleport.foundation.errors import NotAuthenticated
from teleport.model.resource import Metadata
from teleport.model.resources.token import Token, TokenSpec

SECRET = tokens.random_token()


class Claims(msgspec.Struct):
    sub: str


def test_a_token_for_one_place_does_not_open_another() -> None:
    box = Box(new_key())
    sealed = box.seal(b"alice", "terminal of node 1")
    for purpose in ("terminal of node 2", "", "terminal of node 1 "):
        with pytest.raises(NotAuthenticated):
            box.open(sealed, purpose)


def test_others_neither_read_nor_mint_a_sealed_token() -> None:
    own, other = Box(new_key()), Box(new_key())
    sealed = own.seal(b"alice may connect", "connect")
    assert b"alice" not in sealed
    with pytest.raises(NotAuthenticated):
        other.open(sealed, "connect")
    with pytest.raises(NotAuthenticated):
        own.open(other.seal(b"mallory may connect", "connect"), "connect")


def test_a_signed_token_for_one_audience_does_not_serve_another() -> None:
    key = PrivateKey.generate("ecdsa-p256")
    said = {"iss": "example", "aud": ["app-1"], "sub": "alice", "exp": int((NOW + timedelta(minutes=1)).timestamp())}
    token = jwt.sign(said, key)
    for audience in ("app-2", "", "app-", "app-11"):
        with pytest.raises(NotAuthenticated, match="meant for"):
            jwt.verify(token, [key.public], Claims, audience=audience, issuer="example", now=NOW)


@pytest.mark.parametrize(
    "guess",
    ["", SECRET[:-1], SECRET.upper(), SECRET + "0", "*", "%", SECRET[:-1] + "\x00"],
    ids=["empty", "shorter", "upper", "longer", "star", "percent", "zero"],
)
def test_a_join_token_is_matched_whole(guess: str) -> None:
    token = Token(metadata=Metadata(name=SECRET), spec=TokenSpec(roles=["Node"]))
    request = JoinRequest(token=guess, role="Node", host_id="id")
    if guess == SECRET:
        return
    assert not shared_token.check(token, request, NOW).allowed


def test_what_a_store_keeps_of_a_token_does_not_lead_back() -> None:
    assert SECRET not in tokens.digest(SECRET)
    assert tokens.digest(SECRET) != SECRET[::-1]
    assert len(tokens.digest(SECRET)) == 64
