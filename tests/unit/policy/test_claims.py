"""Claims of a provider: names, traits and roles; what is of another type is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.resources.role_conditions import ClaimMapping
from teleport.policy.claims import check_email, check_mappings, joined, name_of, roles_of, traits_of

JSON = st.sampled_from(
    [None, True, False, 0, 7, 1.5, "", "a", "dev", "true", [], ["dev"], ["a", 7], [["a"]], {"a": "b"}]
)
CLAIMS = st.dictionaries(st.sampled_from(["email", "email_verified", "groups", "sub", "x"]), JSON)


@pytest.mark.parametrize("verified", [True, "true"])
def test_a_verified_address(verified: object) -> None:
    check_email({"email": "a@example.com", "email_verified": verified})


@pytest.mark.parametrize("verified", [False, None, "false", "True", "yes", 1.5, 0, [], [True], {}, ""])
def test_an_address_that_is_not_verified(verified: object) -> None:
    with pytest.raises(AccessDenied, match="verified"):
        check_email({"email": "a@example.com", "email_verified": verified})


def test_an_address_of_which_nothing_is_said() -> None:
    with pytest.raises(AccessDenied, match="verified"):
        check_email({"email": "a@example.com"})
    check_email({"preferred_username": "a"})


@pytest.mark.parametrize(
    ("token", "userinfo", "expected"),
    [
        ({"sub": "1"}, {"sub": "2", "groups": ["g"]}, {"sub": "1", "groups": ["g"]}),
        ({"sub": "1", "groups": ["a"]}, {"groups": ["b"]}, {"sub": "1", "groups": ["a"]}),
        # nobody vouches for the address of another
        ({"email": "a"}, {"email": "b", "email_verified": True}, {"email": "a"}),
        ({"email_verified": True}, {"email": "b"}, {"email_verified": True}),
        ({}, {"email": "b", "email_verified": True}, {"email": "b", "email_verified": True}),
        ({}, {"iss": "x", "aud": "y", "nonce": "z"}, {}),
    ],
)
def test_token_and_userinfo(token: Any, userinfo: Any, expected: Any) -> None:
    assert joined(token, userinfo) == expected


@pytest.mark.parametrize("value", [None, "", 7, True, ["a"], {"a": 1}, " a", "a\n", "a\0", "a" * 256])
def test_what_is_no_name(value: object) -> None:
    with pytest.raises(AccessDenied, match="email"):
        name_of({"email": value}, "")


def test_the_claim_that_names() -> None:
    claims = {"email": "a@example.com", "preferred_username": "alice"}
    assert name_of(claims, "") == "a@example.com"
    assert name_of(claims, "preferred_username") == "alice"
    with pytest.raises(AccessDenied, match="missing"):
        name_of(claims, "upn")


@pytest.mark.parametrize(
    ("claims", "traits"),
    [
        ({"groups": "dev"}, {"groups": ("dev",)}),
        ({"groups": ["dev", "ops", "dev"]}, {"groups": ("dev", "ops")}),
        ({"groups": []}, {}),
        ({"groups": ["dev", 7]}, {}),
        ({"groups": {"dev": True}}, {}),
        ({"admin": True, "level": 7, "none": None}, {}),
        ({"iss": "x", "aud": "y", "nonce": "z", "sub": "42"}, {"sub": ("42",)}),
        ({"": "x", "empty": ""}, {}),
    ],
)
def test_traits(claims: dict[str, object], traits: dict[str, tuple[str, ...]]) -> None:
    assert traits_of(claims) == traits


def test_too_many_claims() -> None:
    with pytest.raises(AccessDenied, match="at most"):
        traits_of({f"c{number}": "x" for number in range(1025)})


@pytest.mark.parametrize(
    ("rows", "traits", "roles"),
    [
        ([("groups", "dev", ["access"])], {"groups": ("dev",)}, ("access",)),
        ([("groups", "dev", ["access"]), ("groups", "*", ["guest"])], {"groups": ("dev",)}, ("access", "guest")),
        ([("groups", "^team-(.*)$", ["$1"])], {"groups": ("team-a", "team-b")}, ("a", "b")),
        ([("groups", "team-*", ["$1-admin"])], {"groups": ("team-a",)}, ("a-admin",)),
    ],
)
def test_roles(rows: Any, traits: dict[str, tuple[str, ...]], roles: tuple[str, ...]) -> None:
    assert roles_of([ClaimMapping(claim=c, value=v, roles=r) for c, v, r in rows], traits) == roles


@pytest.mark.parametrize("traits", [{}, {"groups": ()}, {"groups": ("developers",)}, {"group": ("dev",)}])
def test_no_row_is_no_login(traits: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(AccessDenied, match="no row of claims_to_roles"):
        roles_of([ClaimMapping(claim="groups", value="dev", roles=["access"])], traits)


def test_a_row_that_cannot_be_read() -> None:
    rows = [ClaimMapping(claim="groups", value="^($", roles=["access"])]
    with pytest.raises(BadParameter, match=r"claims_to_roles\[0\]\.value"):
        check_mappings(rows)
    with pytest.raises(AccessDenied):
        roles_of(rows, {"groups": ("dev",)})


@given(CLAIMS, CLAIMS)
def test_whatever_a_provider_says_the_answer_is_typed(token: dict[str, object], userinfo: dict[str, object]) -> None:
    claims = joined(token, userinfo)
    assert all(claims[name] == value for name, value in token.items())
    for name, values in traits_of(claims).items():
        assert name
        assert values
        assert all(isinstance(one, str) and one for one in values)


@given(CLAIMS, st.lists(st.sampled_from(["dev", "ops", "adm"]), max_size=3))
def test_fewer_groups_never_give_more_roles(claims: dict[str, object], groups: list[str]) -> None:
    rows = [ClaimMapping(claim="groups", value=one, roles=[f"role-{one}"]) for one in ("dev", "ops", "adm")]

    def roles(held: list[str]) -> set[str]:
        try:
            return set(roles_of(rows, traits_of({**claims, "groups": held})))
        except AccessDenied:
            return set()

    for count in range(len(groups)):
        assert roles(groups[:count]) <= roles(groups)
