"""`tsh ls`: servers, the first page at once."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any, TextIO

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh.selectors import add_selectors, criteria
from teleport.cli.tsh.warm import start_daemon
from teleport.cli.tsh.who import account_of
from teleport.client.account import Account, Choice, find
from teleport.client.http1 import ApiConnection, encode_query
from teleport.client.profile import ProfileStore, home_directory
from teleport.foundation.errors import TeleportError

FORMATS = ("text", "json", "yaml", "names")
TUNNEL = "⟵ Tunnel"
_ORDER = ("kind", "sub_kind", "version", "metadata", "spec")
_FIRST_PAGE = 100
_PAGE = 2000


def arguments(parser: Arguments) -> None:
    add_selectors(parser)
    parser.switch("-v", "--verbose", help="show node ids, do not cut labels")
    parser.switch("-R", "--all", help="servers of all clusters you are logged in to")
    parser.choice("-f", "--format", choices=FORMATS, default="text", help="form of the output")
    parser.add_argument("--why-not", metavar="[LOGIN@]NAME", help="tell why this server is missing or refuses")
    parser.examples("tsh ls env=prod,team=db", "tsh ls --search=web", 'tsh ls --query=\'labels["env"] == "prod"\'')


def run(options: Namespace) -> int:
    if options.why_not:
        from teleport.cli.tsh import why_not

        return why_not.explain(account_of(options), options)
    if options.all:
        return _everywhere(options)
    print_nodes(account_of(options, headless=True), options, sys.stdout)
    start_daemon(options)
    return 0


def print_nodes(account: Account, options: Namespace, out: TextIO) -> None:
    """What `tsh ls` prints for one cluster."""
    pages = node_pages(account, criteria(options))
    if options.format == "text":
        _print_table(pages, out, verbose=bool(options.verbose))
    elif options.format == "names":
        for page in pages:
            if page:
                print("\n".join(output.printable(hostname(node)) for node in page), file=out, flush=True)
    else:
        print(output.document([in_order(node) for page in pages for node in page], options.format), file=out)


def node_pages(account: Account, wanted: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
    """Nodes as documents, page by page, ordered by host name; the first page is small so that it comes at once."""
    connection = ApiConnection(account)
    try:
        start, limit = "", _FIRST_PAGE
        while True:
            query = {**wanted, "sort": "hostname", "limit": str(limit)} | ({"start": start} if start else {})
            page = connection.get(f"/v1/resources/node?{encode_query(query)}")
            yield page["items"]
            start, limit = page.get("next_start", ""), _PAGE
            if not start:
                return
    finally:
        connection.close()


def in_order(document: dict[str, Any]) -> dict[str, Any]:
    """What it is comes before what it holds, as `tctl get` prints it."""
    first = [name for name in _ORDER if name in document]
    return {name: document[name] for name in (*first, *(name for name in document if name not in _ORDER))}


def hostname(node: dict[str, Any]) -> str:
    return str(node.get("spec", {}).get("hostname") or node["metadata"]["name"])


def address(node: dict[str, Any]) -> str:
    spec = node.get("spec", {})
    return TUNNEL if spec.get("use_tunnel") or not spec.get("addr") else str(spec["addr"])


def all_labels(node: dict[str, Any]) -> dict[str, str]:
    """Static labels and the last results of commands."""
    commands = node.get("spec", {}).get("cmd_labels") or {}
    results = {name: str(value.get("result", "")) for name, value in commands.items()}
    return {**node["metadata"].get("labels", {}), **results}


def _row(node: dict[str, Any], verbose: bool) -> list[str]:
    names = [hostname(node), str(node["metadata"]["name"])] if verbose else [hostname(node)]
    return [*names, address(node), output.labels(all_labels(node), internal=verbose)]


def _headers(verbose: bool) -> list[str]:
    return ["Node Name", "Node ID", "Address", "Labels"] if verbose else ["Node Name", "Address", "Labels"]


def _print_table(pages: Iterator[list[dict[str, Any]]], out: TextIO, *, verbose: bool) -> None:
    """Page by page: later pages keep the columns of those before, wider where they must."""
    columns = None if verbose else output.terminal_columns(out)
    table = output.GrowingTable(_headers(verbose), columns=columns)
    for page in pages:
        if lines := table.add([_row(node, verbose) for node in page]):
            print(lines, file=out, flush=True)


def _everywhere(options: Namespace) -> int:
    rows: list[tuple[str, str, dict[str, Any]]] = []
    for name in ProfileStore(home_directory()).names():
        try:
            account = find(Choice(proxy=name))
            rows += [
                (name, account.cluster, node) for page in node_pages(account, criteria(options)) for node in page
            ]
        except TeleportError as problem:
            print(f"WARNING: {name}: {problem}", file=sys.stderr)
    if options.format == "text":
        headers = ["Proxy", "Cluster", *_headers(bool(options.verbose))]
        cells = [[proxy, cluster, *_row(node, bool(options.verbose))] for proxy, cluster, node in rows]
        print(output.table(headers, cells, columns=None if options.verbose else output.terminal_columns()))
    elif options.format == "names":
        print("\n".join(hostname(node) for _, _, node in rows))
    else:
        document = [{"proxy": proxy, "cluster": cluster, "node": in_order(node)} for proxy, cluster, node in rows]
        output.show(document, options.format)
    return 0
