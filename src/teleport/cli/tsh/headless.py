"""`tsh headless approve`: let a command on another machine go on as you."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace

from teleport.api.route import Empty
from teleport.api.routes import headless as routes
from teleport.api.sync_client import SyncClient
from teleport.cli.arguments import Arguments
from teleport.cli.output import printable
from teleport.cli.program import truth
from teleport.cli.tsh.who import account_of
from teleport.client import api_access, prompt, session_mfa
from teleport.client.account import Account
from teleport.foundation.errors import NotFound

_LOOK_EVERY = 1.0
_LOOK_FOR = 180.0


def arguments(parser: Arguments) -> None:
    approving = parser.subcommand("approve", "approve a headless login of yours with a WebAuthn device", _approve)
    approving.add_argument("id", nargs="?", metavar="ID", help="as the other machine shows it; none: wait for one")
    approving.switch("--skip-confirm", help="ask for the device at once [TELEPORT_HEADLESS_SKIP_CONFIRM]")
    approving.examples("tsh headless approve 6f0d9b6c-4a51-5d3a-9f2e-0c6d8e1a2b3c")


def _approve(options: Namespace) -> int:
    account = account_of(options)
    with api_access.connect(account) as client:
        request = client.call(routes.SHOW, routes.HeadlessId(options.id)) if options.id else _next(client)
        skips = options.skip_confirm or truth(os.environ.get("TELEPORT_HEADLESS_SKIP_CONFIRM"))
        print(f"A headless login from {printable(request.client_ip_address)} wants to work as {request.user}.")
        if not skips and not prompt.confirm("Did you start it, and approve it?"):
            _decide(client, request, "deny", None)
            print("Denied.")
            return 1
        _decide(client, request, "accept", (account, options.mfa_mode or "auto"))
    print("Approved.")
    return 0


def _next(client: SyncClient) -> routes.HeadlessRequest:
    """The first that waits, once there is one."""
    print("Waiting for a headless login …", file=sys.stderr)
    end = time.monotonic() + _LOOK_FOR
    while time.monotonic() < end:
        found = client.call(routes.LIST, Empty()).requests
        if found:
            return found[0]
        time.sleep(_LOOK_EVERY)
    raise NotFound("no headless login of yours waits")


def _decide(
    client: SyncClient, request: routes.HeadlessRequest, action: str, proof: tuple[Account, str] | None
) -> None:
    answer = None
    if proof is not None:
        account, mode = proof
        origin = f"https://{account.address}"
        answer = session_mfa.respond(client, "headless", origin, mode, prompt.STANDARD).webauthn_response
    client.call(
        routes.DECIDE, routes.HeadlessDecision(id=request.id, action=action, webauthn_assertion_response=answer)
    )
