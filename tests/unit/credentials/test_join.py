from __future__ import annotations

from datetime import timedelta

import pytest
from authorities import NOW

from teleport.credentials.join import methods, shared_token
from teleport.credentials.join.shared_token import JoinRequest
from teleport.foundation.errors import BadParameter, Unsupported
from teleport.model.resource import Metadata
from teleport.model.resources.token import JOIN_METHODS, Token, TokenSpec, TokenStatus

SECRET = "6f1ed002ab5595859014ebf0951522d9"


def token(
    name: str = SECRET,
    *,
    roles: tuple[str, ...] = ("Node",),
    hours: int = 1,
    uses: int = 0,
    used: int = 0,
    method: str = "",
) -> Token:
    return Token(
        metadata=Metadata(name=name, expires=NOW + timedelta(hours=hours)),
        spec=TokenSpec(roles=list(roles), uses=uses, join_method=method),
        status=TokenStatus(used=used),
    )


def request(role: str = "Node", *, secret: str = SECRET, host_id: str = "id", method: str = "token") -> JoinRequest:
    return JoinRequest(token=secret, role=role, host_id=host_id, method=method)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (token(), request()),
        (token(roles=("proxy", "Node")), request("Proxy")),
        (token(uses=2, used=1), request()),
        (token(method="token"), request(method="")),
    ],
)
def test_a_good_token_lets_in(given: Token, asked: JoinRequest) -> None:
    assert shared_token.check(given, asked, NOW) == shared_token.JoinDecision(allowed=True)


REFUSED = [
    (None, request(), "no such token"),
    (token("another"), request(), "no such token"),
    (token(hours=0), request(), "expired"),
    (token(hours=-1), request(), "expired"),
    (token(uses=1, used=1), request(), "used 1 times"),
    (token(), request("Proxy"), "'Proxy' is not among"),
    (token(roles=("Proxy", "Auth")), request("Node"), "'Node' is not among"),
    (token(method="iam"), request(), "join method iam"),
    (token(), request(method="iam"), "iam was asked for"),
    (token(), request(host_id=""), "no id"),
]


@pytest.mark.parametrize(("given", "asked", "reason"), REFUSED)
def test_a_refusal_tells_the_log_why_and_the_stranger_nothing(
    given: Token | None, asked: JoinRequest, reason: str
) -> None:
    decision = shared_token.check(given, asked, NOW)
    assert not decision.allowed
    assert reason in decision.reason
    assert decision.message == shared_token.REFUSAL
    assert SECRET not in decision.reason + decision.message


def test_every_method_of_the_model_is_on_the_page() -> None:
    assert {method.name for method in methods.METHODS} == set(JOIN_METHODS)
    for method in methods.METHODS:
        assert not method.block or method.block in TokenSpec.__struct_fields__


def test_a_method_is_found_or_refused_by_name() -> None:
    assert methods.method_named("").name == "token"
    with pytest.raises(Unsupported, match="tpm"):
        methods.method_named("tpm")
    with pytest.raises(BadParameter, match="pigeon"):
        methods.method_named("pigeon")
