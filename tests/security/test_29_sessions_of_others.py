"""29. Running sessions are listed to those alone who own them, are in them or may join them, or by a rule."""

from __future__ import annotations

import uuid
from pathlib import Path

import msgspec
import pytest
from auth_cluster import auth_cluster

from teleport.api.client import Client
from teleport.api.routes import sessions
from teleport.foundation.errors import NotFound
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata
from teleport.model.resources.role_conditions import RoleConditions, Rule, SessionJoinPolicy
from teleport.model.resources.session_tracker import SessionTracker, SessionTrackerSpec

DENIED = RoleConditions(rules=[Rule(resources=["session_tracker"], verbs=["list", "read"])])


def tracker(sid: str) -> sessions.PutSession:
    spec = SessionTrackerSpec(session_id=sid, kind="ssh", host_user="olga", host_roles=["dev"], state="running")
    return sessions.PutSession(sid, msgspec.Raw(encode_json(SessionTracker(metadata=Metadata(name=sid), spec=spec))))


def joining(*roles: str, kinds: tuple[str, ...] = ("ssh",)) -> RoleConditions:
    return RoleConditions(
        join_sessions=[SessionJoinPolicy(name="p", roles=list(roles), kinds=list(kinds), modes=["observer"])]
    )


async def sees(person: Client, sid: str) -> bool:
    found = len((await person.call(sessions.LIST, sessions.ListSessions())).sessions)
    if found:
        await person.call(sessions.GET, sessions.SessionName(sid))
    else:
        with pytest.raises(NotFound):
            await person.call(sessions.GET, sessions.SessionName(sid))
    return bool(found)


async def test_only_those_with_a_reason_see_it(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        sid = str(uuid.uuid4())
        await (await cluster.host("Node")).call(sessions.PUT, tracker(sid))
        await cluster.role("joins", joining("d*"))
        await cluster.role("joins-others", joining("ops"))
        await cluster.role("joins-pods", joining("*", kinds=("k8s",)))
        await cluster.role("joins-though-denied", joining("dev"), DENIED)
        for role, expected in (
            ("access", False),
            ("joins", True),
            ("joins-others", False),
            ("joins-pods", False),
            ("joins-though-denied", True),
            ("auditor", True),
        ):
            assert await sees(await cluster.person(f"user-{role}", role), sid) is expected, role
