"""What tsh makes of a denied server: asking for access, waiting for the decision, going on with what was granted.

Nobody is asked anything without a terminal: there the denial tells the command that asks.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING, NamedTuple

from teleport.cli.arguments import Arguments
from teleport.client.account import Account
from teleport.client.dialer import Wanted
from teleport.foundation.errors import AccessDenied, BadParameter, TeleportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from teleport.api.routes.access_requests import AccessCapabilities, CreateAccessRequest
    from teleport.api.sync_client import SyncClient
    from teleport.client.ssh import Regain
    from teleport.model.resources.access_request import AccessRequest

MODES = ("off", "resource", "role")
_MOST_TOLD = 5


class _Ask(NamedTuple):
    """What would be asked for: in words, as flags of `tsh request create`, and as it is sent."""

    what: str
    flags: str
    wanted: CreateAccessRequest
    needs_reason: bool
    question: str


def add_flags(parser: Arguments) -> None:
    parser.add_argument("--request-reason", metavar="TEXT", help="why you ask for access, where it is denied")
    parser.choice(
        "--request-mode", choices=MODES, help="what to ask for where access is denied [TELEPORT_REQUEST_MODE]"
    )
    parser.switch("--disable-access-request", help="ask for nothing where access is denied")


def mode_of(options: Namespace) -> str:
    """Raises BadParameter for what the environment says and is none."""
    mode = options.request_mode or "resource"
    if mode not in MODES:
        raise BadParameter(f"TELEPORT_REQUEST_MODE={mode}: expected {', '.join(MODES)}")
    return "off" if options.disable_access_request else str(mode)


def regain(options: Namespace) -> Regain:
    """For clients that dial: see client.ssh.Regain."""

    def ask(account: Account, wanted: Wanted, denied: AccessDenied) -> Account:
        mode = mode_of(options)
        if mode == "off" or account.profile is None:
            raise denied
        return _regained(account, wanted, denied, mode, options)

    return ask


def _regained(account: Account, wanted: Wanted, denied: AccessDenied, mode: str, options: Namespace) -> Account:
    from teleport.cli.tsh.who import account_of
    from teleport.client import access_requests, api_access

    with api_access.connect(account) as client:
        try:
            ask = (_resource if mode == "resource" else _role)(client, account, wanted, denied)
        except AccessDenied:
            raise
        except TeleportError:
            ask = None
        if ask is None:
            raise denied
        if not (sys.stdin.isatty() or options.request_reason):
            command = f"tsh request create {ask.flags} --reason=…"
            raise AccessDenied(f"{denied.message} You may ask for access: {command}", event_id=denied.event_id)
        request = _decided(client, account, ask, denied, options)
        dropped = access_requests.narrowing(client, account)
    if request.spec.assume_start_time is not None:
        _tell(f"Access begins at {request.spec.assume_start_time.isoformat()}.")
        access_requests.wait_for_start(request, time.sleep)
    access_requests.reissue(account, (request.name,), dropped, agent=options.add_keys_to_agent or "auto")
    _tell(f"Your login has the access of request {request.name} now; `tsh request drop` gives it back.\n")
    return account_of(options)


def _resource(client: SyncClient, account: Account, wanted: Wanted, denied: AccessDenied) -> _Ask | None:
    """The one server that is meant, if it can be found with the roles to search with. Raises AccessDenied."""
    from teleport.api.routes import access_requests as routes

    able = client.call(routes.CAPABILITIES, routes.AskCapabilities())
    if not able.search_as_roles or wanted.kind != "node":
        return None
    found = _servers(client, wanted)
    ids = {f"/{account.cluster}/node/{name}": hostname for name, hostname in found.items()}
    if not ids or set(ids) & set(account.record.allowed_resources):
        return None  # what is held already and still denied would be denied again
    if len(ids) > 1:
        listed = ", ".join(list(ids)[:_MOST_TOLD])
        raise AccessDenied(
            f"{denied.message} You may ask for {len(ids)} servers that are meant: dial one by its UUID, or "
            f"`tsh request create --resource=…` with {listed}",
            event_id=denied.event_id,
        )
    ((name, hostname),) = ids.items()
    try:
        client.call(routes.CAPABILITIES, routes.AskCapabilities(resource_ids=(name,), login=wanted.login))
    except AccessDenied as useless:
        raise AccessDenied(f"{denied.message} {_sentence(useless.message)}", event_id=denied.event_id) from None
    asked = routes.CreateAccessRequest(resource_ids=(name,), login_hint=wanted.login)
    return _asking(able, f"the server {hostname}", f"--resource={name}", asked)


def _role(client: SyncClient, account: Account, wanted: Wanted, denied: AccessDenied) -> _Ask | None:
    """One of the roles that may be asked for; which one, only the person knows. Raises AccessDenied."""
    from teleport.api.routes import access_requests as routes
    from teleport.client import prompt

    able = client.call(routes.CAPABILITIES, routes.AskCapabilities())
    roles = able.requestable_roles
    if not roles:
        return None
    if len(roles) > 1 and not sys.stdin.isatty():
        listed = ", ".join(roles)
        raise AccessDenied(
            f"{denied.message} You may ask for a role ({listed}): tsh request create --roles=… --reason=…",
            event_id=denied.event_id,
        )
    if len(roles) > 1:
        _tell(denied.message)
    role = roles[prompt.choose("Which role do you want to ask for?", roles)] if len(roles) > 1 else roles[0]
    asked = routes.CreateAccessRequest(roles=(role,), login_hint=wanted.login)
    return _asking(able, f"the role {role}", f"--roles={role}", asked)


def _asking(able: AccessCapabilities, what: str, flags: str, wanted: CreateAccessRequest) -> _Ask:
    question = able.reason_prompts[0] if able.reason_prompts else "Enter request reason"
    return _Ask(what, flags, wanted, able.reason_required, question.rstrip(":"))


def _servers(client: SyncClient, wanted: Wanted) -> dict[str, str]:
    """Name and host name of those that `wanted` means, of all that may be asked for."""
    from teleport.api.routes import access_requests as routes

    name = json.dumps(wanted.name)
    search = routes.SearchResources(
        kind="node",
        query=f"name == {name} || resource.metadata.name == {name}" if wanted.name else "",
        labels=dict(wanted.labels),
        limit=100,
    )
    items = [json.loads(bytes(item)) for item in client.call(routes.SEARCH, search).items]
    return {item["metadata"]["name"]: item["spec"].get("hostname") or item["metadata"]["name"] for item in items}


def _decided(
    client: SyncClient, account: Account, ask: _Ask, denied: AccessDenied, options: Namespace
) -> AccessRequest:
    """The request, once it is approved; one that waits already is not made twice. Raises AccessDenied."""
    from msgspec.structs import replace

    from teleport.api.routes import access_requests as routes
    from teleport.cli import requests
    from teleport.client import access_requests, prompt

    _tell(denied.message)
    request = _present(client, ask)
    if request is None:
        _tell(f"You may ask for access to {ask.what}.")
        reason = options.request_reason or _reason(ask, prompt.ask)
        request = requests.read(client.call(routes.CREATE, replace(ask.wanted, reason=reason)))
    if request.spec.state == "PENDING":
        later = f"tsh login --request-id={request.name}"
        _tell(f"Request {request.name} waits for approval. Should it come later: {later}")
        request = access_requests.wait_for_decision(client, request.name, _Progress())
    told = f": {request.spec.resolve_reason}" if request.spec.resolve_reason else ""
    if request.spec.state == "DENIED":
        raise AccessDenied(f"request {request.name} was denied{told}")
    if request.spec.state == "PROMOTED":
        raise AccessDenied(
            f"request {request.name} became membership of an access list{told}. Log in again to have it"
        )
    _tell(f"Approved{told}.")
    return request


def _present(client: SyncClient, ask: _Ask) -> AccessRequest | None:
    """One of the person's own for the same that waits, or that is approved and goes on."""
    from teleport.cli import requests
    from teleport.foundation.clock import SystemClock

    now = SystemClock().now()
    for state in ("APPROVED", "PENDING"):
        for one in requests.all_of(client, scope="mine", state=state):
            ids = tuple(str(resource) for resource in one.spec.requested_resource_ids)
            is_same = ids == ask.wanted.resource_ids if ids else tuple(one.spec.roles) == ask.wanted.roles
            lasts = one.spec.expires is None or one.spec.expires > now
            if is_same and lasts and one.spec.login_hint in ("", ask.wanted.login_hint):
                return one
    return None


def _reason(ask: _Ask, asking: Callable[[str], str]) -> str:
    """Raises BadParameter where one is needed and none given."""
    for _ in range(3):
        reason = asking(f"{ask.question}:")
        if reason or not ask.needs_reason:
            return reason
        _tell("Your roles want a reason with each request.")
    raise BadParameter("no reason was given, so nothing was asked for")


class _Progress:
    """Tells of reviews as they come, and on a terminal how long it has been."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._told = 0
        self._is_line_open = False

    def __call__(self, request: AccessRequest) -> None:
        for review in request.spec.reviews[self._told :]:
            self._close_line()
            said = f" ({review.reason})" if review.reason else ""
            _tell(f"{review.author}: {review.proposed_state.lower()}{said}")
        self._told = len(request.spec.reviews)
        if request.spec.state != "PENDING":
            self._close_line()
        elif sys.stderr.isatty():
            minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
            print(f"\rwaiting {minutes}:{seconds:02}", end="", file=sys.stderr, flush=True)
            self._is_line_open = True

    def _close_line(self) -> None:
        if self._is_line_open:
            print(file=sys.stderr)
            self._is_line_open = False


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _tell(text: str) -> None:
    """Not on the standard output, which is the remote command's."""
    from teleport.cli import output

    print("\n".join(output.printable(line) for line in text.split("\n")), file=sys.stderr, flush=True)
