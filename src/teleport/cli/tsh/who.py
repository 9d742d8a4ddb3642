"""From options to the account that a command speaks as."""

from __future__ import annotations

from argparse import Namespace

from teleport.client import account
from teleport.client.account import Account, Choice


def choice_of(options: Namespace) -> Choice:
    return Choice(
        proxy=options.proxy or "",
        user=options.user or "",
        login=options.login or "",
        cluster=options.cluster or "",
        identity=options.identity or "",
        insecure=bool(options.insecure),
    )


def account_of(options: Namespace, *, expired: bool = False) -> Account:
    """Raises NotAuthenticated."""
    return account.find(choice_of(options), expired=expired)


def cluster_argument(options: Namespace) -> str:
    return str(options.cluster or "")
