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
from teleport.foundation.errors import AccessDenied, AlreadyExists, BadParameter
from teleport.model.codec import encode_json
from teleport.model.resource import Metadata
from teleport.model.resources.session_tracker import SessionTracker, SessionTrackerSpec
from teleport.wire.recording import Printed, RecordingInfo, Started, encode_part


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


def streamed(sid: str, offset: int = 0, content: bytes = b"") -> recordings.AppendRecording:
    return recordings.AppendRecording(session_id=sid, offset=offset, content=content)


TRUE, FORGED = (encode_part(1, [Printed(1, text)]) for text in (b"true", b"fake"))


async def test_the_stream_of_a_running_session_comes_from_its_host(cluster: TestCluster) -> None:
    sid = str(uuid.uuid4())
    owner, other = await cluster.host("Node"), await cluster.host("Node")
    await run_session(owner, sid)
    proxy = await cluster.host("Proxy")
    for stranger in (other, proxy, await cluster.person("alice", "editor"), await cluster.host("Instance")):
        with pytest.raises(AccessDenied):
            await stranger.call(recordings.APPEND, streamed(sid, 0, FORGED))
    kept = await owner.call(recordings.APPEND, streamed(sid, 0, TRUE))
    for stranger in (other, proxy):
        with pytest.raises(AccessDenied):
            await stranger.call(recordings.APPEND, streamed(sid, kept.size, FORGED))
        with pytest.raises(AccessDenied):
            await stranger.call(recordings.FINISH, recordings.FinishRecording(session_id=sid, size=kept.size))


async def test_not_even_its_host_changes_what_it_streamed(cluster: TestCluster) -> None:
    sid = str(uuid.uuid4())
    owner = await cluster.host("Node")
    await run_session(owner, sid)
    kept = await owner.call(recordings.APPEND, streamed(sid, 0, TRUE))
    for offset, content in ((0, FORGED), (1, FORGED), (kept.size + 1, FORGED)):
        with pytest.raises(BadParameter):
            await owner.call(recordings.APPEND, streamed(sid, offset, content))
    with pytest.raises(BadParameter):
        await owner.call(recordings.UPLOAD_PART, part(sid))
    await owner.call(recordings.FINISH, recordings.FinishRecording(session_id=sid, size=kept.size))
    with pytest.raises(AlreadyExists):
        await owner.call(recordings.APPEND, streamed(sid, 0, FORGED))
    reader = await cluster.person("carol", "auditor")
    got = b"".join(
        [piece async for piece in reader.download(recordings.READ, recordings.ReadRecording(session_id=sid))]
    )
    assert got == TRUE


async def test_a_recording_speaks_for_no_other_session_or_host(cluster: TestCluster) -> None:
    """What auth tells of a host that died it has from the recording, which the host wrote."""
    sid, foreign = str(uuid.uuid4()), str(uuid.uuid4())
    owner, other = await cluster.host("Node"), await cluster.host("Node")
    await run_session(other, foreign)
    await run_session(owner, sid)
    started = cluster.clock.now()
    info = RecordingInfo(sid=foreign, user="alice", login="root", server_id="another-host", started=started)
    await owner.call(recordings.APPEND, streamed(sid, 0, encode_part(1, [Started(0, info)])))
    await owner.call(recordings.FINISH, recordings.FinishRecording(session_id=sid))
    (end,) = await cluster.events("session.end")
    assert end["sid"] == sid
    assert end["server_id"] != "another-host"
