"""`tsh mfa ls|add|rm`: the caller's second factors."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import datetime

from teleport.api.route import Empty
from teleport.api.routes import mfa as routes
from teleport.api.routes.users import RegisterChallenge
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tsh.who import account_of
from teleport.client import api_access, mfa, prompt, session_mfa
from teleport.client.account import Account
from teleport.foundation.errors import BadParameter, Unsupported

TYPES = ("TOTP", "WEBAUTHN")


def arguments(parser: Arguments) -> None:
    listing = parser.subcommand("ls", "list your second factors", _ls)
    listing.switch("-v", "--verbose", help="show ids")
    listing.choice("-f", "--format", choices=("text", "json", "yaml"), default="text", help="form of the output")
    adding = parser.subcommand("add", "add an authenticator app, a security key or a passkey", _add)
    adding.add_argument("--name", metavar="NAME", help="what to call it")
    adding.add_argument("--type", metavar="TYPE", help="TOTP (an authenticator app) or WEBAUTHN (a security key)")
    adding.switch("--allow-passwordless", help="a passkey: the security key alone shall log you in")
    adding.examples("tsh mfa add --type=TOTP --name=phone", "tsh mfa add --type=WEBAUTHN --name=key")
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
        [output.printable(device.name), _type(device), _moment(device.added_at), _moment(device.last_used)]
        for device in devices
    ]
    if options.verbose:
        headers = ["ID", *headers]
        rows = [[device.id, *row] for device, row in zip(devices, rows, strict=True)]
    print(output.table(headers, rows))
    return 0


def _type(device: routes.MfaDevice) -> str:
    return f"{device.type.upper()} (passwordless)" if device.passwordless else device.type.upper()


def _moment(moment: datetime | None) -> str:
    return output.utc_time(moment) if moment else "never"


def _add(options: Namespace) -> int:
    kind = _chosen_type(options)
    is_passkey = bool(options.allow_passwordless)
    if is_passkey and kind == "TOTP":
        raise BadParameter("--allow-passwordless is for security keys: --type=WEBAUTHN")
    name = options.name or prompt.ask("Enter a name for the device:")
    account = account_of(options)
    with api_access.connect(account) as client:
        existing = _prove(client, account, options)
        begin = routes.BeginDevice(
            device_type=kind.lower(), device_usage="passwordless" if is_passkey else "mfa", existing=existing
        )
        challenge = client.call(routes.BEGIN_DEVICE, begin)
        if kind == "TOTP":
            _add_application(client, challenge, name)
        else:
            _add_key(client, challenge, name, f"https://{account.address}")
    print(f"MFA device {name!r} added.")
    return 0


def _chosen_type(options: Namespace) -> str:
    if options.type is None:
        if options.allow_passwordless:
            return "WEBAUTHN"
        return TYPES[prompt.choose("What do you add?", ["an authenticator app (TOTP)", "a security key (WEBAUTHN)"])]
    kind = str(options.type).upper()
    if kind == "TOUCHID":
        raise Unsupported("Touch ID is not offered by this tsh; add it as a passkey in the browser")
    if kind not in TYPES:
        raise BadParameter(f"--type={options.type}: expected {' or '.join(TYPES)}")
    return kind


def _add_application(client: SyncClient, challenge: RegisterChallenge, name: str) -> None:
    registration = challenge.totp
    if registration is None:
        raise BadParameter("the cluster did not offer a one-time code device")
    _show_picture(registration.otp_url)
    # shown on the terminal, stored nowhere
    print(f"Scan the picture with your authenticator app, or type in this secret:\n\n  {registration.secret}\n")
    sys.stdout.flush()
    code = mfa.ask_code(question="Enter the code that the app shows now:")
    client.call(routes.ADD_DEVICE, routes.AddDevice(name=name, totp_code=code))


def _show_picture(url: str) -> None:
    """The QR code in half blocks: black on white, whatever colours the terminal has."""
    if not sys.stdout.isatty():
        print(f"  {url}\n")
        return
    import segno

    segno.make(url, error="l", micro=False).terminal(out=sys.stdout, compact=True, border=2)


def _add_key(client: SyncClient, challenge: RegisterChallenge, name: str, origin: str) -> None:
    import msgspec

    if challenge.webauthn is None:
        raise BadParameter("the cluster did not offer to register a security key")
    answer = mfa.register_security_key(bytes(challenge.webauthn), origin)
    client.call(routes.ADD_DEVICE, routes.AddDevice(name=name, webauthn_response=msgspec.Raw(answer)))


def _rm(options: Namespace) -> int:
    account = account_of(options)
    with api_access.connect(account) as client:
        existing = _prove(client, account, options)
        client.call(routes.REMOVE_DEVICE, routes.RemoveDevice(name=options.name, existing=existing))
    print(f"MFA device {options.name!r} removed.")
    return 0


def _prove(client: SyncClient, account: Account, options: Namespace) -> routes.MfaResponse:
    """By a device that is there already; a first one needs none."""
    if not client.call(routes.DEVICES, Empty()).devices:
        return routes.MfaResponse()
    prompt.STANDARD.tell("Prove it is you with a device you have.")
    origin = f"https://{account.address}"
    return session_mfa.respond(client, "manage_devices", origin, options.mfa_mode or "auto", prompt.STANDARD)
