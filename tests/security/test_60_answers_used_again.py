"""60. An answer to an MFA challenge that was given before, is somebody else's, too old, or for something else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from auth_cluster import auth_cluster
from second_factors import answer, log_in_with_key, prefer, session_identity, sign_up_with_key

from teleport.foundation.errors import AccessDenied


class Uncounted(int):
    """The counter of a key that never counts: its answers look alike for ever, and only the challenge ends."""

    def __add__(self, other: int) -> Uncounted:
        return self


async def test_replayed_foreign_expired_and_mistaken_answers_fail(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await prefer(cluster, second_factor="on")
        device = await sign_up_with_key(cluster, "bob", "access")
        device.passkeys[0].counter = Uncounted(0)
        other = await sign_up_with_key(cluster, "mallory", "access")
        bob = await log_in_with_key(cluster, "bob", device)
        mallory = await log_in_with_key(cluster, "mallory", other)
        proof = await answer(bob, device, "session")
        with pytest.raises(AccessDenied):  # foreign
            await session_identity(mallory, proof)
        proof = await answer(bob, device, "session")
        await session_identity(bob, proof)
        with pytest.raises(AccessDenied):  # replayed
            await session_identity(bob, proof)
        for scope in ("login", "manage_devices", "headless"):
            with pytest.raises(AccessDenied):
                await session_identity(bob, await answer(bob, device, scope))
        cluster.clock.advance(timedelta(minutes=31))  # the failures are forgotten
        late = await answer(bob, device, "session")
        cluster.clock.advance(timedelta(minutes=6))
        with pytest.raises(AccessDenied):  # expired
            await session_identity(bob, late)
        codes = [event["code"] for event in await cluster.events("mfa_auth_challenge.validate")]
        assert codes.count("T1016W") == 6
        assert codes.count("T1016I") == 1
