"""`tctl nodes add|ls`"""

from __future__ import annotations

from argparse import Namespace

from teleport.api.routes import tokens as token_routes
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl import tokens
from teleport.cli.tctl.connection import connect
from teleport.cli.tsh.selectors import add_selectors, parse_labels
from teleport.foundation import durations
from teleport.model.codec import to_plain
from teleport.model.resources.node import Node

_FORMS = ("text", "json", "yaml")


def arguments(parser: Arguments) -> None:
    add = parser.subcommand("add", "create a token and show how a host joins with it", _add)
    add.add_argument("--roles", metavar="TYPE,...", default="node", help="what the host will run")
    add.add_argument("--ttl", metavar="DURATION", default="30m", help="how long the token is good")
    add.add_argument("--token", metavar="TOKEN", default="", help="use this value instead of a random one")
    add.choice("--format", choices=_FORMS, default="text", help="form of the output")
    listing = parser.subcommand("ls", "list SSH servers", _ls)
    add_selectors(listing)
    listing.switch("-v", "--verbose", help="do not cut labels")
    listing.choice("--format", choices=_FORMS, default="text", help="form of the output")


def _add(options: Namespace) -> int:
    request = token_routes.CreateToken(
        roles=tokens.roles_of(options.roles), value=options.token, ttl=durations.parse(options.ttl)
    )
    with connect(options) as client:
        created = client.call(token_routes.CREATE, request)
        if options.format == "text":
            print(tokens.join_instructions(client, created))
        else:
            output.show([created.token], options.format)
    return 0


def _ls(options: Namespace) -> int:
    criteria: dict[str, object] = {"sort": "hostname"}
    if options.labels:
        criteria["labels"] = parse_labels(options.labels)
    if options.search:
        criteria["search"] = " ".join(options.search.split(","))
    if options.query:
        criteria["query"] = options.query
    with connect(options) as client:
        nodes = client.list(Node, **criteria)
    if options.format != "text":
        output.show([to_plain(node) for node in nodes], options.format)
        return 0
    rows = [(node.spec.hostname, node.name, _address(node), _labels(node), node.spec.version) for node in nodes]
    columns = None if options.verbose else output.terminal_columns()
    print(output.table(("Host", "UUID", "Public Address", "Labels", "Version"), rows, columns=columns))
    return 0


def _address(node: Node) -> str:
    return ", ".join(node.spec.public_addrs) or node.spec.addr


def _labels(node: Node) -> str:
    results = {name: label.result for name, label in node.spec.cmd_labels.items()}
    return output.labels({**node.metadata.labels, **results}, internal=False)
