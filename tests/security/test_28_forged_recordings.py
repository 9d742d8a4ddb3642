"""28. A forged recording or event from a service that did not run the session."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from auth_cluster import TestCluster, auth_cluster

from teleport.api.client import Client
from teleport.api.routes import audit, recordings, sessions
from teleport.foundation.errors import AccessDenied
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata
from teleport.model.resources.session_tracker import SessionTracker, SessionTrackerSpec


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[TestCluster]:
    async with auth_cluster(tmp_path) as running:
        yield running


CODES = {"session.start": "T2000I", "session.end": "T2004I", "exec": "T3002I"}


def part(sid: str, content: bytes = b"forged") -> recordings.UploadPart:
    return recordings.UploadPart(session_id=sid, number=1, content=content)


def event(kind: str, **fields: object) -> audit.EmitEvents:
    body = {"event": kind, "code": CODES.get(kind, ""), "uid": str(uuid.uuid4()), **fields}
    return audit.EmitEvents((msgspec.Raw(msgspec.json.encode(body)),))


async def run_session(agent: Client, sid: str) -> None:
    spec = SessionTrackerSpec(session_id=sid, kind="ssh", host_user="alice")
    tracker = SessionTracker(metadata=Metadata(name=sid), spec=spec)
    await agent.call(sessions.PUT, sessions.PutSession(sid, msgspec.Raw(encode_json(tracker))))


async def test_the_recording_of_a_running_session_comes_from_its_host(cluster: TestCluster) -> None:
    sid = str(uuid.uuid4())
    owner, other = await cluster.host("Node"), await cluster.host("Node")
    await run_session(owner, sid)
    with pytest.raises(AccessDenied):
        await other.call(recordings.UPLOAD_PART, part(sid))
    await owner.call(recordings.UPLOAD_PART, part(sid, b"true"))
    with pytest.raises(AccessDenied):
        await other.call(recordings.COMPLETE, recordings.CompleteRecording(session_id=sid, parts=1))


async def test_the_host_that_started_it_stays_the_owner_when_its_tracker_has_ended(cluster: TestCluster) -> None:
    sid = str(uuid.uuid4())
    owner, other = await cluster.host("Node"), await cluster.host("Node")
    await owner.call(audit.EMIT, event("session.start", sid=sid))
    with pytest.raises(AccessDenied):
        await other.call(recordings.UPLOAD_PART, part(sid))
    await owner.call(recordings.UPLOAD_PART, part(sid, b"true"))


async def test_an_upload_stays_with_whoever_began_it(cluster: TestCluster) -> None:
    sid = str(uuid.uuid4())
    owner, other = await cluster.host("Node"), await cluster.host("Node")
    await owner.call(recordings.UPLOAD_PART, part(sid, b"true"))
    with pytest.raises(AccessDenied):
        await other.call(recordings.UPLOAD_PART, part(sid))


async def test_people_and_other_roles_upload_nothing(cluster: TestCluster) -> None:
    for client in (await cluster.person("alice", "editor"), await cluster.host("Instance"), await cluster.admin()):
        with pytest.raises(AccessDenied):
            await client.call(recordings.UPLOAD_PART, part(str(uuid.uuid4())))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("session.start", {"server_id": "another-host"}),
        ("user.login", {"user": "alice", "success": True}),
        ("role.created", {"name": "mine"}),
        ("session.upload", {"url": "x"}),
        ("cert.create", {}),
    ],
)
async def test_a_host_tells_only_what_happened_on_it(
    cluster: TestCluster, kind: str, fields: dict[str, object]
) -> None:
    agent = await cluster.host("Node")
    with pytest.raises(AccessDenied):
        await agent.call(audit.EMIT, event(kind, **fields))
    assert not [one for one in await cluster.events(kind) if one.get("name") == "mine" or one.get("url") == "x"]


async def test_a_host_tells_nothing_of_sessions_on_another(cluster: TestCluster) -> None:
    sid = str(uuid.uuid4())
    owner, other = await cluster.host("Node"), await cluster.host("Node")
    await run_session(owner, sid)
    with pytest.raises(AccessDenied):
        await other.call(audit.EMIT, event("session.end", sid=sid))
    await owner.call(audit.EMIT, event("session.end", sid=sid))


async def test_one_foreign_event_refuses_the_whole_batch(cluster: TestCluster) -> None:
    agent = await cluster.host("Node")
    good, bad = event("exec").events[0], event("user.login").events[0]
    with pytest.raises(AccessDenied):
        await agent.call(audit.EMIT, audit.EmitEvents((good, bad)))
    assert not await cluster.events("exec")


async def test_people_emit_nothing(cluster: TestCluster) -> None:
    person = await cluster.person("alice", "editor", "auditor", "access")
    with pytest.raises(AccessDenied):
        await person.call(audit.EMIT, event("session.start"))


async def test_a_session_that_has_ended_is_not_taken_over(cluster: TestCluster) -> None:
    """Its tracker is gone: another host that makes a new one must not come by the name, nor by who took part."""
    sid = str(uuid.uuid4())
    owner, other = await cluster.host("Node"), await cluster.host("Node")
    await run_session(owner, sid)
    await owner.call(audit.EMIT, event("session.start", sid=sid, user="alice"))
    await owner.call(recordings.UPLOAD_PART, part(sid, b"true"))
    await owner.call(recordings.COMPLETE, recordings.CompleteRecording(session_id=sid, parts=1))
    await owner.call(audit.EMIT, event("session.end", sid=sid, participants=["alice"]))
    await owner.call(sessions.DELETE, sessions.SessionName(sid))
    with pytest.raises(AccessDenied):
        await run_session(other, sid)
    with pytest.raises(AccessDenied):
        await other.call(audit.EMIT, event("session.end", sid=sid, participants=["mallory"]))
    with pytest.raises(AccessDenied):
        await other.call(recordings.COMPLETE, recordings.CompleteRecording(session_id=sid, parts=1))
    assert [one["participants"] for one in await cluster.events("session.end")] == [["alice"]]


async def test_a_command_belongs_to_the_host_that_told_of_it_first(cluster: TestCluster) -> None:
    """Commands have no tracker and no start."""
    sid = str(uuid.uuid4())
    owner, other = await cluster.host("Node"), await cluster.host("Node")
    await owner.call(audit.EMIT, event("exec", sid=sid))
    with pytest.raises(AccessDenied):
        await other.call(audit.EMIT, event("exec", sid=sid))
    await owner.call(audit.EMIT, event("exec", sid=sid))


async def test_an_event_does_not_wear_the_code_of_another(cluster: TestCluster) -> None:
    agent = await cluster.host("Node")
    with pytest.raises(AccessDenied, match="code"):
        await agent.call(audit.EMIT, event("session.start", code="T1000I", user="root", success=True))
