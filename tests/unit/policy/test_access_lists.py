"""Access lists: members and owners, nested lists, requirements, ends, grants, reviews that are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Metadata
from teleport.model.resources.access_list import (
    AccessList,
    AccessListMember,
    AccessListMemberSpec,
    AccessListSpec,
    Audit,
    Grants,
    Notifications,
    Owner,
    Recurrence,
    Requires,
)
from teleport.model.values import Duration
from teleport.policy.access_lists import LIST, MAX_DEPTH, AccessLists, Person, is_review_due, next_audit
from teleport.policy.decision import Code

NOW = datetime(2030, 1, 15, tzinfo=UTC)
ALICE = Person(name="alice", roles=("dev",), traits={"team": ("blue",)})


def listed(name: str, *owners: str, **fields: Any) -> AccessList:
    """Owners written `@name` are lists."""
    spec = AccessListSpec(title=name, owners=[owner(one) for one in owners or ("boss",)], **fields)
    spec.grants = spec.grants or Grants(roles=[f"role-{name}"])
    return AccessList(metadata=Metadata(name=name), spec=spec)


def owner(text: str) -> Owner:
    return Owner(name=text.lstrip("@"), membership_kind=LIST if text.startswith("@") else "")


def member(inside: str, name: str, expires: datetime | None = None) -> AccessListMember:
    spec = AccessListMemberSpec(
        access_list=inside,
        name=name.lstrip("@"),
        expires=expires,
        membership_kind=LIST if name.startswith("@") else "",
    )
    return AccessListMember(metadata=Metadata(name=spec.name), spec=spec)


def chain(length: int) -> AccessLists:
    """l0 has l1 as member, l1 has l2, ...; alice is in the last."""
    lists = [listed(f"l{number}") for number in range(length + 1)]
    inside = [member(f"l{number}", f"@l{number + 1}") for number in range(length)]
    return AccessLists(lists, [*inside, member(f"l{length}", "alice")])


class TestMembers:
    def test_direct(self) -> None:
        lists = AccessLists([listed("a"), listed("b")], [member("a", "alice"), member("b", "bob")])
        assert lists.membership(ALICE, "a", NOW).reason.code is Code.LIST_MEMBER
        assert lists.membership(ALICE, "b", NOW).reason.code is Code.NOT_IN_LIST
        assert lists.membership(ALICE, "absent", NOW).reason.code is Code.NOT_IN_LIST
        assert lists.grants(ALICE, NOW).roles == ("role-a",)

    @pytest.mark.parametrize(("hours", "expected"), [(1, True), (0, False), (-1, False)])
    def test_until_the_membership_ends(self, hours: int, expected: bool) -> None:
        end = NOW + timedelta(hours=hours)
        decision = AccessLists([listed("a")], [member("a", "alice", end)]).membership(ALICE, "a", NOW)
        assert decision.allowed is expected
        if not expected:
            assert decision.reason.code is Code.MEMBERSHIP_EXPIRED

    def test_the_end_of_the_object_counts_too(self) -> None:
        ended = member("a", "alice")
        ended.metadata.expires = NOW
        assert not AccessLists([listed("a")], [ended]).membership(ALICE, "a", NOW).allowed
        over = listed("a")
        over.metadata.expires = NOW
        assert not AccessLists([over], [member("a", "alice")]).membership(ALICE, "a", NOW).allowed

    def test_a_list_called_like_a_person_is_not_that_person(self) -> None:
        lists = AccessLists([listed("a"), listed("alice")], [member("a", "@alice")])
        assert not lists.membership(ALICE, "a", NOW).allowed

    @pytest.mark.parametrize(
        ("requires", "unmet"),
        [
            (Requires(roles=["dev"]), None),
            (Requires(traits={"team": ["blue"]}), None),
            (Requires(roles=["dev", "ops"]), "membership_requires.roles"),
            (Requires(traits={"team": ["blue", "red"]}), "membership_requires.traits.team"),
            (Requires(traits={"level": []}), "membership_requires.traits.level"),
            (Requires(roles=["dev"], traits={"team": ["red"]}), "membership_requires.traits.team"),
        ],
    )
    def test_requirements(self, requires: Requires, unmet: str | None) -> None:
        lists = AccessLists([listed("a", membership_requires=requires)], [member("a", "alice")])
        decision = lists.membership(ALICE, "a", NOW)
        assert decision.allowed is (unmet is None)
        assert decision.reason.field == (unmet or "")
        assert bool(lists.grants(ALICE, NOW).roles) is (unmet is None)

    def test_what_lists_give_meets_no_requirement(self) -> None:
        gives = listed("a", grants=Grants(roles=["ops"]))
        wants = listed("b", membership_requires=Requires(roles=["ops"]))
        lists = AccessLists([gives, wants], [member("a", "alice"), member("b", "alice")])
        assert lists.grants(ALICE, NOW).member_of == ("a",)


class TestNesting:
    def test_through_other_lists(self) -> None:
        lists = chain(2)
        assert lists.grants(ALICE, NOW).roles == ("role-l0", "role-l1", "role-l2")
        assert lists.membership(ALICE, "l0", NOW).reason.detail == "l1 > l2"

    @pytest.mark.parametrize(("depth", "expected"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
    def test_up_to_ten_levels(self, depth: int, expected: bool) -> None:
        lists = chain(depth)
        assert lists.membership(ALICE, "l0", NOW).allowed is expected
        if expected:
            lists.check_nesting()
        else:
            with pytest.raises(BadParameter, match="deeper than 10"):
                lists.check_nesting()

    def test_cycles_are_refused_and_do_no_harm(self) -> None:
        lists = AccessLists([listed("a"), listed("b")], [member("a", "@b"), member("b", "@a"), member("b", "alice")])
        with pytest.raises(BadParameter, match="a > b > a"):
            lists.check_nesting()
        assert lists.grants(ALICE, NOW).member_of == ("a", "b")
        with pytest.raises(BadParameter, match="a > a"):
            AccessLists([listed("a")], [member("a", "@a")]).check_nesting()

    def test_owners_nest_too(self) -> None:
        with pytest.raises(BadParameter, match="contain each other"):
            AccessLists([listed("a", "@b"), listed("b", "@a")], []).check_nesting()

    def test_requirements_of_every_list_on_the_way(self) -> None:
        inner = listed("inner", membership_requires=Requires(roles=["ops"]))
        lists = AccessLists([listed("outer"), inner], [member("outer", "@inner"), member("inner", "alice")])
        decision = lists.membership(ALICE, "outer", NOW)
        assert (decision.allowed, decision.reason.code, decision.reason.name) == (
            False,
            Code.REQUIREMENT_UNMET,
            "inner",
        )
        outer = listed("outer", membership_requires=Requires(roles=["ops"]))
        lists = AccessLists([outer, listed("inner")], [member("outer", "@inner"), member("inner", "alice")])
        assert lists.grants(ALICE, NOW).member_of == ("inner",)

    def test_the_membership_of_a_list_ends(self) -> None:
        lists = AccessLists(
            [listed("outer"), listed("inner")], [member("outer", "@inner", NOW), member("inner", "alice")]
        )
        assert lists.grants(ALICE, NOW).member_of == ("inner",)

    def test_many_ways_cost_no_more_than_one(self) -> None:
        names = [[f"{level}-{number}" for number in range(12)] for level in range(10)]
        lists = [listed(name) for level in names for name in level]
        inside = [member(a, f"@{b}") for n in range(9) for a in names[n] for b in names[n + 1]]
        whole = AccessLists(lists, [*inside, member("9-0", "alice")])
        whole.check_nesting()
        assert len(whole.grants(ALICE, NOW).member_of) == 9 * 12 + 1

    def test_a_list_that_is_referred_to(self) -> None:
        lists = AccessLists([listed("a"), listed("b"), listed("c", "@a")], [member("b", "@a")])
        assert lists.referring("a") == ("b", "c")
        assert lists.referring("b") == ()


class TestOwners:
    def test_direct_and_through_a_list(self) -> None:
        direct = listed("a", "alice", owner_grants=Grants(roles=["owner"]))
        through = listed("b", "@team", owner_grants=Grants(roles=["lead"]))
        lists = AccessLists([direct, through, listed("team")], [member("team", "alice")])
        assert lists.ownership(ALICE, "a", NOW).allowed
        assert lists.ownership(ALICE, "b", NOW).reason.detail == "team"
        granted = lists.grants(ALICE, NOW)
        assert granted.owner_of == ("a", "b")
        assert set(granted.roles) == {"owner", "lead", "role-team"}

    def test_requirements_of_owners(self) -> None:
        lists = AccessLists([listed("a", "alice", ownership_requires=Requires(roles=["ops"]))], [])
        assert lists.ownership(ALICE, "a", NOW).reason.field == "ownership_requires.roles"
        assert lists.grants(ALICE, NOW).owner_of == ()

    def test_an_owner_is_no_member(self) -> None:
        lists = AccessLists([listed("a", "alice")], [])
        assert not lists.membership(ALICE, "a", NOW).allowed
        assert lists.grants(ALICE, NOW).roles == ()


def test_traits_of_all_lists_together() -> None:
    one = listed("a", grants=Grants(roles=["x"], traits={"team": ["red", "blue"]}))
    other = listed("b", grants=Grants(traits={"team": ["blue", "green"], "level": ["1"]}))
    granted = AccessLists([one, other], [member("a", "alice"), member("b", "alice")]).grants(ALICE, NOW)
    assert granted.traits == {"team": ("red", "blue", "green"), "level": ("1",)}


def test_the_next_end() -> None:
    soon, later = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    lists = AccessLists(
        [listed("a"), listed("b"), listed("c")],
        [member("a", "alice", later), member("b", "bob", soon), member("c", "@a", soon + timedelta(minutes=5))],
    )
    assert lists.next_end(NOW) == soon
    assert lists.next_end(soon) == soon + timedelta(minutes=5)
    assert lists.next_end(later) is None


@pytest.mark.parametrize(
    ("frequency", "day", "expected"),
    [
        ("", "", "2030-07-01"),
        ("1month", "15", "2030-02-15"),
        ("1month", "last", "2030-02-28"),
        ("3months", "1", "2030-04-01"),
        ("1year", "last", "2031-01-31"),
    ],
)
def test_the_next_review(frequency: str, day: str, expected: str) -> None:
    audited = listed("a", audit=Audit(recurrence=Recurrence(frequency=frequency, day_of_month=day)))
    assert next_audit(audited, NOW).date().isoformat() == expected


def test_over_the_end_of_a_year() -> None:
    audited = listed("a", audit=Audit(recurrence=Recurrence(frequency="1month")))
    assert next_audit(audited, datetime(2030, 12, 31, tzinfo=UTC)).date().isoformat() == "2031-01-01"


@pytest.mark.parametrize(("days", "expected"), [(15, False), (14, True), (0, True), (-3, True)])
def test_notice_before_a_review(days: int, expected: bool) -> None:
    assert is_review_due(listed("a", audit=Audit(next_audit_date=NOW + timedelta(days=days))), NOW) is expected
    sooner = Audit(next_audit_date=NOW + timedelta(days=days), notifications=Notifications(start=Duration(days=30)))
    assert is_review_due(listed("a", audit=sooner), NOW)
    assert not is_review_due(listed("a"), NOW)


edges = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["alice", *(f"@{n}" for n in range(6))])), max_size=12)


@given(edges, st.tuples(st.integers(0, 5), st.sampled_from(["alice", "@1", "@4"])))
@settings(deadline=None)
def test_more_members_never_take_anything_away(given_edges: list[tuple[int, str]], more: tuple[int, str]) -> None:
    lists = [listed(str(number)) for number in range(6)]

    def belonging(pairs: list[tuple[int, str]]) -> set[str]:
        members = [member(str(inside), name) for inside, name in pairs]
        return set(AccessLists(lists, members).grants(ALICE, NOW).member_of)

    before = belonging(given_edges)
    assert before <= belonging([*given_edges, more])
    assert before == belonging(given_edges[::-1])
