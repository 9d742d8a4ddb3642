"""`tsh clusters`"""

from __future__ import annotations

from argparse import Namespace

from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh.who import account_of
from teleport.client.http1 import ApiConnection
from teleport.foundation.errors import AccessDenied, BadParameter, NotFound


def arguments(parser: Arguments) -> None:
    parser.choice("-f", "--format", choices=("text", "json", "yaml"), default="text", help="form of the output")
    parser.switch("-q", "--quiet", help="no header line")
    parser.switch("-v", "--verbose", help="do not cut labels")


def run(options: Namespace) -> int:
    account = account_of(options)
    connection = ApiConnection(account)
    try:
        leaves = connection.get("/v1/resources/remote_cluster")["items"]
    except (AccessDenied, BadParameter, NotFound):
        leaves = []  # who may not see other clusters has one
    finally:
        connection.close()
    rows = [_row(account.root_cluster, "online", "root", {}, account.cluster)]
    for leaf in leaves:
        metadata = leaf["metadata"]
        state = str(leaf.get("status", {}).get("connection", "offline"))
        rows.append(_row(metadata["name"], state, "leaf", metadata.get("labels", {}), account.cluster))
    if options.format != "text":
        output.show([dict(zip(_KEYS, row, strict=True)) for row in rows], options.format)
    elif options.quiet:
        print("\n".join(" ".join(str(cell) for cell in row[:3]) for row in rows))
    else:
        cells = [(*row[:3], output.labels(row[3]), "*" if row[4] else "") for row in rows]
        columns = None if options.verbose else output.terminal_columns()
        print(output.table(_HEADERS, cells, columns=columns))
    return 0


_HEADERS = ("Cluster Name", "Status", "Cluster Type", "Labels", "Selected")
_KEYS = ("cluster_name", "status", "cluster_type", "labels", "selected")


def _row(
    name: str, state: str, kind: str, labels: dict[str, str], selected: str
) -> tuple[str, str, str, dict[str, str], bool]:
    return name, state, kind, labels, name == selected
