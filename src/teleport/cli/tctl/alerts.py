"""`tctl alerts ls|create|ack`"""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime

import msgspec

from teleport.api.route import Empty
from teleport.api.routes import alerts as routes
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.requests import FORMS, duration_of, moment
from teleport.cli.tctl.connection import connect
from teleport.cli.tsh.selectors import parse_labels
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter
from teleport.model.codec import decode_json, to_plain
from teleport.model.resources.cluster_alert import ClusterAlert

_LISTED = "ls"
_HEADERS = ("ID", "Severity", "Expires In", "Message")


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list cluster alerts", _ls, aliases=("list",))
    listing.switch("-v", "--verbose", help="also those that are acknowledged or superseded, and all labels")
    listing.add_argument("--labels", metavar="K=V,...", help="only those with these labels")
    listing.choice("--format", choices=FORMS, default="text", help="form of the output")
    creating = parser.subcommand("create", "tell something to those whom it concerns", _create)
    creating.add_argument("message", metavar="MESSAGE", help="at most 1024 characters")
    creating.choice("--severity", choices=("low", "medium", "high"), default="low", help="how bad it is (low)")
    creating.add_argument("--ttl", metavar="DURATION", help="how long it is shown (24h)")
    creating.add_argument("--labels", metavar="K=V,...", help="whom and where; without any: everybody, at login")
    creating.examples(
        "tctl alerts create 'The cluster is away on Sunday from 8 to 9 UTC' --severity=medium --ttl=72h",
        "tctl alerts create 'Rotate the join tokens' --labels=teleport.internal/alert-on-login=yes,"
        "teleport.internal/alert-verb-permit=token:create",
    )
    hiding = parser.subcommand("ack", "acknowledge an alert: nobody sees it for a time; `ack ls` lists those", _ack)
    hiding.add_argument("id", metavar="ID")
    hiding.add_argument("--ttl", metavar="DURATION", help="how long it is hidden (24h)")
    hiding.add_argument("--reason", default="", metavar="TEXT", help="why")
    hiding.switch("--clear", help="show it again")
    hiding.choice("--format", choices=FORMS, default="text", help="form of the output of `ack ls`")
    hiding.examples(
        "tctl alerts ack upgrade-suggestion --ttl=72h --reason='planned for Friday'",
        "tctl alerts ack upgrade-suggestion --clear",
        "tctl alerts ack ls",
    )


def _ls(options: Namespace) -> int:
    wanted = routes.ListAlerts(
        labels=parse_labels(options.labels) if options.labels else {}, everything=bool(options.verbose)
    )
    with connect(options) as client:
        shown = client.call(routes.LIST, wanted).alerts
    found = [(decode_json(one.alert, ClusterAlert), one.acknowledged) for one in shown]
    if options.format != "text":
        output.show([to_plain(alert) for alert, _ in found], options.format)
        return 0
    if not found:
        print("no alerts")
        return 0
    now = SystemClock().now()
    rows = [_row(alert, now) for alert, _ in found]
    if not options.verbose:
        print(output.table(_HEADERS, rows, columns=output.terminal_columns(), flexible="Message"))
        return 0
    more = [
        (moment(alert.spec.created), "yes" if hidden else "no", output.labels(alert.labels))
        for alert, hidden in found
    ]
    headers = (*_HEADERS, "Created", "Acknowledged", "Labels")
    print(output.table(headers, [(*row, *rest) for row, rest in zip(rows, more, strict=True)]))
    return 0


def _row(alert: ClusterAlert, now: datetime) -> tuple[str, str, str, str]:
    left = output.ago(alert.expires - now) if alert.expires else "never"
    return alert.name, alert.spec.severity, left, alert.spec.message.replace("\n", " ")


def _create(options: Namespace) -> int:
    wanted = routes.CreateAlert(
        message=options.message,
        severity=options.severity,
        ttl=duration_of(options.ttl),
        labels=parse_labels(options.labels) if options.labels else {},
    )
    with connect(options) as client:
        shown = client.call(routes.CREATE, wanted)
    print(f'cluster_alert "{decode_json(shown.alert, ClusterAlert).name}" has been created')
    return 0


def _ack(options: Namespace) -> int:
    with connect(options) as client:
        if options.id == _LISTED:
            told = client.call(routes.ACKNOWLEDGEMENTS, Empty()).acknowledgements
        elif options.clear:
            if options.ttl or options.reason:
                raise BadParameter("--clear goes without --ttl and --reason")
            client.call(routes.CLEAR, routes.AlertId(options.id))
            print(f"alert {output.printable(options.id)} is shown again")
            return 0
        else:
            wanted = routes.AcknowledgeAlert(id=options.id, reason=options.reason, ttl=duration_of(options.ttl))
            made = client.call(routes.ACKNOWLEDGE, wanted)
            print(f"alert {output.printable(made.id)} is hidden until {moment(made.expires)}")
            return 0
    if options.format != "text":
        output.show(msgspec.to_builtins(told), options.format)
        return 0
    if not told:
        print("no acknowledgements")
        return 0
    rows = [(one.id, one.reason, one.acknowledged_by, moment(one.expires)) for one in told]
    print(output.table(("ID", "Reason", "By", "Expires"), rows, columns=output.terminal_columns(), flexible="Reason"))
    return 0
