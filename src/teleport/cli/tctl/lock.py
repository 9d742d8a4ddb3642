"""`tctl lock`"""

from __future__ import annotations

import uuid
from argparse import Namespace
from datetime import datetime

from teleport.cli.arguments import Arguments
from teleport.cli.tctl import documents
from teleport.cli.tctl.connection import connect
from teleport.foundation import durations
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock, LockSpec, LockTarget

# flag -> field of the target
TARGETS = {
    "user": "user",
    "role": "role",
    "login": "login",
    "mfa-device": "mfa_device",
    "server-id": "server_id",
    "node": "node",
    "windows-desktop": "windows_desktop",
    "access-request": "access_request",
    "device": "device",
    "bot-instance-id": "bot_instance_id",
    "join-token": "join_token",
    "session-id": "session_id",
}


def arguments(parser: Arguments) -> None:
    for flag, field in TARGETS.items():
        parser.add_argument(f"--{flag}", metavar="NAME", default="", help=f"lock this {field.replace('_', ' ')}")
    parser.add_argument("--message", default="", help="shown to those who are locked out")
    parser.add_argument("--ttl", metavar="DURATION", help="how long; without it and --expires for ever")
    parser.add_argument("--expires", metavar="TIME", help="until when, RFC 3339")
    parser.examples("tctl lock --user=alice --message='device lost' --ttl=10h")


def run(options: Namespace) -> int:
    target = LockTarget(**{field: getattr(options, flag.replace("-", "_")) for flag, field in TARGETS.items()})
    if not target.fields():
        raise BadParameter(f"whom? use at least one of --{', --'.join(TARGETS)}")
    lock = Lock(
        metadata=Metadata(name=str(uuid.uuid4())),
        spec=LockSpec(target=target, message=options.message, expires=_end(options)),
    )
    lock.check()
    with connect(options) as client:
        documents.create(client, lock)
    print(f"Created a lock with name {lock.name!r}.")
    return 0


def _end(options: Namespace) -> datetime | None:
    if options.ttl and options.expires:
        raise BadParameter("--ttl and --expires exclude each other")
    if options.ttl:
        return SystemClock().now() + durations.parse(options.ttl)
    if not options.expires:
        return None
    try:
        moment = datetime.fromisoformat(options.expires)
    except ValueError:
        raise BadParameter(f"--expires={options.expires}: expected RFC 3339, as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise BadParameter(f"--expires={options.expires}: the zone is missing, add Z for UTC")
    return moment
