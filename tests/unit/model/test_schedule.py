"""Windows of time in roles: what may be written, and that it is printed as it was read."""

from __future__ import annotations

from typing import Any

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model.codec import decode_document, from_yaml, to_yaml


def written(schedule: Any, side: str = "allow") -> Any:
    document = {"kind": "role", "version": "v7", "metadata": {"name": "r"}, "spec": {side: {"schedule": schedule}}}
    role: Any = decode_document(document)
    return getattr(role.spec, side)


@pytest.mark.parametrize("side", ["allow", "deny"])
def test_one_window_or_several(side: str) -> None:
    one = {"days": "weekdays", "hours": "09:00-18:00", "time_zone": "Asia/Seoul"}
    assert written(one, side).schedule == written([one], side).schedule
    assert str(written(one).schedule[0]) == "weekdays 09:00-18:00 Asia/Seoul"
    assert len(written([one, {"dates": ["2030-12-24"]}], side).schedule) == 2


def test_prints_as_it_was_read() -> None:
    text = """
kind: role
version: v7
metadata: {name: r}
spec:
  allow: {schedule: {days: [mon, Tuesday], hours: 22:00-06:00, time_zone: Europe/Berlin}}
  deny: {schedule: {dates: [2030-12-24/2031-01-02, 2030-05-01]}}
"""
    read = from_yaml(text)
    assert from_yaml(to_yaml(read)) == read


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({}, "schedule[0] is empty"),
        ({"time_zone": "Asia/Seoul"}, "schedule[0] is empty"),
        ({"days": ["moonday"]}, "schedule[0].days"),
        ({"days": ["mo"]}, "schedule[0].days"),
        ({"days": [""]}, "schedule[0].days"),
        ({"hours": ["9:00-18:00"]}, "schedule[0].hours"),
        ({"hours": ["09:00"]}, "schedule[0].hours"),
        ({"hours": ["09:00-24:01"]}, "schedule[0].hours"),
        ({"hours": ["24:00-25:00"]}, "schedule[0].hours"),
        ({"hours": ["09:00-09:00"]}, "schedule[0].hours"),
        ({"dates": ["2030-02-30"]}, "schedule[0].dates"),
        ({"dates": ["2030-12-24/2030-12-23"]}, "schedule[0].dates"),
        ({"dates": ["24.12.2030"]}, "schedule[0].dates"),
        ({"days": ["mon"], "time_zone": "Mars/Olympus"}, "schedule[0].time_zone"),
        ({"days": ["mon"], "time_zone": "../../etc/passwd"}, "schedule[0].time_zone"),
        ({"days": ["mon"], "time_zone": "/etc/localtime"}, "schedule[0].time_zone"),
        ({"hours": [f"00:{n % 60:02}-01:00" for n in range(401)]}, "schedule[0].hours"),
        ([{"days": ["mon"]}] * 65, "schedule has 65 windows"),
        ({"day": ["mon"]}, "did you mean days?"),
    ],
)
def test_refused_by_field(window: Any, field: str) -> None:
    with pytest.raises(BadParameter) as refused:
        written(window)
    assert field in refused.value.message


def test_a_section_that_says_only_when() -> None:
    always = {"days": "*"}
    assert written(always, "deny").is_schedule_alone
    role: Any = decode_document(
        {
            "kind": "role",
            "version": "v7",
            "metadata": {"name": "r"},
            "spec": {"deny": {"schedule": always, "logins": ["root"]}},
        }
    )
    assert not role.spec.deny.is_schedule_alone
