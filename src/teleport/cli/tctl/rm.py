"""`tctl rm`"""

from __future__ import annotations

from argparse import Namespace

from teleport.api.routes import resources as routes
from teleport.api.routes import tokens as token_routes
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl import documents
from teleport.cli.tctl.connection import connect
from teleport.foundation.errors import BadParameter
from teleport.model.kinds import parse_refs
from teleport.model.sensitive import mask_name


def arguments(parser: Arguments) -> None:
    parser.add_argument("refs", metavar="KIND/NAME,...", help="what to remove")
    parser.switch("--confirm", help="also the last user who may write users and roles")
    parser.examples("tctl rm role/old", "tctl rm user/alice,user/bob", "tctl rm cap")


def run(options: Namespace) -> int:
    refs = parse_refs(options.refs)
    for ref in refs:
        if not ref.key and not ref.kind.singleton:
            raise BadParameter(f"{ref.kind.name}: which one? name it as {ref.kind.name}/NAME")
    with connect(options) as client:
        for ref in refs:
            name = ref.key or ref.kind.singleton
            if ref.kind.type.NAME_IS_SECRET:
                client.call(token_routes.DELETE, token_routes.DeleteToken(token=name))
                name = mask_name(name)
            else:
                if ref.kind.type.KEY_HAS_PREFIX and "/" not in name:
                    name = documents.fetch_one(client, ref).key
                client.call(routes.DELETE, routes.DeleteResource(ref.kind.name, name, bool(options.confirm)))
            what = "reset to defaults" if ref.kind.singleton else "deleted"
            print(f'{ref.kind.name} "{output.printable(name)}" has been {what}')
    return 0


def complete(behind: list[str], current: str) -> list[str]:
    return documents.kind_names(current)
