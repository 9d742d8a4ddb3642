"""How long decisions take: one SSH decision with 32 roles, the filter of 50,000 nodes, 2,000 open connections.

Alone: `python -m benchmarks.policy`.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from statistics import median

from teleport.model.identity import Identity
from teleport.model.resource import Metadata
from teleport.model.resources.cluster_auth_preference import ClusterAuthPreference
from teleport.model.resources.node import Node, NodeSpec
from teleport.model.resources.role import Role, RoleSpec
from teleport.model.resources.role_conditions import RoleConditions
from teleport.model.resources.schedule import AccessWindow
from teleport.policy.access import AccessState, can_access_node, visible_of
from teleport.policy.role_set import RoleSet, RoleSetMemory

ROLES, NODES, CONNECTIONS = 32, 50_000, 2_000
OFFICE = AccessWindow(days=["weekdays"], hours=["09:00-18:00"], time_zone="Asia/Seoul")
ENVIRONMENTS = ("dev", "staging", "prod", "test")
TEAMS = tuple(f"team-{number}" for number in range(40))


def roles() -> list[Role]:
    made = []
    for number in range(ROLES):
        allow = RoleConditions(
            logins=["{{internal.logins}}", f"svc{number}"],
            node_labels={"env": [ENVIRONMENTS[number % 3], "st*"], "team": [f"team-{number}", "^team-3[0-9]$"]},
        )
        if number % 2:
            allow.node_labels_expression = f'labels["zone"] != "z{number % 7}" && regexp.match(labels["host"], "h*")'
        deny = RoleConditions(node_labels={"secret": ["yes"]}) if number % 8 == 0 else RoleConditions()
        made.append(Role(metadata=Metadata(name=f"role-{number}"), spec=RoleSpec(allow=allow, deny=deny)))
    return made


def nodes(count: int) -> list[Node]:
    made = []
    for number in range(count):
        labels = {
            "env": ENVIRONMENTS[number % 4],
            "team": TEAMS[number % 40],
            "zone": f"z{number % 11}",
            "host": f"h{number}",
            "os": "linux",
        }
        made.append(Node(metadata=Metadata(name=f"n{number}", labels=labels), spec=NodeSpec(hostname=f"h{number}")))
    return made


def seconds(work: Callable[[], object], rounds: int = 5) -> float:
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return median(taken)


def decide_for_all(everyone: list[Role], node: Node, revision: int) -> None:
    """What an agent does with its connections when a role has changed: a hundred people, twenty connections each."""
    memory = RoleSetMemory()
    now = datetime(2030, 1, 7, 12, tzinfo=UTC)
    for role in everyone:
        role.metadata.revision = str(revision)
    by_name = {role.name: role for role in everyone}
    preference, names = ClusterAuthPreference(), tuple(by_name)
    for number in range(CONNECTIONS):
        identity = Identity(
            username=f"user-{number % 100}",
            cluster="c",
            expires=now,
            roles=names,
            traits={"logins": ("alice",), "number": (str(number % 100),)},
        )
        role_set = memory.for_identity(identity, by_name)
        can_access_node(role_set, node, "alice", AccessState.of(identity, preference, source_ip="", now=now))


def decide_often(role_set: RoleSet, node: Node, login: str, state: AccessState) -> None:
    for _ in range(1000):
        can_access_node(role_set, node, login, state)


def main() -> None:
    everyone, machines = roles(), nodes(NODES)
    state = AccessState()

    def fresh() -> RoleSet:
        return RoleSet.of(everyone, {"logins": ["alice"]}, "alice")

    role_set = fresh()
    granted, refused = machines[3 * 40 + 2], machines[3]
    for label, target, login in (("granted", granted, "alice"), ("refused, explained", refused, "nobody")):
        can_access_node(role_set, target, login, state)
        taken = seconds(partial(decide_often, role_set, target, login, state))
        print(f"one decision, {ROLES} roles, {label}: {taken * 1e3:.1f} us")
    scheduled = roles()
    for role in scheduled[::2]:
        role.spec.allow.schedule = [OFFICE]
    timed = RoleSet.of(scheduled, {"logins": ["alice"]}, "alice")
    at_noon = AccessState(now=datetime(2030, 1, 7, 3, tzinfo=UTC))
    can_access_node(timed, granted, "alice", at_noon)
    taken = seconds(partial(decide_often, timed, granted, "alice", at_noon))
    print(f"one decision, {ROLES} roles, half of them with hours: {taken * 1e3:.1f} us")
    rounds = iter(range(100))
    taken = seconds(lambda: decide_for_all(everyone, granted, next(rounds)))
    print(f"a changed role decided on {CONNECTIONS} connections of 100 people: {taken * 1e3:.0f} ms")
    first = seconds(lambda: can_access_node(fresh(), granted, "alice", state))
    print(f"first decision of a new role set: {first * 1e6:.0f} us")
    page = seconds(lambda: list(islice(visible_of(fresh(), machines), 100)))
    print(f"first page of 100 of {NODES}: {page * 1e3:.1f} ms")
    print(f"all of {NODES}, new role set: {seconds(lambda: list(visible_of(fresh(), machines))) * 1e3:.0f} ms")
    print(f"all of {NODES}, warm: {seconds(lambda: list(visible_of(role_set, machines))) * 1e3:.0f} ms")
    tracemalloc.start()
    found = list(visible_of(fresh(), machines))
    print(f"visible: {len(found)}, memory at most {tracemalloc.get_traced_memory()[1] / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
