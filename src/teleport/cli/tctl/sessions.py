"""`tctl sessions`: what goes on now; end one session, whoever it is of, and leave its owner free to open another."""

from __future__ import annotations

import time
import uuid
from argparse import Namespace

from teleport.api.routes import sessions as running
from teleport.api.sync_client import SyncClient
from teleport.cli.arguments import Arguments
from teleport.cli.tctl import documents
from teleport.cli.tctl.connection import connect
from teleport.cli.tsh import sessions
from teleport.foundation import durations
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import NotFound, Unavailable
from teleport.model.resource import Metadata
from teleport.model.resources.lock import Lock, LockSpec, LockTarget

_ENDED = "an administrator has ended this session"
_LOCKED = "30m"
"""As long as the cluster remembers a session whose server is silent."""
_PATIENCE = 20.0
_LOOK_EVERY = 0.2


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list running sessions, the newest first", _ls)
    sessions.add_listing(listing)
    ending = parser.subcommand("terminate", "end a running session", _terminate)
    ending.add_argument("session", metavar="SESSION", help="id, as `tctl sessions ls` shows it")
    ending.add_argument("--message", default="", help="shown to those who are in it")
    ending.examples("tctl sessions terminate 6f0d9b6c-4a51-4d3a-9f2e-0c6d8e1a2b3c --message='change freeze'")


def _ls(options: Namespace) -> int:
    with connect(options) as client:
        return sessions.show_running(client, options)


def _terminate(options: Namespace) -> int:
    with connect(options) as client:
        client.call(running.GET, running.SessionName(options.session))
        ends = SystemClock().now() + durations.parse(_LOCKED)
        lock = Lock(
            metadata=Metadata(name=str(uuid.uuid4()), expires=ends),
            spec=LockSpec(
                target=LockTarget(session_id=options.session), message=options.message or _ENDED, expires=ends
            ),
        )
        lock.check()
        documents.create(client, lock)
        _wait_for_end(client, options.session)
    print(f"Session {options.session!r} has ended.")
    return 0


def _wait_for_end(client: SyncClient, session: str) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            client.call(running.GET, running.SessionName(session))
        except NotFound:
            return
        time.sleep(_LOOK_EVERY)
    raise Unavailable(
        f"session {session} is locked, and its server has not said that it has ended: it may be out of reach, and "
        f"ends the session once it hears of the lock, which stays for {_LOCKED}"
    )
