"""From what the user typed to what is dialled: login and cluster filled in, ambiguous names explained."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from teleport.cli import output
from teleport.cli.tsh.who import account_of
from teleport.client import tsh_config
from teleport.client.account import Account, Choice, find
from teleport.client.dialer import Ambiguous, Wanted
from teleport.client.openssh_config import DEFAULT_PORT
from teleport.client.targets import check_login, split_port
from teleport.foundation.errors import BadParameter, NotFound, TeleportError


def complete(
    wanted: Wanted, account: Account, options: Namespace, environment: Mapping[str, str] = os.environ
) -> Wanted:
    """Login from `user@`, else --login, else the certificate or the OS; the cluster is the account's."""
    login = wanted.login or check_login(options.login or default_login(account, environment))
    name = wanted.name.removesuffix(f".{account.cluster}")
    return wanted._replace(name=name, login=login, cluster=account.cluster)


def default_login(account: Account, environment: Mapping[str, str] = os.environ) -> str:
    """Asks the OS only when the certificate leaves a choice."""
    logins = [login for login in account.record.logins if not login.startswith("-teleport-")]
    if len(logins) == 1:
        return logins[0]
    for variable in ("LOGNAME", "USER", "USERNAME"):
        if name := environment.get(variable):
            return name
    import getpass

    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        raise BadParameter("which login? use user@host, --login or TELEPORT_LOGIN") from None


def account_for(options: Namespace, *, headless: bool = False, target_has_port: bool = False) -> Account:
    """The account to reach `options.target` as. Where a proxy template fits, the options become what it says.

    `target_has_port`: the port is written behind the name, else it is an option of its own.
    """
    user, mark, place = options.target.rpartition("@")
    name, port = split_port(place) if target_has_port else (place, options.port)
    route = tsh_config.load().route(name, port or DEFAULT_PORT) if name and "=" not in name else None
    if route is None:
        return account_of(options, headless=headless)
    options.jumphost = route.proxy or options.jumphost
    options.cluster = route.cluster or options.cluster
    account = account_of(options, headless=headless)
    if route.query or route.search:
        name = _only(account, route).node_id
    elif route.host:
        name, other = split_port(route.host)
        port = other or port
    options.target = f"{user}{mark}{name}" + (f":{port}" if port and target_has_port else "")
    if not target_has_port:
        options.port = port
    return account


def _only(account: Account, route: tsh_config.Route) -> Member:
    """The one server that a template's search finds. Raises NotFound, BadParameter."""
    found = matching(account, (), route.search, route.query)
    searched = " and ".join(repr(text) for text in (route.query, route.search) if text)
    if not found:
        raise NotFound(f"the proxy template's {searched} finds no server")
    if len(found) > 1:
        listed = "; ".join(f"{one.hostname} {one.node_id}" for one in found[:10])
        raise BadParameter(f"the proxy template's {searched} finds {len(found)} servers: {listed}")
    return found[0]


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """An ambiguous name is followed by the servers it fits, then refused."""
    try:
        yield
    except Ambiguous as problem:
        print(candidates_table(problem, output.terminal_columns(sys.stderr)), file=sys.stderr)
        raise ask_for_id(problem) from problem


def candidates_table(problem: Ambiguous, columns: int | None) -> str:
    from teleport.cli.tsh.ls import TUNNEL

    rows = [
        (each.hostname, each.name, each.addr or TUNNEL, output.labels(each.labels)) for each in problem.candidates
    ]
    return output.table(("Node Name", "Node ID", "Address", "Labels"), rows, columns=columns)


def ask_for_id(problem: Ambiguous) -> BadParameter:
    hint = "" if "UUID" in problem.message else "; choose one by its UUID"
    return BadParameter(problem.message + hint, event_id=problem.event_id)


class Member(NamedTuple):
    """One of several servers that are meant."""

    hostname: str
    node_id: str


def means_many(options: Namespace) -> bool:
    """Whether several servers may be meant: by labels, words or an expression."""
    return bool(options.search or options.query) or "=" in options.target.rpartition("@")[2]


def matching(account: Account, labels: Sequence[tuple[str, str]], search: str, query: str) -> list[Member]:
    """All servers that fit, of those that the account may see."""
    import json

    from teleport.cli.tsh.ls import hostname, node_pages
    from teleport.cli.tsh.selectors import words_of

    wanted = {
        "labels": json.dumps(dict(labels)) if labels else "",
        "search": words_of(search) if search else "",
        "query": query,
    }
    pages = node_pages(account, {name: value for name, value in wanted.items() if value})
    return [Member(hostname(node), str(node["metadata"]["name"])) for page in pages for node in page]


def candidates(current: str) -> list[str]:
    """Servers for the shell's completion, with the `user@` that is typed already; none where nobody is logged in."""
    from teleport.cli.tsh.ls import hostname, node_pages

    login, mark, _ = current.rpartition("@")
    try:
        pages = node_pages(find(Choice(proxy=os.environ.get("TELEPORT_PROXY", ""))), {})
        return [f"{login}{mark}{hostname(node)}" for node in next(pages)]
    except TeleportError:
        return []
