"""The typed API as an account: through the proxy, end to end with the auth service."""

from __future__ import annotations

import os

from teleport.api.endpoint import auth_alpn, auth_server_name, https_proxy_for
from teleport.api.sync_client import Address, SyncClient
from teleport.client.account import Account


def connect(account: Account) -> SyncClient:
    """Use it as a context manager."""
    return SyncClient(address_of(account), account.tls_context(auth_alpn(account.root_cluster)))


def address_of(account: Account) -> Address:
    """The auth service of the account's cluster, behind its proxy."""
    return Address(
        host=account.host,
        port=account.port,
        server_name=auth_server_name(account.root_cluster),
        through=https_proxy_for(account.host, os.environ),
    )
