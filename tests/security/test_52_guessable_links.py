"""52. Links and codes that can be predicted or guessed: random, counted, spent at once, and not kept as they are."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from pathlib import Path

import pytest
from auth_cluster import PASSWORD, Person, auth_cluster

from teleport.api.routes import users
from teleport.foundation.errors import LimitExceeded, NotFound


async def test_links_do_not_follow_a_seed(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await cluster.user("alice", "access")
        admin = await cluster.admin()
        tokens = set()
        for _ in range(20):
            random.seed(7)
            tokens.add((await admin.call(users.RESET, users.ResetUser(name="alice"))).token)
        assert len(tokens) == 20
        assert all(len(token) == 32 for token in tokens)


async def test_guessing_links_is_slowed_down_for_an_address_and_for_nobody_else(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        guesser, other = cluster.stranger("198.51.100.1"), cluster.stranger("198.51.100.2")
        for number in range(40):
            with pytest.raises(NotFound):
                await guesser.call(users.SHOW_TOKEN, users.UserToken(f"{number:032x}"))
        with pytest.raises(LimitExceeded):
            await guesser.call(users.SHOW_TOKEN, users.UserToken("0" * 32))
        with pytest.raises(NotFound):
            await other.call(users.SHOW_TOKEN, users.UserToken("0" * 32))
        cluster.clock.advance(timedelta(minutes=1))
        with pytest.raises(NotFound):
            await guesser.call(users.SHOW_TOKEN, users.UserToken("0" * 32))


async def test_a_link_is_spent_once_even_when_two_answer_together(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await cluster.user("alice", "access")
        granted = await (await cluster.admin()).call(users.RESET, users.ResetUser(name="alice"))
        stranger = cluster.stranger()
        asked = await stranger.call(users.REGISTER_CHALLENGE, users.RegisterChallengeRequest(token=granted.token))
        assert asked.totp is not None
        code = Person("alice", asked.totp.secret, cluster.clock).code()
        answers = [
            stranger.call(
                users.SET_PASSWORD,
                users.SetPassword(token=granted.token, password=f"{PASSWORD} {number}", second_factor_token=code),
            )
            for number in range(4)
        ]
        results = await asyncio.gather(*answers, return_exceptions=True)
        assert sum(isinstance(result, users.PasswordSet) for result in results) == 1
        with pytest.raises(NotFound):
            await stranger.call(users.SHOW_TOKEN, users.UserToken(granted.token))


async def test_the_store_holds_no_link(tmp_path: Path) -> None:
    async with auth_cluster(tmp_path) as cluster:
        await cluster.user("alice", "access")
        granted = await (await cluster.admin()).call(users.RESET, users.ResetUser(name="alice"))
        items = await cluster.store.backend.range("/", "0")
        assert items
        assert not any(granted.token in item.key or granted.token.encode() in item.value for item in items)
        events = await cluster.events("reset_password_token.create")
        assert events
        assert granted.token not in str(events)
