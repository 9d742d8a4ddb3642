"""`tctl get`"""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.tctl import documents
from teleport.cli.tctl.connection import connect
from teleport.foundation.errors import AccessDenied, BadParameter, NotFound
from teleport.model.kinds import KINDS, ResourceRef, parse_refs
from teleport.model.resource import Resource


def arguments(parser: Arguments) -> None:
    parser.add_argument("refs", nargs="?", metavar="KIND[/NAME],...", help="what to print; `all` for everything")
    parser.choice("--format", choices=("yaml", "json", "text"), default="yaml", help="form of the output")
    parser.switch("--with-secrets", help="show join tokens and client secrets in full")
    parser.switch("-v", "--verbose", help="kept for scripts")
    parser.examples("tctl get roles", "tctl get role/access,user/alice", "tctl get all > backup.yaml")


def run(options: Namespace) -> int:
    if not options.refs:
        raise BadParameter(f"what? one or more of: {', '.join(sorted(KINDS))}")
    everything = options.refs.strip() == "all"
    refs = all_refs() if everything else parse_refs(options.refs)
    found: list[Resource] = []
    with connect(options) as client:
        for ref in refs:
            try:
                found += documents.fetch(client, ref, with_secrets=bool(options.with_secrets))
            except (AccessDenied, NotFound):  # of everything: what there is, and what may be seen
                if not everything:
                    raise
    documents.show(found, options.format)
    return 0


def all_refs() -> list[ResourceRef]:
    """Every kind that administrators create: what a fresh cluster needs to become this one."""
    return [
        ResourceRef(kind) for kind in KINDS.values() if kind.creatable and kind.listable and kind.scope == "cluster"
    ]


def complete(behind: list[str], current: str) -> list[str]:
    return documents.kind_names(current)
