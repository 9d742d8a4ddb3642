"""61. The stream of changes names join tokens by an id, never by what admits a host."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from auth_cluster import auth_cluster

from teleport.api.routes import tokens
from teleport.api.routes.changes import WATCH, Watch

SECRETS = ("zebra-before-1234", "zebra-after-5678")


async def test_tokens_are_watched_without_what_they_are(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        editor = await cluster.person("alice", "editor")
        await editor.call(tokens.CREATE, tokens.CreateToken(roles=("Node",), value=SECRETS[0]))
        lines = editor.lines(WATCH, Watch(kinds=("token",)))
        seen = []
        async with asyncio.timeout(20):
            async for line in lines:
                seen.append(line)
                if line.type == "ready":
                    await editor.call(tokens.CREATE, tokens.CreateToken(roles=("Node",), value=SECRETS[1]))
                    await editor.call(tokens.DELETE, tokens.DeleteToken(token=SECRETS[1]))
                if line.type == "delete":
                    break
        assert [line.type for line in seen if line.kind] == ["item", "put", "delete"]
        assert seen[-1].name == seen[-2].name
        assert b"zebra" not in msgspec.json.encode(seen)
