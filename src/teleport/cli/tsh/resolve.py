"""`tsh resolve`: which server a name leads to."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh import ls
from teleport.cli.tsh.who import account_of
from teleport.client.targets import parse_target
from teleport.foundation.errors import BadParameter, NotFound


def arguments(parser: Arguments) -> None:
    parser.add_argument("host", metavar="HOST", help="name, id, address or k=v labels")
    parser.choice("-f", "--format", choices=("text", "json", "yaml"), default="text", help="form of the output")
    parser.switch("-q", "--quiet", help="only the exit status")


def run(options: Namespace) -> int:
    account = account_of(options)
    wanted = parse_target(options.host)
    name, labels = wanted.name.removesuffix(f".{account.cluster}"), dict(wanted.labels)
    found = [node for page in ls.node_pages(account, {}) for node in page if _fits(node, name, labels)]
    if not found:
        raise NotFound(f"no server fits {options.host!r}")
    rows = [[ls.hostname(node), str(node["metadata"]["name"]), ls.address(node)] for node in found]
    if len(found) > 1:
        listed = "; ".join(" ".join(row) for row in rows)
        raise BadParameter(f"{options.host!r} fits {len(found)} servers: {listed}; use the node's id")
    if options.quiet:
        return 0
    if options.format != "text":
        output.show(found[0], options.format)
    else:
        print(output.table(("Node Name", "Node ID", "Address"), rows))
    return 0


def _fits(node: dict[str, Any], name: str, labels: dict[str, str]) -> bool:
    if labels:
        present = ls.all_labels(node)
        return all(present.get(key) == value for key, value in labels.items())
    spec = node.get("spec", {})
    address = str(spec.get("addr", "")).rpartition(":")[0].strip("[]")
    return name in (node["metadata"]["name"], spec.get("hostname"), address)
