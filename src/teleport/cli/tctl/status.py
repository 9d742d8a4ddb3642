"""`tctl status`"""

from __future__ import annotations

import json
from argparse import Namespace

import msgspec

from teleport.api.route import Empty
from teleport.api.routes import alerts as routes
from teleport.api.routes import cluster
from teleport.cli import alerts, output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl.connection import connect
from teleport.model.resources.cluster_alert import ON_LOGIN, YES


def arguments(parser: Arguments) -> None:
    parser.choice("--format", choices=("text", "json", "yaml"), default="text", help="form of the output")


def run(options: Namespace) -> int:
    with connect(options) as client:
        status = client.call(cluster.STATUS, Empty())
        told = client.call(routes.LIST, routes.ListAlerts(labels={ON_LOGIN: YES})).alerts
    if options.format != "text":
        output.show(msgspec.to_builtins(status), options.format)
        return 0
    rows = [("Cluster", status.cluster), ("Version", status.version)]
    rows += [(f"{authority.type} CA", _rotation(authority.phase)) for authority in status.authorities]
    rows += [("CA pin", pin) for pin in status.ca_pins]
    size = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:<{size}}  {output.printable(value)}".rstrip() for name, value in rows))
    alerts.show(json.loads(bytes(one.alert)) for one in told)
    return 0


def _rotation(phase: str) -> str:
    return "never updated" if phase in ("", "standby") else f"rotation in progress: {phase}"
