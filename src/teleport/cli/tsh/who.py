"""From options to the account that a command speaks as."""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.program import truth
from teleport.client import account
from teleport.client.account import Account, Choice
from teleport.foundation.errors import BadParameter, Unsupported


def choice_of(options: Namespace) -> Choice:
    return Choice(
        proxy=options.proxy or "",
        user=options.user or "",
        login=options.login or "",
        cluster=options.cluster or "",
        identity=options.identity or "",
        insecure=bool(options.insecure),
    )


def is_headless(options: Namespace) -> bool:
    """Whether the command shall work without a profile, by an approval from elsewhere."""
    return truth(options.headless) or options.auth == "headless"


def account_of(options: Namespace, *, expired: bool = False, headless: bool = False) -> Account:
    """`headless`: the command can work without a profile. Raises NotAuthenticated, Unsupported."""
    if is_headless(options):
        if not headless:
            raise Unsupported("--headless is for tsh ssh, tsh scp and tsh ls")
        return _headless_account(options)
    return in_own_cluster(account.find(choice_of(options), expired=expired))


def in_own_cluster(found: Account) -> Account:
    """Raises Unsupported for a cluster behind that of the proxy: it would be passed over in silence."""
    if found.cluster != found.root_cluster:
        raise Unsupported(
            f"{found.host} is the proxy of the cluster {found.root_cluster!r}, not of {found.cluster!r}; "
            "leaf clusters are not offered yet"
        )
    return found


def _headless_account(options: Namespace) -> Account:
    from teleport.client import headless, login

    if not options.proxy:
        raise BadParameter("which proxy? use --proxy=HOST[:PORT] or TELEPORT_PROXY")
    headless.keep_in_memory(options.mlock or "auto")
    choice = headless.HeadlessChoice(
        options.proxy,
        login.default_user(options.user or "", ""),
        options.cluster or "",
        bool(options.insecure),
        tuple(options.ca_pin or ()),
    )
    return headless.account(choice)


def cluster_argument(options: Namespace) -> str:
    return str(options.cluster or "")
