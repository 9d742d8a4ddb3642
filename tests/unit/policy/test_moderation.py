from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roles import role, role_set

from teleport.model.resources.role import Role
from teleport.policy.decision import Code
from teleport.policy.moderation import Mode, Party, assess, join_modes, may_join, requirements

AUDITOR = 'contains(user.spec.roles, "auditor")'


def policy(**changes: Any) -> dict[str, Any]:
    plain = {"name": "p", "filter": AUDITOR, "kinds": ["ssh"], "modes": ["moderator"], "count": 1}
    return plain | changes


def owner_role(name: str, *policies: dict[str, Any], version: str = "v7") -> Role:
    return role(name, allow={"require_session_join": list(policies)}, version=version)


def party(user: str, *roles: str, mode: Mode = "moderator", **traits: tuple[str, ...]) -> Party:
    return Party(user=user, roles=roles, mode=mode, traits=traits)


AUD = party("aud", "auditor")
AUD2 = party("aud2", "auditor")


@pytest.mark.parametrize(
    ("policies", "parties", "expected"),
    [
        ([policy()], [], False),
        ([policy()], [AUD], True),
        ([policy()], [party("owner", "auditor")], False),
        ([policy()], [party("aud", "other")], False),
        ([policy()], [party("aud", "auditor", mode="observer")], False),
        ([policy(modes=["observer", "peer"])], [party("aud", "auditor", mode="peer")], True),
        ([policy(modes=["*"])], [party("aud", "auditor", mode="observer")], True),
        ([policy(count=2)], [AUD], False),
        ([policy(count=2)], [AUD, AUD], False),
        ([policy(count=2)], [AUD, AUD2], True),
        ([policy(filter='contains(user.roles, "auditor")')], [AUD], True),
        ([policy(filter='equals(user.name, "aud")')], [AUD], True),
        ([policy(filter='contains(user.spec.traits["team"], "sec")')], [party("x", team=("sec",))], True),
        ([policy(filter="nonsense(")], [AUD], False),
        ([policy(filter="")], [AUD], False),
        ([policy(filter="nonsense("), policy()], [AUD], True),
        ([policy(count=5), policy()], [AUD], True),
        ([policy(kinds=["k8s"])], [], True),
        ([policy(kinds=["*"])], [], False),
        ([policy(kinds=[])], [], False),
    ],
)
def test_policies_of_one_role_are_alternatives(
    policies: list[dict[str, Any]], parties: list[Party], expected: bool
) -> None:
    required = requirements([owner_role("r", *policies)], "ssh")
    assert assess(required, "owner", parties).is_fulfilled is expected


def test_roles_must_all_be_content_whatever_their_order() -> None:
    roles = [owner_role("a", policy()), owner_role("b", policy(filter='contains(user.roles, "lead")')), role("c")]
    both = party("x", "auditor", "lead")
    for order in permutations(roles):
        required = requirements(order, "ssh")
        assert [one.role for one in assess(required, "owner", [AUD]).unmet] == ["b"]
        assert assess(required, "owner", [both]).is_fulfilled
        assert assess(required, "owner", [AUD, party("y", "lead")]).is_fulfilled


@pytest.mark.parametrize("version", ["v3", "v4"])
def test_old_roles_require_nobody(version: str) -> None:
    assert requirements([owner_role("r", policy(), version=version)], "ssh") == ()


@pytest.mark.parametrize("kind", ["db", "app", "desktop"])
def test_only_ssh_and_kubernetes_are_moderated(kind: str) -> None:
    assert requirements([owner_role("r", policy(kinds=["*"]))], kind) == ()
    assert requirements([owner_role("r", policy(kinds=["*"]))], "k8s")


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([["pause"]], "pause"),
        ([["terminate"]], "terminate"),
        ([[""]], "terminate"),
        ([["nonsense"]], "terminate"),
        ([["pause", "terminate"]], "terminate"),
        ([["pause"], ["terminate"]], "terminate"),
        ([["pause"], ["pause"]], "pause"),
    ],
)
def test_what_happens_when_the_moderator_leaves(actions: list[list[str]], expected: str) -> None:
    roles = [owner_role(f"r{n}", *[policy(on_leave=one) for one in several]) for n, several in enumerate(actions)]
    assert assess(requirements(roles, "ssh"), "owner", []).on_leave == expected


def test_the_owner_reads_who_is_missing() -> None:
    (reason,) = assess(requirements([owner_role("prod", policy(count=2))], "ssh"), "owner", [AUD]).unmet
    assert reason.code is Code.MODERATOR_MISSING
    assert reason.wanted == (f"1 more as moderator where {AUDITOR}",)


@given(
    st.lists(st.builds(policy, count=st.integers(1, 3), modes=st.just(["*"])), min_size=1, max_size=3),
    st.lists(st.sampled_from(["aud", "aud2", "aud3", "owner"]), max_size=5),
    st.sampled_from(["aud", "aud4", "owner"]),
)
def test_another_person_never_breaks_a_fulfilled_session(
    policies: list[dict[str, Any]], present: list[str], more: str
) -> None:
    required = requirements([owner_role("r", *policies)], "ssh")
    before = [party(name, "auditor") for name in present]
    if assess(required, "owner", before).is_fulfilled:
        assert assess(required, "owner", [*before, party(more, "auditor")]).is_fulfilled


def joiner(*policies: dict[str, Any], version: str = "v7") -> Any:
    return role_set(role("join", allow={"join_sessions": list(policies)}, version=version))


JOIN = {"name": "j", "roles": ["prod-*"], "kinds": ["ssh"], "modes": ["observer", "moderator"]}


@pytest.mark.parametrize(
    ("policies", "owner_roles", "kind", "mode", "expected"),
    [
        ([JOIN], ["prod-db"], "ssh", "observer", True),
        ([JOIN], ["prod-db"], "ssh", "moderator", True),
        ([JOIN], ["prod-db"], "ssh", "peer", False),
        ([JOIN], ["dev"], "ssh", "observer", False),
        ([JOIN], ["dev", "prod-x"], "ssh", "observer", True),
        ([JOIN], [], "ssh", "observer", False),
        ([JOIN], ["prod-db"], "k8s", "observer", False),
        ([JOIN | {"kinds": ["*"], "modes": ["*"]}], ["prod-db"], "k8s", "peer", True),
        ([JOIN | {"roles": ["^prod-(a|b)$"]}], ["prod-a"], "ssh", "observer", True),
        ([JOIN | {"roles": ["^($"]}], ["prod-a"], "ssh", "observer", False),
        ([JOIN | {"roles": ["*"]}], ["anything"], "ssh", "observer", True),
        ([], ["prod-db"], "ssh", "observer", False),
    ],
)
def test_joining(
    policies: list[dict[str, Any]], owner_roles: list[str], kind: str, mode: Mode, expected: bool
) -> None:
    assert may_join(joiner(*policies), "owner", owner_roles, kind, mode).allowed is expected


def test_owners_join_their_own_sessions_as_peers_only() -> None:
    assert may_join(joiner(), "alice", ["x"], "ssh", "peer").allowed
    refused = may_join(joiner(), "alice", ["x"], "ssh", "moderator")
    assert refused.reason.wanted == ("peer",)
    assert '"peer"' in refused.message_for_user()


def test_old_roles_join_nothing() -> None:
    assert join_modes(joiner(JOIN, version="v4"), "owner", ["prod-db"], "ssh") == {}
