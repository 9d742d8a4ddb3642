"""51. A password changed without the old one; guesses at the old one are counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from auth_cluster import PASSWORD, auth_cluster

from teleport.api.routes import users
from teleport.foundation.errors import NotAuthenticated

NEW = b"another long password"


async def test_the_old_password_and_a_second_factor_are_asked(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        person = await cluster.sign_up("alice", "access")
        client = await cluster.log_in(person)
        for old in (b"", NEW):
            request = users.ChangePassword(old_password=old, new_password=NEW, second_factor_token=person.next_code())
            with pytest.raises(NotAuthenticated):
                await client.call(users.CHANGE_PASSWORD, request)
        without = users.ChangePassword(old_password=PASSWORD.encode(), new_password=NEW)
        with pytest.raises(NotAuthenticated):
            await client.call(users.CHANGE_PASSWORD, without)
        assert await cluster.log_in(person)


async def test_guessing_the_old_password_locks_the_user(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        person = await cluster.sign_up("alice", "access")
        client = await cluster.log_in(person)
        for _ in range(5):
            guess = users.ChangePassword(
                old_password=b"a guess at it", new_password=NEW, second_factor_token=person.next_code()
            )
            with pytest.raises(NotAuthenticated):
                await client.call(users.CHANGE_PASSWORD, guess)
        right = users.ChangePassword(
            old_password=PASSWORD.encode(), new_password=NEW, second_factor_token=person.next_code()
        )
        with pytest.raises(NotAuthenticated):
            await client.call(users.CHANGE_PASSWORD, right)
