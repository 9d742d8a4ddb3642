"""`tsh mfa ls|add|rm`: the caller's second factors."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime

from teleport.api.route import Empty
from teleport.api.routes import mfa as routes
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh.who import account_of
from teleport.client import api_access, mfa, prompt
from teleport.client.account import Account
from teleport.foundation.errors import BadParameter, Unsupported


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list your second factors", _ls)
    listing.switch("-v", "--verbose", help="show ids")
    listing.choice("-f", "--format", choices=("text", "json", "yaml"), default="text", help="form of the output")
    adding = parser.subcommand("add", "add a one-time code device", _add)
    adding.add_argument("--name", metavar="NAME", help="what to call it")
    adding.add_argument("--type", metavar="TOTP", default="TOTP", help="TOTP; security keys are added in the browser")
    removing = parser.subcommand("rm", "remove a second factor", _rm)
    removing.add_argument("name", metavar="NAME", help="its name or id")


def _ls(options: Namespace) -> int:
    with api_access.connect(account_of(options)) as client:
        devices = client.call(routes.DEVICES, Empty()).devices
    if options.format != "text":
        import msgspec

        output.show(msgspec.to_builtins(devices), options.format)
        return 0
    headers = ["Name", "Type", "Added at", "Last used"]
    rows = [
        [device.name, device.type.upper(), _moment(device.added_at), _moment(device.last_used)] for device in devices
    ]
    if options.verbose:
        headers = ["ID", *headers]
        rows = [[device.id, *row] for device, row in zip(devices, rows, strict=True)]
    print(output.table(headers, rows))
    return 0


def _moment(moment: datetime | None) -> str:
    return output.utc_time(moment) if moment else "never"


def _add(options: Namespace) -> int:
    if options.type.upper() != "TOTP":
        raise Unsupported("security keys are added in the browser; here: --type=TOTP")
    name = options.name or prompt.ask("Enter a name for the device:")
    account = account_of(options)
    with api_access.connect(account) as client:
        begin = routes.BeginDevice(device_type="totp", existing=_prove(client, account))
        registration = client.call(routes.BEGIN_DEVICE, begin).totp
        if registration is None:
            raise BadParameter("the cluster did not offer a one-time code device")
        print(
            f"Enter this secret into your authenticator app:\n\n  {registration.secret}\n\n  {registration.otp_url}\n"
        )
        client.call(routes.ADD_DEVICE, routes.AddDevice(name=name, totp_code=mfa.ask_code()))
    print(f"MFA device {name!r} added.")
    return 0


def _rm(options: Namespace) -> int:
    account = account_of(options)
    with api_access.connect(account) as client:
        client.call(routes.REMOVE_DEVICE, routes.RemoveDevice(name=options.name, existing=_prove(client, account)))
    print(f"MFA device {options.name!r} removed.")
    return 0


def _prove(client: SyncClient, account: Account) -> routes.MfaResponse:
    import msgspec

    challenge = client.call(routes.CHALLENGE, routes.ChallengeRequest(scope="manage_devices"))
    webauthn = bytes(challenge.webauthn_challenge) if challenge.webauthn_challenge else None
    answer = mfa.answer_challenge(
        totp=challenge.totp_challenge, webauthn=webauthn, origin=f"https://{account.address}"
    )
    return routes.MfaResponse(
        totp_code=answer.totp_code, webauthn_response=msgspec.Raw(answer.webauthn) if answer.webauthn else None
    )
