"""26. Anonymous listing or download of replays: every condition must hold, none opens the door alone."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from auth_cluster import auth_cluster

from teleport.api.client import Client
from teleport.api.routes import recordings
from teleport.foundation.errors import AccessDenied, NotAuthenticated, NotFound
from teleport.model.resources.role_conditions import RoleConditions, Rule


async def download(client: Client, sid: str) -> bytes:
    request = recordings.ReadRecording(session_id=sid)
    return b"".join([piece async for piece in client.download(recordings.READ, request)])


async def test_replays_are_for_those_whom_a_rule_lets_see_them(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        sid = str(uuid.uuid4())
        agent = await cluster.host("Node")
        await agent.call(recordings.UPLOAD_PART, recordings.UploadPart(session_id=sid, number=1, content=b"secret"))
        await agent.call(recordings.COMPLETE, recordings.CompleteRecording(session_id=sid, parts=1))
        stranger = cluster.stranger()
        with pytest.raises(NotAuthenticated):
            await stranger.call(recordings.LIST, recordings.ListRecordings())
        with pytest.raises(NotAuthenticated):
            await download(stranger, sid)
        # to list is not to read, and neither is given by a role without rules
        await cluster.role("lists", RoleConditions(rules=[Rule(resources=["session"], verbs=["list"])]))
        await cluster.role("empty")
        for role in ("lists", "empty", "editor", "access"):
            person = await cluster.person(f"user-{role}", role)
            with pytest.raises((AccessDenied, NotFound)):
                await download(person, sid)
        assert await download(await cluster.person("carol", "auditor"), sid) == b"secret"


async def test_a_list_without_the_right_to_read_is_refused(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await cluster.role("lists", RoleConditions(rules=[Rule(resources=["session"], verbs=["list"])]))
        person = await cluster.person("alice", "lists")
        with pytest.raises(AccessDenied):
            await person.call(recordings.LIST, recordings.ListRecordings())
