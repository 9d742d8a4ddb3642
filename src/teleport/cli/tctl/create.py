"""`tctl create`"""

from __future__ import annotations

from argparse import Namespace

from teleport.api.sync_client import SyncClient
from teleport.cli.arguments import Arguments
from teleport.cli.tctl import documents
from teleport.cli.tctl.connection import connect
from teleport.foundation.errors import AlreadyExists, NotFound
from teleport.model.kinds import kind_named
from teleport.model.resource import Resource


def arguments(parser: Arguments) -> None:
    parser.add_argument("file", nargs="?", default="", metavar="FILE", help="YAML or JSON; - or nothing: the input")
    parser.switch("-f", "--force", help="replace what exists")
    parser.switch("--confirm", help=documents.CONFIRM)
    parser.examples("tctl create role.yaml", "tctl create -f < roles.yaml")


def run(options: Namespace) -> int:
    resources = documents.read(options.file)
    for resource in resources:
        documents.refuse_unwritable(kind_named(resource.kind))
        # a file is the whole wish, on this cluster or another: `update` and `edit` are what heeds revisions
        resource.metadata.revision = ""
    with connect(options) as client:
        for resource in resources:
            singleton = kind_named(resource.kind).singleton
            is_named = bool(resource.metadata.name)  # of what is named by us there is nothing to replace yet
            if not singleton and not (options.force and is_named):
                try:
                    created = documents.create(client, resource)
                except AlreadyExists as problem:
                    message = f"{problem.message}; use -f to replace it"
                    raise AlreadyExists(message, event_id=problem.event_id) from problem
                print(documents.said(created, "created"))
                continue
            print(documents.said(resource, _replace(client, resource, confirm=bool(options.confirm))))
    return 0


def _replace(client: SyncClient, resource: Resource, *, confirm: bool) -> str:
    """Tells `updated` from `created`."""
    try:
        documents.put(client, resource, must_exist=True, confirm=confirm)
    except NotFound:
        documents.put(client, resource, confirm=confirm)
        return "created"
    return "updated"
