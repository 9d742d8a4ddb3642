"""Keeps the accounts that the cluster always wants on this host (`static_host_user`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from teleport.engines.host_accounts.host_accounts import HostAccounts, WantedAccount
from teleport.foundation.errors import TeleportError
from teleport.foundation.logs import get_logger
from teleport.model.resources.node import Node
from teleport.model.resources.static_host_user import StaticHostUser
from teleport.policy.principals import static_account
from teleport.storage.replica import Replica

log = get_logger("host_accounts")

KINDS = (StaticHostUser.KIND,)
"""The kinds a replica must hold for this."""
_LOOK_AGAIN = 60.0
"""Seconds after which new labels of this host, or what somebody else did to an account, are seen."""


class StaticAccounts:
    """A Service. What goes wrong with one account is logged once and tried again."""

    name = "static host users"

    def __init__(self, replica: Replica, accounts: HostAccounts, node: Callable[[], Node]) -> None:
        self._replica = replica
        self._accounts = accounts
        self._node = node
        self._kept: set[str] = set()
        self._told: dict[str, str] = {}

    async def run(self, started: Callable[[], None]) -> None:
        started()
        await self._replica.ready.wait()
        while True:
            changes = self._replica.changes(KINDS)
            try:
                await self._keep()
                async with asyncio.timeout(_LOOK_AGAIN):
                    await anext(changes)
            except TimeoutError:
                pass
            finally:
                changes.close()

    async def _keep(self) -> None:
        wanted = self._wanted()
        for login, account in wanted.items():
            try:
                await self._accounts.establish(login, account)
            except TeleportError as error:
                self._tell(login, str(error))
            else:
                self._told.pop(login, None)
                self._kept.add(login)
        for login in self._kept - wanted.keys():
            await self._accounts.abandon(login)
            self._kept.discard(login)

    def _wanted(self) -> dict[str, WantedAccount]:
        node = self._node()
        found: dict[str, WantedAccount] = {}
        for resource in self._replica.list(StaticHostUser):
            try:
                one = static_account(resource, node)
            except TeleportError as error:
                self._tell(resource.name, str(error))
                continue
            if one is not None:
                found[resource.name] = WantedAccount(
                    mode="static", groups=tuple(one.groups), sudoers=tuple(one.sudoers), shell=one.default_shell,
                    uid=one.uid or None, gid=one.gid or None, takes_ownership=bool(one.take_ownership_if_user_exists),
                )  # fmt: skip
        return found

    def _tell(self, login: str, reason: str) -> None:
        if self._told.get(login) != reason:
            self._told[login] = reason
            log.warning("a static host user is not as the cluster wants it", login=login, error=reason)
