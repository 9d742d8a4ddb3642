from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from roles import role

from teleport.foundation.errors import BadParameter
from teleport.model.codec import decode_document
from teleport.model.identity import Identity
from teleport.model.resources.access_request import AccessRequest, AccessReview
from teleport.model.resources.role import Role
from teleport.policy.access_requests import (
    annotations_for,
    durations,
    is_in_force,
    may_request,
    requestable,
    thresholds_for,
)
from teleport.policy.decision import Code
from teleport.policy.reviews import apply_review, may_review
from teleport.policy.role_set import RoleSet

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def asker(*roles: Role, **traits: list[str]) -> RoleSet:
    return RoleSet.of(roles, traits, "alice")


def asking(name: str = "dev", deny: dict[str, Any] | None = None, **request: Any) -> Role:
    return role(name, allow={"request": request} if request else {}, deny={"request": deny} if deny else {})


CLAIMS = [{"claim": "groups", "value": "^team-(.*)$", "roles": ["$1-admin"]}]


@pytest.mark.parametrize(
    ("roles", "name", "expected"),
    [
        ([asking(roles=["db"])], "db", Code.REQUEST_ALLOWED),
        ([asking(roles=["db"])], "web", Code.REQUEST_NOT_ALLOWED),
        ([asking(roles=["db-*"])], "db-x", Code.REQUEST_ALLOWED),
        ([asking(roles=["^(a|b)$"])], "a", Code.REQUEST_ALLOWED),
        ([asking(roles=['{{regexp.match("^db")}}'])], "db2", Code.REQUEST_ALLOWED),
        ([asking(roles=['{{regexp.not_match("^db")}}'])], "db2", Code.REQUEST_NOT_ALLOWED),
        ([asking(roles=["{{external.groups}}"])], "team-web", Code.REQUEST_NOT_ALLOWED),  # traits are not expanded
        ([asking(claims_to_roles=CLAIMS)], "web-admin", Code.REQUEST_ALLOWED),
        ([asking(claims_to_roles=CLAIMS)], "db-admin", Code.REQUEST_NOT_ALLOWED),
        ([asking(roles=["*"]), asking("no", deny={"roles": ["db*"]})], "db", Code.REQUEST_DENIED),
        ([asking(roles=["*"]), asking("no", deny={"claims_to_roles": CLAIMS})], "web-admin", Code.REQUEST_DENIED),
        ([asking(roles=["*"]), asking("no", deny={"roles": ["db*"]})], "web", Code.REQUEST_ALLOWED),
        ([role("plain")], "db", Code.REQUEST_NOT_ALLOWED),
    ],
)
def test_what_may_be_requested(roles: list[Role], name: str, expected: Code) -> None:
    for order in (roles, roles[::-1]):
        assert requestable(asker(*order, groups=["team-web"])).may_request(name).reason.code is expected


def test_a_deny_that_cannot_be_read_denies_all_requests() -> None:
    broken = asking("no", deny={"roles": ["x"]})
    assert broken.spec.deny.request is not None
    broken.spec.deny.request.roles = ["^($"]
    assert not requestable(asker(asking(roles=["*"]), broken)).may_request("db").allowed


def test_search_as_roles_are_literal_less_what_is_denied() -> None:
    roles = asker(
        asking(search_as_roles=["a", "b*", "c", "d"]),
        asking("no", deny={"search_as_roles": ["a"], "roles": ["c*"]}),
    )
    assert requestable(roles).search_as_roles == ("b*", "d")


def test_a_reason_is_wanted_only_by_roles_that_grant_the_request() -> None:
    strict = asking("strict", roles=["db"], reason={"mode": "required"})
    other = asking("other", roles=["web"])
    assert may_request(asker(strict, other), ["web"], "").allowed
    assert may_request(asker(strict, other), ["db"], " ").reason.code is Code.REASON_MISSING
    assert may_request(asker(strict, other), ["db", "web"], "ticket 7").roles == ("other", "strict")


def test_annotations_come_from_granting_roles_less_what_is_denied() -> None:
    roles = asker(
        asking("a", roles=["db"], annotations={"team": ["{{external.team}}", "x"], "pager": ["p"]}),
        asking("b", roles=["web"], annotations={"team": ["web"]}),
        asking("c", deny={"annotations": {"team": ["x"], "pager": ["p"]}}),
        team=["blue"],
    )
    assert annotations_for(roles, ["db"]) == {"team": ["blue"]}


@pytest.mark.parametrize(
    ("limits", "asked", "session_ttl", "role_ttl", "left", "expected"),
    [
        ([], None, None, "30h", 10 * HOUR, 10 * HOUR),
        ([], None, None, "4h", 10 * HOUR, 4 * HOUR),
        ([], None, 2 * HOUR, "4h", 10 * HOUR, 2 * HOUR),
        (["3h"], None, None, "4h", 10 * HOUR, 3 * HOUR),
        (["3h", "2h"], None, None, "4h", 10 * HOUR, 2 * HOUR),
        (["3h"], HOUR, None, "4h", 10 * HOUR, HOUR),
        (["3h"], 9 * HOUR, None, "4h", 10 * HOUR, 3 * HOUR),
        ([], HOUR, None, "4h", 10 * HOUR, HOUR),
        (["20d"], None, None, "30h", 100 * DAY, 30 * HOUR),
    ],
)
def test_durations(
    limits: list[str],
    asked: timedelta | None,
    session_ttl: timedelta | None,
    role_ttl: str,
    left: timedelta,
    expected: timedelta,
) -> None:
    roles = asker(*[asking(f"r{n}", roles=["db"], max_duration=limit) for n, limit in enumerate(limits)], role("x"))
    identity = Identity(username="alice", cluster="c", expires=NOW + left)
    wanted = [role("db", options={"max_session_ttl": role_ttl})]
    found = durations(roles, wanted, identity, NOW, max_duration=asked, session_ttl=session_ttl)
    assert found.access_until - NOW == expected
    assert found.pending_until - NOW == HOUR


def test_a_request_waits_no_longer_than_the_login_and_the_roles() -> None:
    roles, wanted = asker(asking(roles=["db"])), [role("db", options={"max_session_ttl": "4h"})]
    identity = Identity(username="alice", cluster="c", expires=NOW + timedelta(minutes=30))
    assert durations(roles, wanted, identity, NOW).pending_until == identity.expires
    with pytest.raises(BadParameter, match="at most"):
        durations(roles, wanted, identity, NOW, request_ttl=HOUR)
    with pytest.raises(BadParameter, match="has ended"):
        durations(roles, wanted, identity, NOW + DAY)


# reviews

DUAL = [
    {"name": "two teams", "approve": 2, "deny": 1, "filter": 'contains(reviewer.roles, "lead")'},
]


def request_of(who: RoleSet, *roles: str) -> AccessRequest:
    thresholds, mapping = thresholds_for(who, roles)
    document: dict[str, Any] = {
        "kind": "access_request",
        "version": "v3",
        "metadata": {"name": "req"},
        "spec": {"user": "alice", "roles": list(roles), "state": "PENDING", "request_reason": "fix"},
    }
    made = cast("AccessRequest", decode_document(document))
    made.spec.thresholds, made.spec.role_threshold_mapping = thresholds, mapping
    return made


def reviewer(name: str, *names: str, where: str = "", **traits: list[str]) -> RoleSet:
    allow = {"review_requests": {"roles": ["*"], "where": where}}
    return RoleSet.of([role(one, allow=allow) for one in names], traits, name)


def review(state: str, **parts: Any) -> AccessReview:
    return AccessReview(author="anyone", proposed_state=cast("Any", state), **parts)


def states(request: AccessRequest, *reviews: tuple[RoleSet, str]) -> list[str]:
    seen: list[str] = []
    for who, state in reviews:
        request = apply_review(request, review(state), who)
        seen.append(request.spec.state)
    return seen


A, B, C = reviewer("a", "lead"), reviewer("b", "lead"), reviewer("c", "other")


def test_one_approval_decides_where_nothing_else_is_said() -> None:
    request = request_of(asker(asking(roles=["db"])), "db")
    assert states(request, (A, "APPROVED")) == ["APPROVED"]
    assert states(request, (A, "DENIED")) == ["DENIED"]


def test_dual_authorisation_counts_two_people_that_the_filter_accepts() -> None:
    request = request_of(asker(asking(roles=["db"], thresholds=DUAL)), "db")
    assert states(request, (A, "APPROVED"), (B, "APPROVED")) == ["PENDING", "APPROVED"]
    assert states(request, (C, "APPROVED"), (A, "APPROVED")) == ["PENDING", "PENDING"]
    assert states(request, (A, "APPROVED"), (A, "APPROVED")) == ["PENDING", "PENDING"]
    assert states(request, (A, "APPROVED"), (B, "DENIED")) == ["PENDING", "DENIED"]
    assert states(request, (C, "DENIED")) == ["PENDING"]


def test_two_teams_by_two_thresholds_of_two_roles() -> None:
    """A role granted by two directives needs a threshold of each."""
    security = [{"name": "security", "filter": 'contains(reviewer.traits["team"], "security")'}]
    platform = [{"name": "platform", "filter": 'contains(reviewer.traits["team"], "platform")'}]
    who = asker(asking("s", roles=["db"], thresholds=security), asking("p", roles=["db"], thresholds=platform))
    request = request_of(who, "db")
    one, two = reviewer("x", "r", team=["security"]), reviewer("y", "r", team=["platform"])
    assert states(request, (one, "APPROVED"), (two, "APPROVED")) == ["PENDING", "APPROVED"]


def test_every_requested_role_needs_its_threshold() -> None:
    who = asker(asking("a", roles=["db"], thresholds=DUAL), asking("b", roles=["web"]))
    assert states(request_of(who, "db", "web"), (C, "APPROVED"), (A, "APPROVED"), (B, "APPROVED")) == [
        "PENDING",
        "PENDING",
        "APPROVED",
    ]
    assert states(request_of(who, "db", "web"), (C, "DENIED")) == ["DENIED"]


def test_a_filter_that_cannot_be_read_counts_nobody() -> None:
    request = request_of(asker(asking(roles=["db"])), "db")
    request.spec.thresholds[0] = msgspec.structs.replace(request.spec.thresholds[0], filter="nonsense(")
    assert states(request, (A, "APPROVED")) == ["PENDING"]


def test_a_review_cannot_say_who_wrote_it_or_what_it_counts_for() -> None:
    request = request_of(asker(asking(roles=["db"], thresholds=DUAL)), "db")
    forged = AccessReview(author="b", roles=["lead"], proposed_state="APPROVED", threshold_indexes=[0])
    (kept,) = apply_review(request, forged, C).spec.reviews
    assert (kept.author, kept.roles, kept.threshold_indexes) == ("c", ["other"], [])


def test_a_request_without_thresholds_is_never_approved_by_itself() -> None:
    request = request_of(asker(asking(roles=["db"])), "db")
    request.spec.role_threshold_mapping = {}
    assert states(request, (A, "APPROVED")) == ["PENDING"]


@pytest.mark.parametrize("state", ["PENDING", "NONE", "PROMOTED"])
def test_a_review_approves_or_denies(state: str) -> None:
    with pytest.raises(BadParameter, match="APPROVED or DENIED"):
        apply_review(request_of(asker(asking(roles=["db"])), "db"), review(state), A)


def test_who_may_review() -> None:
    who = asker(asking(roles=["db"]))
    request = request_of(who, "db")
    assert may_review(A, request).allowed
    own = RoleSet.of([role("lead", allow={"review_requests": {"roles": ["*"]}})], {}, "alice")
    assert may_review(own, request).reason.code is Code.REVIEW_OF_OWN
    reviewed = apply_review(request_of(asker(asking(roles=["db"], thresholds=DUAL)), "db"), review("APPROVED"), A)
    assert may_review(A, reviewed).reason.code is Code.REVIEWED_ALREADY
    assert may_review(B, apply_review(request, review("APPROVED"), A)).reason.code is Code.REQUEST_NOT_PENDING
    assert may_review(RoleSet.of([role("none")], {}, "n"), request).reason.code is Code.REVIEW_NOT_ALLOWED


@pytest.mark.parametrize(
    ("allow", "deny", "roles", "expected"),
    [
        ({"roles": ["db"]}, None, ["db"], True),
        ({"roles": ["db"]}, None, ["db", "web"], False),
        ({"roles": ["*"]}, {"roles": ["db"]}, ["db"], False),
        ({"roles": ["*"]}, {"roles": ["db"]}, ["web", "db"], False),
        ({"roles": ["*"], "where": 'contains(request.roles, "db")'}, None, ["db"], True),
        ({"roles": ["*"], "where": 'contains(request.roles, "db")'}, None, ["web"], False),
        ({"roles": ["*"], "where": 'request.reason == "fix"'}, None, ["web"], True),
        ({"roles": ["*"], "where": "nonsense("}, None, ["web"], False),
        ({"roles": ["*"]}, {"roles": ["*"], "where": "nonsense("}, ["web"], False),
    ],
)
def test_review_rules(allow: dict[str, Any], deny: dict[str, Any] | None, roles: list[str], expected: bool) -> None:
    denied = {"review_requests": deny} if deny else {}
    who = RoleSet.of([role("r", allow={"review_requests": allow}, deny=denied)], {}, "bob")
    request = request_of(asker(asking(roles=["*"])), *roles)
    assert may_review(who, request).allowed is expected


def test_in_force_is_approved_begun_and_not_over() -> None:
    request = request_of(asker(asking(roles=["db"])), "db")
    assert not is_in_force(request, "alice", NOW)
    request.spec.state = "APPROVED"
    assert is_in_force(request, "alice", NOW)
    assert not is_in_force(request, "bob", NOW)
    request.spec.assume_start_time = NOW + HOUR
    assert not is_in_force(request, "alice", NOW)
    assert is_in_force(request, "alice", NOW + HOUR)
    request.spec.expires = NOW + 2 * HOUR
    assert not is_in_force(request, "alice", NOW + 2 * HOUR)


PEOPLE = [reviewer(name, "lead" if name in "abc" else "other") for name in "abcde"]


@given(
    st.lists(
        st.fixed_dictionaries({"approve": st.integers(1, 3), "deny": st.integers(1, 3)}, optional={
            "filter": st.sampled_from(['contains(reviewer.roles, "lead")', "true", "false"])}),
        min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["APPROVED", "DENIED"])), max_size=6),
)  # fmt: skip
def test_fewer_approvals_than_the_least_threshold_never_approve(
    thresholds: list[dict[str, Any]], given_reviews: list[tuple[int, str]]
) -> None:
    request = request_of(asker(asking(roles=["db"], thresholds=thresholds)), "db")
    for person, state in given_reviews:
        if request.spec.state == "PENDING" and may_review(PEOPLE[person], request).allowed:
            request = apply_review(request, review(state), PEOPLE[person])
    approving = {one.author for one in request.spec.reviews if one.proposed_state == "APPROVED"}
    if request.spec.state == "APPROVED":
        assert len(approving) >= min(one["approve"] for one in thresholds)
    assert len({one.author for one in request.spec.reviews}) == len(request.spec.reviews)
