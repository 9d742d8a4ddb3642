"""A lock stops the signing too: a certificate that was signed in spite of it would be good again when it ends."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from auth_cluster import TestCluster, auth_cluster
from browser_side import web_side

from teleport.foundation.errors import AccessDenied
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock, LockSpec, LockTarget


async def lock(cluster: TestCluster, **target: str) -> None:
    until = cluster.clock.now() + timedelta(hours=1)
    spec = LockSpec(target=LockTarget(**target), expires=until)
    await cluster.store.create(Lock(metadata=Metadata(name="stop"), spec=spec))


@pytest.mark.parametrize("target", [{"user": "alice"}, {"role": "access"}])
async def test_a_login_of_a_locked_user_earns_no_certificate(tmp_path: Path, target: dict[str, str]) -> None:
    async with auth_cluster(tmp_path) as cluster:
        person = await cluster.sign_up("alice", "access")
        await lock(cluster, **target)
        with pytest.raises(AccessDenied, match="is in force"):
            await cluster.log_in(person)
        browser = (await web_side(cluster)).browser()
        assert (await browser.log_in(person)).status == 403
        assert not await cluster.events("cert.create")
        cluster.clock.advance(timedelta(hours=2))
        assert await cluster.log_in(person)


async def test_locks_of_others_stop_nobody(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        person = await cluster.sign_up("alice", "access")
        await lock(cluster, user="bob")
        assert await cluster.log_in(person)
