"""Access rules: one decision, the filter of many servers, a changed role on open connections, many requests.

Alone: `python -m benchmarks.rules`.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
import time
import tracemalloc
import uuid
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from auth_cluster import auth_cluster
from ssh_post import ROLE, site

from benchmarks import policy
from benchmarks.figures import Figure, absolute, table
from teleport.api.routes import access_requests
from teleport.engines.admission import Admission, Admissions
from teleport.engines.engine import Connection
from teleport.foundation.service import TaskOwner
from teleport.model.codec import decode_document
from teleport.model.identity import Identity
from teleport.net.handoff import HandedOff
from teleport.policy.access import AccessState, can_access_node, visible_of
from teleport.policy.role_set import RoleSet
from teleport.tunnel.messages import IncomingRequest

REQUESTS = 10_000
ROUNDS = 5
_LOOK_EVERY = 0.002


def measure() -> list[Figure]:
    figures = _decisions()
    with tempfile.TemporaryDirectory() as name:
        figures += uvloop.run(_changed_role(Path(name)))
    with tempfile.TemporaryDirectory() as name:
        figures.append(uvloop.run(_requests(Path(name))))
    return figures


def _decisions() -> list[Figure]:
    everyone, machines, state = policy.roles(), policy.nodes(policy.NODES), AccessState()

    def fresh() -> RoleSet:
        return RoleSet.of(everyone, {"logins": ["alice"]}, "alice")

    warm, granted = fresh(), machines[3 * 40 + 2]
    can_access_node(warm, granted, "alice", state)
    once = partial(policy.decide_often, warm, granted, "alice", state)
    count = f"{policy.NODES:,} servers, {policy.ROLES} roles"
    figures = [
        absolute(
            f"one SSH decision, {policy.ROLES} roles", [_timed(once) * 1e3 for _ in range(ROUNDS)], "<=", 40, "us"
        ),
        absolute(
            f"{count}: first page of 100",
            [_timed(lambda: list(islice(visible_of(fresh(), machines), 100))) * 1e3 for _ in range(ROUNDS)],
            "<=", 50, "ms",
        ),
        absolute(
            f"{count}: all", [_timed(lambda: list(visible_of(fresh(), machines))) for _ in range(ROUNDS)], "<=", 0.6,
            "s",
        ),
    ]  # fmt: skip
    tracemalloc.start()
    list(visible_of(fresh(), machines))
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return [*figures, absolute(f"{count}: memory at most", [peak], "<=", 60, "MB")]


def _timed(work: object) -> float:
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begun


async def _changed_role(directory: Path) -> list[Figure]:
    """What an agent does with its open connections, on the loop that carries them."""
    taken, longest = [], []
    async with site(directory) as here:
        admissions, waits, decided, all_decided = Admissions(), _Waits(), 0, asyncio.Event()
        ours, theirs = socket.socketpair()
        expires = here.clock.now() + timedelta(hours=8)
        incoming = IncomingRequest(kind="node", resource_id=here.post.host_id, client_addr="192.0.2.1:1024")

        def count() -> None:
            nonlocal decided
            decided += 1
            if decided == policy.CONNECTIONS:
                all_decided.set()

        here.cluster.put(_role(here.cluster.revision + 1, 9))
        for number in range(policy.CONNECTIONS):
            identity = Identity(
                username=f"user-{number % 100}", cluster=here.post.cluster, expires=expires, roles=("access",),
                traits={"number": (str(number % 100),)}, user_type="sso",
            )  # fmt: skip
            connection = Connection(HandedOff(ours), incoming, here.post)
            admission = Admission(connection, identity, "nobody", admissions.role_sets)
            admission.decide()
            admission.when_decided = count
            admissions.enter(admission, _send_away)
        watching = TaskOwner("waits")
        watching.start(waits.watch())
        for round_ in range(ROUNDS):
            all_decided.clear()
            decided, waits.longest, begun = 0, 0.0, time.perf_counter()
            here.cluster.put(_role(here.cluster.revision + 1, round_ + 10))
            await all_decided.wait()
            taken.append(time.perf_counter() - begun)
            longest.append(waits.longest * 1e3)
        await watching.close()
        await admissions.close()
        ours.close()
        theirs.close()
    what = f"a changed role on {policy.CONNECTIONS:,} open connections"
    return [
        absolute(f"{what}: decided", taken, "<=", 1, "s"),
        absolute(f"{what}: others wait at most", longest, "<=", 50, "ms"),
    ]


def _role(revision: int, sessions: int) -> str:
    """As the store keeps it: a changed role has another revision."""
    changed = ROLE.replace("forward_agent: true", f"max_sessions: {sessions}")
    return changed.replace("{name: access}", f"{{name: access, revision: '{revision}'}}")


def _send_away(reason: str) -> None:
    raise AssertionError(reason)


class _Waits:
    """How long the event loop lets somebody wait who only wants to look."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(_LOOK_EVERY)
            self.longest = max(self.longest, time.perf_counter() - begun - _LOOK_EVERY)


async def _requests(directory: Path) -> Figure:
    async with auth_cluster(directory) as cluster:
        person = await cluster.log_in(await cluster.sign_up("alice", "access"))
        now = cluster.clock.now()
        for number in range(REQUESTS):
            spec = {
                "user": "alice" if number % 100 == 0 else f"user-{number % 700}",
                "roles": ["access"],
                "state": "PENDING",
                "created": (now + timedelta(seconds=number)).isoformat(),
                "expires": (now + timedelta(days=2)).isoformat(),
            }
            document = {
                "kind": "access_request",
                "version": "v3",
                "metadata": {"name": str(uuid.uuid4())},
                "spec": spec,
            }
            await cluster.store.create(decode_document(document))
        request = access_requests.ListAccessRequests(scope="mine")
        taken: list[float] = []
        while len((await person.call(access_requests.LIST, request)).requests) < REQUESTS // 100:
            await asyncio.sleep(_LOOK_EVERY)  # the copy in memory is catching up
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            await person.call(access_requests.LIST, request)
            taken.append((time.perf_counter() - begun) * 1e3)
    return absolute(f"{REQUESTS:,} access requests: list mine", taken, "<=", 100, "ms")


if __name__ == "__main__":
    print(table(measure()))
