"""27. An agent reads another agent's recordings or audit: agents read neither, not even their own."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from auth_cluster import auth_cluster

from teleport.api.routes import audit, recordings, resources
from teleport.foundation.errors import AccessDenied
from teleport.model.identity import SystemRole

AGENTS: tuple[SystemRole, ...] = ("Node", "Proxy", "App", "Db", "Kube", "WindowsDesktop", "Instance")


@pytest.mark.parametrize("role", AGENTS)
async def test_agents_read_no_recording_and_no_event(tmp_path: Path, role: SystemRole) -> None:
    async with auth_cluster(tmp_path) as cluster:
        sid = str(uuid.uuid4())
        owner = await cluster.host("Node")
        await owner.call(recordings.UPLOAD_PART, recordings.UploadPart(session_id=sid, number=1, content=b"x"))
        await owner.call(recordings.COMPLETE, recordings.CompleteRecording(session_id=sid, parts=1))
        agent = await cluster.host(role)
        for reader in (agent, owner):
            with pytest.raises(AccessDenied):
                await anext(reader.download(recordings.READ, recordings.ReadRecording(session_id=sid)))
            with pytest.raises(AccessDenied):
                await reader.call(recordings.LIST, recordings.ListRecordings())
            with pytest.raises(AccessDenied):
                await reader.call(audit.SEARCH, audit.SearchEvents())
            with pytest.raises(AccessDenied):
                await anext(reader.lines(audit.FOLLOW, audit.FollowEvents()))


async def test_a_node_does_not_read_another_node_or_its_tokens(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        agent = await cluster.host("Node")
        for kind in ("token", "session_tracker"):
            with pytest.raises(AccessDenied):
                await agent.call(resources.LIST, resources.ListResources(kind=kind))
