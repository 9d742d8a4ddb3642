"""Every parser of strangers' bytes, for a moment in each run of the tests; `make fuzz` hunts for longer."""

from __future__ import annotations

import contextlib

import pytest
from fuzzing.hunt import Hunt
from fuzzing.targets import TARGETS, Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ANY = st.binary(max_size=400) | st.text(max_size=200).map(str.encode) | st.recursive(
    st.sampled_from([b"null", b"1", b'"x"', b"{}"]),
    lambda inner: st.lists(inner, max_size=4).map(lambda items: b"[" + b",".join(items) + b"]"),
    max_leaves=30,
)  # fmt: skip
CASES = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@CASES
def test_honest_input_is_read(target: Target) -> None:
    """At least one seed gets through, or fuzzing it would go no further than the first check."""
    outcomes = []
    for data in target.seeds:
        with contextlib.suppress(*target.promised):
            target.run(data)
            outcomes.append(data)
    assert outcomes or target.name.startswith(("GET ", "POST ", "PUT ", "expression", "frames"))


@CASES
def test_changed_input_breaks_nothing(target: Target) -> None:
    found = Hunt(target).run(0.25).findings
    assert not found, "\n".join(map(str, found))


@CASES
@settings(max_examples=40, deadline=2000, suppress_health_check=list(HealthCheck))
@given(data=ANY)
def test_any_input_is_refused_as_promised(target: Target, data: bytes) -> None:
    with contextlib.suppress(*target.promised):
        target.run(data)


def test_what_a_target_does_not_promise_is_found() -> None:
    """The tests above could not fail otherwise."""
    broken = Target("broken", lambda data: [][0] if b"\xff" in data else None, (ValueError,), (b"abc",))
    (finding,) = Hunt(broken).run(10).findings
    assert finding.what.startswith("IndexError")
