"""Follows lists, members, roles and users: whatever takes a grant from somebody is written to their login state.

And follows lists alone, so that their owners hear of reviews that are due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from teleport.auth.access_lists.grants import reconcile, until_next
from teleport.auth.cluster import Cluster
from teleport.auth.settings import NOTICE_INTERVAL
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.resources.access_list import AccessList, AccessListMember
from teleport.model.resources.role import Role
from teleport.model.resources.user import User

log = get_logger("auth.access_lists")

KINDS = (AccessList.KIND, AccessListMember.KIND, Role.KIND, User.KIND)
_LONGEST = timedelta(seconds=30)
_GATHER = 0.05


class GrantWatch:
    """Runs beside the service."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def run(self) -> None:
        """Until cancelled. A failure is logged; everything is looked at again after half a minute at most."""
        while True:
            changes = self._cluster.feed.subscribe(KINDS)
            try:
                end = await reconcile(self._cluster)
                async with asyncio.timeout(until_next(end, self._cluster.clock.now(), _LONGEST)):
                    await anext(changes)
            except (TimeoutError, StopAsyncIteration):
                continue
            except TeleportError as error:
                log.error("what access lists give could not be brought up to date", error=error)
                await asyncio.sleep(1.0)
            finally:
                changes.close()
            await asyncio.sleep(_GATHER)


class ReviewWatch:
    """Tells owners of reviews that are due: when a list is written, and now and then as time goes on."""

    def __init__(self, cluster: Cluster, give_notice: Callable[[], Awaitable[None]]) -> None:
        self._cluster = cluster
        self._give_notice = give_notice

    async def run(self) -> None:
        """Until cancelled. A failure is logged; everything is looked at again after a while."""
        while True:
            changes = self._cluster.feed.subscribe((AccessList.KIND,))
            try:
                await self._give_notice()
                async with asyncio.timeout(NOTICE_INTERVAL.total_seconds()):
                    await anext(changes)
            except (TimeoutError, StopAsyncIteration):
                continue
            except TeleportError as error:
                log.error("owners of access lists could not be told of reviews", error=error)
                await asyncio.sleep(_LONGEST.total_seconds())
            finally:
                changes.close()
            await asyncio.sleep(_GATHER)
