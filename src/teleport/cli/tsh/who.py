"""From options to the account that a command speaks as."""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.program import truth
from teleport.client import account
from teleport.client.account import Account, Choice
from teleport.client.profile import DEFAULT_WEB_PORT, split_proxy
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
    found = in_own_cluster(account.find(choice_of(options), expired=expired))
    return found.through(*_jump_host(options.jumphost)) if options.jumphost else found


def _jump_host(text: str) -> tuple[str, int]:
    """Raises BadParameter. A proxy has no logins of its own: a `user@` is there by habit."""
    if "," in text:
        raise BadParameter(f"-J {text}: one proxy, not several; it reaches every server of the cluster")
    host, port = split_proxy(text.rpartition("@")[2])
    return host, port or DEFAULT_WEB_PORT


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
