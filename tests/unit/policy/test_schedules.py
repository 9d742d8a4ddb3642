"""Time windows in roles: when they are open, when that changes, and what a role gives inside and outside of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roles import ANYTHING, node, role, role_set, unchecked

from teleport.model.resources.schedule import AccessWindow
from teleport.policy.access import AccessState, can_access_node, logins_for, visible
from teleport.policy.access_requests import may_request
from teleport.policy.actions import may
from teleport.policy.certificate import certificate_terms
from teleport.policy.decision import Code
from teleport.policy.role_set import RoleSet
from teleport.policy.schedules import is_open, next_change

FRIDAY = datetime(2030, 1, 4, tzinfo=UTC)
OFFICE = {"days": "weekdays", "hours": "09:00-18:00"}
OPEN_NODES = {"logins": ["root"], "node_labels": ANYTHING}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(**fields: Any) -> AccessWindow:
    made = AccessWindow()
    for name, value in fields.items():
        setattr(made, name, [value] if isinstance(value, str) else value)
    return made


def in_zone(zone: str, **fields: Any) -> AccessWindow:
    made = window(**fields)
    made.time_zone = zone
    return made


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        (window(days="weekdays", hours="09:00-18:00"), "2030-01-04T08:59:59", False),
        (window(days="weekdays", hours="09:00-18:00"), "2030-01-04T09:00", True),
        (window(days="weekdays", hours="09:00-18:00"), "2030-01-04T17:59:59", True),
        (window(days="weekdays", hours="09:00-18:00"), "2030-01-04T18:00", False),
        (window(days="weekdays", hours="09:00-18:00"), "2030-01-05T12:00", False),
        (window(days="weekends"), "2030-01-05T00:00", True),
        (window(days=["Mon", "friday"]), "2030-01-04T23:59", True),
        (window(hours=["00:00-01:00", "23:00-24:00"]), "2030-01-04T23:30", True),
        (window(hours=["00:00-01:00", "23:00-24:00"]), "2030-01-04T12:30", False),
        # passes midnight: the morning belongs to the evening before
        (window(days="fri", hours="22:00-06:00"), "2030-01-05T05:59", True),
        (window(days="fri", hours="22:00-06:00"), "2030-01-05T06:00", False),
        (window(days="fri", hours="22:00-06:00"), "2030-01-04T05:00", False),
        (window(dates="2030-01-04", hours="22:00-06:00"), "2030-01-05T05:00", True),
        (window(dates="2030-01-04"), "2030-01-04T12:00", True),
        (window(dates="2030-01-05/2030-01-06"), "2030-01-04T23:59", False),
        (window(dates="2030-01-05/2030-01-06"), "2030-01-06T23:59", True),
        # days and dates both
        (window(dates="2030-01-01/2030-01-31", days="fri"), "2030-01-05T12:00", False),
        (window(dates="2030-01-01/2030-01-31", days="fri"), "2030-01-25T12:00", True),
        # the zone decides what the hour and the day are
        (in_zone("Asia/Seoul", days="fri", hours="09:00-18:00"), "2030-01-04T00:00", True),
        (in_zone("Asia/Seoul", days="fri", hours="09:00-18:00"), "2030-01-04T09:00", False),
        (in_zone("Asia/Seoul", days="sat"), "2030-01-04T15:00", True),
        (in_zone("America/New_York", hours="09:00-18:00"), "2030-07-01T13:00", True),
        (in_zone("America/New_York", hours="09:00-18:00"), "2030-01-01T13:00", False),
    ],
)
def test_a_window(schedule: AccessWindow, moment: str, expected: bool) -> None:
    assert is_open([schedule], at(moment)) is expected


def test_any_window_opens_and_none_means_always() -> None:
    assert is_open([window(days="sat"), window(days="fri")], FRIDAY)
    assert is_open([], FRIDAY)


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        ([window(days="weekdays", hours="09:00-18:00")], "2030-01-04T10:00", "2030-01-04T18:00"),
        ([window(days="weekdays", hours="09:00-18:00")], "2030-01-04T18:00", "2030-01-07T09:00"),
        # one window ends where another begins
        ([window(hours="09:00-12:00"), window(hours="12:00-18:00")], "2030-01-04T10:00", "2030-01-04T18:00"),
        ([window(days="fri"), window(days="sat")], "2030-01-04T10:00", "2030-01-06T00:00"),
        ([window(days="*")], "2030-01-04T10:00", None),
        ([window(dates="2031-06-01")], "2030-01-04T10:00", "2031-06-01T00:00"),
        ([window(dates="2030-01-01/2032-12-31")], "2030-01-04T10:00", "2033-01-01T00:00"),
        ([window(dates="2029-01-01")], "2030-01-04T10:00", None),
        ([window(dates="2031-01-01/2031-12-31", days="sun")], "2030-01-04T10:00", "2031-01-05T00:00"),
        ([in_zone("Asia/Seoul", hours="09:00-18:00")], "2030-01-04T10:00", "2030-01-05T00:00"),
        # the hour 02:00-03:00 does not exist on this day, the clock goes from 01:59 to 03:00
        ([in_zone("Europe/Berlin", hours="02:30-06:00")], "2030-03-30T23:30", "2030-03-31T01:00"),
        # 02:30 comes twice on this day
        ([in_zone("Europe/Berlin", hours="02:30-02:45")], "2030-10-27T00:35", "2030-10-27T00:45"),
        ([in_zone("Europe/Berlin", hours="02:30-02:45")], "2030-10-27T00:50", "2030-10-27T01:30"),
    ],
)
def test_the_next_change(schedule: list[AccessWindow], moment: str, expected: str | None) -> None:
    assert next_change(schedule, at(moment)) == (at(expected) if expected else None)


windows = st.builds(
    in_zone,
    st.sampled_from(["UTC", "Asia/Seoul", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    days=st.lists(st.sampled_from(["mon", "fri", "weekends", "weekdays"]), max_size=2),
    hours=st.lists(st.sampled_from(["09:00-18:00", "22:00-06:00", "02:15-02:45", "00:00-24:00"]), max_size=2),
    dates=st.lists(st.sampled_from(["2030-03-30/2030-04-07", "2030-10-27", "2030-12-31/2031-01-01"]), max_size=1),
)
MOMENTS = [at("2030-03-30T00:00"), at("2030-10-26T00:00"), at("2030-04-06T00:00"), at("2030-12-30T00:00")]


@given(st.lists(windows, min_size=1, max_size=2), st.sampled_from(MOMENTS), st.integers(0, 2000))
@settings(deadline=None, max_examples=60)
def test_nothing_changes_before_the_next_change(schedule: list[AccessWindow], day: datetime, minutes: int) -> None:
    now = day + timedelta(minutes=minutes)
    present, change = is_open(schedule, now), next_change(schedule, now)
    until = min(change or now + timedelta(days=3), now + timedelta(days=3))
    moment = now
    while moment < until:
        assert is_open(schedule, moment) is present, moment
        moment += timedelta(minutes=15)
    if change is not None:
        assert is_open(schedule, change) is not present
        assert is_open(schedule, change - timedelta(seconds=1)) is present


class TestDecisions:
    def code(self, roles: RoleSet, moment: str | None, **labels: str) -> Code:
        state = AccessState(now=at(moment) if moment else None)
        return can_access_node(roles, node(**labels), "root", state).reason.code

    def test_an_allow_counts_in_its_hours(self) -> None:
        roles = role_set(role(allow=OPEN_NODES | {"schedule": OFFICE}))
        assert self.code(roles, "2030-01-04T12:00") is Code.ALLOWED_BY_ROLE
        assert self.code(roles, "2030-01-04T20:00") is Code.NOTHING_ALLOWS
        assert self.code(roles, "2030-01-05T12:00") is Code.NOTHING_ALLOWS

    def test_without_a_moment_an_allow_is_out_and_a_deny_is_in_force(self) -> None:
        assert self.code(role_set(role(allow=OPEN_NODES | {"schedule": OFFICE})), None) is Code.NOTHING_ALLOWS
        denies = role("no", deny={"node_labels": ANYTHING, "schedule": {"dates": ["2099-01-01"]}})
        assert self.code(role_set(role(allow=OPEN_NODES), denies), None) is Code.DENIED_BY_LABELS

    def test_another_role_still_allows(self) -> None:
        day = role("day", allow=OPEN_NODES | {"schedule": OFFICE})
        always = role("always", allow={"logins": ["root"], "node_labels": {"env": "dev"}})
        roles = role_set(day, always)
        assert self.code(roles, "2030-01-05T12:00", env="dev") is Code.ALLOWED_BY_ROLE
        assert self.code(roles, "2030-01-05T12:00", env="prod") is Code.NOTHING_ALLOWS

    def test_a_deny_counts_in_its_hours(self) -> None:
        roles = role_set(
            role(allow=OPEN_NODES),
            role("quiet", deny={"node_labels": {"env": "prod"}, "schedule": {"days": "weekends"}}),
        )
        assert self.code(roles, "2030-01-05T12:00", env="prod") is Code.DENIED_BY_LABELS
        assert self.code(roles, "2030-01-05T12:00", env="dev") is Code.ALLOWED_BY_ROLE
        assert self.code(roles, "2030-01-04T12:00", env="prod") is Code.ALLOWED_BY_ROLE

    def test_a_deny_of_hours_alone_denies_everything_then(self) -> None:
        roles = role_set(role(allow=OPEN_NODES), role("closed", deny={"schedule": {"days": "weekends"}}))
        assert self.code(roles, "2030-01-05T12:00") is Code.DENIED_BY_SCHEDULE
        assert self.code(roles, "2030-01-04T12:00") is Code.ALLOWED_BY_ROLE
        assert not visible(roles.at(at("2030-01-05T12:00")), node())
        assert logins_for(roles.at(at("2030-01-05T12:00")), node()) == []
        told = can_access_node(roles, node(), "root", AccessState(now=at("2030-01-05T12:00"))).message_for_user()
        assert told == 'access to node denied: role "closed" denies all access at this time (weekends UTC).'

    @pytest.mark.parametrize("version", ["v3", "v4", "v7"])
    def test_outside_its_hours_no_version_opens_anything_by_default(self, version: str) -> None:
        roles = role_set(role(allow={"logins": ["root"], "schedule": OFFICE}, version=version))
        for moment in (None, at("2030-01-05T12:00")):
            assert not visible(roles.at(moment), node())
        if version == "v3":
            assert visible(roles.at(at("2030-01-04T12:00")), node())

    def test_options_hold_at_any_hour(self) -> None:
        roles = role_set(role(options={"max_sessions": 2}, allow=OPEN_NODES | {"schedule": OFFICE}))
        assert roles.options.max_sessions == roles.at(at("2030-01-05T12:00")).options.max_sessions == 2

    def test_all_parts_of_a_section_follow_it(self) -> None:
        allow = {
            "schedule": OFFICE,
            "rules": [{"resources": ["role"], "verbs": ["update"]}],
            "request": {"roles": ["admin"]},
        }
        roles = role_set(role(allow=allow))
        for moment, expected in (("2030-01-04T12:00", True), ("2030-01-04T20:00", False)):
            now = at(moment)
            assert may(roles.at(now), "update", "role").allowed is expected
            assert may_request(roles.at(now), ["admin"], "").allowed is expected
        assert not may(roles, "update", "role").allowed

    def test_tells_when_a_role_would_allow_it(self) -> None:
        roles = role_set(role(allow=OPEN_NODES | {"schedule": OFFICE}))
        saturday = AccessState(now=at("2030-01-05T12:00"))
        told = can_access_node(roles, node(), "root", saturday).message_for_user()
        assert 'Role "dev" is in force only at certain times: weekdays 09:00-18:00 UTC.' in told
        # it is not the hour that stands against another login
        assert "certain times" not in can_access_node(roles, node(), "alice", saturday).message_for_user()

    def test_unreadable_hours_never_allow_and_always_deny(self) -> None:
        broken = [window(days="moonday")]
        allows = unchecked("a", allow={"logins": ["root"], "node_labels": {"*": ["*"]}, "schedule": broken})
        assert self.code(role_set(allows), "2030-01-04T12:00") is Code.NOTHING_ALLOWS
        denies = unchecked("d", deny={"node_labels": {"*": ["*"]}, "schedule": broken})
        assert self.code(role_set(role(allow=OPEN_NODES), denies), "2030-01-04T12:00") is Code.DENIED_BY_LABELS

    def test_the_next_moment_to_decide_again(self) -> None:
        roles = role_set(
            role(allow=OPEN_NODES | {"schedule": OFFICE}), role("c", deny={"schedule": {"hours": "12:00-13:00"}})
        )
        assert roles.next_change(at("2030-01-04T10:00")) == at("2030-01-04T12:00")
        assert roles.next_change(at("2030-01-04T12:00")) == at("2030-01-04T13:00")
        assert roles.next_change(at("2030-01-04T13:30")) == at("2030-01-04T18:00")
        assert role_set(role(allow=OPEN_NODES)).next_change(FRIDAY) is None

    def test_the_same_set_is_kept_between_changes(self) -> None:
        roles = role_set(role(allow=OPEN_NODES | {"schedule": OFFICE}))
        noon, later, night = at("2030-01-04T12:00"), at("2030-01-04T13:00"), at("2030-01-04T20:00")
        assert roles.at(noon) is roles.at(later)
        assert roles.at(night) is not roles.at(noon)
        assert roles.at(night).at(noon) is roles.at(noon)
        plain = role_set(role())
        assert plain.at(noon) is plain

    def test_other_views_of_the_set_do_not_change_how_long_it_holds(self) -> None:
        roles = role_set(role(allow=OPEN_NODES | {"schedule": OFFICE}))
        noon, night = at("2030-01-04T12:00"), at("2030-01-04T20:00")
        assert visible(roles.at(noon), node())
        assert roles.at(noon).at_most is roles.at(noon).without_hours is roles.at(noon)
        assert roles.next_change(noon) == at("2030-01-04T18:00")
        assert not visible(roles.at(night), node())

    def test_a_certificate_names_what_any_hour_may_open(self) -> None:
        roles = role_set(
            role(allow=OPEN_NODES | {"logins": ["root", "guest"], "schedule": OFFICE}),
            role("no", deny={"logins": ["guest"], "schedule": {"days": "weekends"}}),
            role("never", deny={"logins": ["nobody"]}),
            role("plain", allow={"logins": ["nobody", "alice"]}),
        )
        for moment in (None, at("2030-01-05T12:00"), at("2030-01-04T12:00")):
            assert certificate_terms(roles.at(moment), None).logins == ("root", "guest", "alice")
