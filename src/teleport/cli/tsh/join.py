"""`tsh join`: watch, moderate or help in a session that runs now."""

from __future__ import annotations

from argparse import Namespace

from teleport.api.routes import sessions
from teleport.cli.arguments import Arguments
from teleport.cli.tsh.who import account_of
from teleport.client import api_access, joining
from teleport.foundation.errors import Unsupported
from teleport.model.codec import decode_json
from teleport.model.resources.session_tracker import SessionTracker

MODES = ("observer", "moderator", "peer")


def arguments(parser: Arguments) -> None:
    parser.add_argument("session", metavar="SESSION", help="id, as `tsh sessions ls` shows it")
    parser.choice("-m", "--mode", choices=MODES, default="observer", help="what you want to do in it")
    parser.examples("tsh join -m moderator 6f0d9b6c-4a51-4d3a-9f2e-0c6d8e1a2b3c")


def run(options: Namespace) -> int:
    account = account_of(options)
    with api_access.connect(account) as client:
        shown = client.call(sessions.GET, sessions.SessionName(options.session))
    spec = decode_json(shown.tracker, SessionTracker).spec
    if spec.kind != "ssh":
        raise Unsupported(f"sessions of kind {spec.kind} cannot be joined yet")
    node = spec.address or spec.host_id  # where the session is seen to run, also where a proxy serves it
    request = joining.JoinRequest(
        spec.session_id, options.mode, node, bool(options.insecure), options.mfa_mode or "auto"
    )
    return joining.run(account, request)
