"""`tctl update`"""

from __future__ import annotations

from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.tctl import documents
from teleport.cli.tctl.connection import connect
from teleport.cli.tsh.selectors import parse_labels
from teleport.foundation import durations
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter
from teleport.model.kinds import kind_named, parse_ref


def arguments(parser: Arguments) -> None:
    parser.add_argument("ref", nargs="?", metavar="KIND/NAME", help="the resource whose labels or lifetime change")
    parser.add_argument("-f", "--filename", metavar="FILE", help="replace resources that exist by those of a file")
    parser.add_argument("--set-labels", metavar="K=V,...", help="new labels")
    parser.add_argument("--set-ttl", metavar="DURATION", help="ends so long from now; never removes the end")
    parser.switch("--confirm", help=documents.CONFIRM)
    parser.examples("tctl update -f role.yaml", "tctl update rc/leaf --set-labels=env=prod")


def run(options: Namespace) -> int:
    if bool(options.filename) == bool(options.ref):
        raise BadParameter("expected KIND/NAME, or a file with -f")
    if options.filename:
        resources = documents.read(options.filename)
        for resource in resources:
            documents.refuse_unwritable(kind_named(resource.kind))
        with connect(options) as client:
            for resource in resources:
                documents.put(client, resource, must_exist=True, confirm=bool(options.confirm))
                print(documents.said(resource, "updated"))
        return 0
    if options.set_labels is None and options.set_ttl is None:
        raise BadParameter("nothing to change: use --set-labels or --set-ttl")
    ref = parse_ref(options.ref)
    documents.refuse_unwritable(ref.kind)
    with connect(options) as client:
        resource = documents.fetch_one(client, ref, with_secrets=documents.holds_secrets(ref.kind))
        if options.set_labels is not None:
            resource.metadata.labels = parse_labels(options.set_labels) if options.set_labels else {}
        if options.set_ttl is not None:
            ttl = durations.parse(options.set_ttl)
            resource.metadata.expires = SystemClock().now() + ttl if ttl else None
        documents.put(client, resource, must_exist=True, confirm=bool(options.confirm))
    print(documents.said(resource, "updated"))
    return 0
