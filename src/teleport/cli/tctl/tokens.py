"""`tctl tokens add|ls|rm`: join tokens. Their names are secrets: masked in lists unless asked for."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from teleport.api.route import Empty
from teleport.api.routes import cluster
from teleport.api.routes import tokens as routes
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl.connection import connect
from teleport.cli.tctl.users import words
from teleport.cli.tsh.selectors import parse_labels
from teleport.foundation import durations
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter

# word of --type -> system role
ROLES = {
    "node": "Node",
    "proxy": "Proxy",
    "auth": "Auth",
    "app": "App",
    "db": "Db",
    "kube": "Kube",
    "windowsdesktop": "WindowsDesktop",
    "windows_desktop": "WindowsDesktop",
    "discovery": "Discovery",
    "bot": "Bot",
    "trusted_cluster": "Trusted_cluster",
    "okta": "Okta",
    "mdm": "MDM",
    "instance": "Instance",
}
_FORMS = ("text", "json", "yaml")


def arguments(parser: Arguments) -> None:
    add = parser.subcommand("add", "create a token with which hosts join", _add)
    add.add_argument("--type", metavar="TYPE,...", required=True, help=f"one or more of {', '.join(ROLES)}")
    add.add_argument("--value", metavar="TOKEN", default="", help="use this value instead of a random one")
    add.add_argument("--labels", metavar="K=V,...", default="", help="labels of the token")
    add.add_argument("--ttl", metavar="DURATION", default="30m", help="how long the token is good")
    add.switch("--single-use", help="the token is gone once a host has joined")
    add.choice("--format", choices=_FORMS, help="text prints the token alone")
    add.examples("tctl tokens add --type=node --ttl=1h", "tctl tokens add --type=node,app --format=json")
    listing = parser.subcommand("ls", "list tokens", _ls)
    listing.switch("--with-secrets", help="do not mask the tokens")
    listing.add_argument("--labels", metavar="K=V,...", default="", help="labels that must match")
    listing.choice("--format", choices=_FORMS, help="text prints names alone")
    remove = parser.subcommand("rm", "remove a token", _rm, aliases=("del",))
    remove.add_argument("token", metavar="TOKEN")


def roles_of(text: str) -> tuple[str, ...]:
    """System roles of a comma list. Kube alone also grants App and Discovery. Raises BadParameter."""
    found = []
    for word in words(text):
        role = ROLES.get(word.lower())
        if role is None:
            raise BadParameter(f"token type {word!r} is not known, expected {', '.join(ROLES)}")
        found.append(role)
    if found == ["Kube"]:
        found += ["App", "Discovery"]
    return tuple(found)


def _add(options: Namespace) -> int:
    request = routes.CreateToken(
        roles=roles_of(options.type),
        value=options.value,
        ttl=durations.parse(options.ttl),
        labels=parse_labels(options.labels) if options.labels else {},
        single_use=bool(options.single_use),
    )
    with connect(options) as client:
        created = client.call(routes.CREATE, request)
        if options.format == "text":
            print(created.token)
        elif options.format:
            expires = output.utc_time(created.expires) if created.expires else None
            output.show({"token": created.token, "roles": list(created.roles), "expires": expires}, options.format)
        else:
            print(join_instructions(client, created))
    return 0


def join_instructions(client: SyncClient, created: routes.TokenCreated) -> str:
    """What to type on the new host."""
    status = client.call(cluster.STATUS, Empty())
    address = status.proxy_public_addr or "PROXY:3080"
    roles = ",".join(role.lower() for role in created.roles)
    left = f"expires at {output.utc_time(created.expires)}" if created.expires else "does not expire"
    pins = " \\\n".join(f"   --ca-pin={pin}" for pin in created.ca_pins or status.ca_pins)
    return (
        f"The invite token: {created.token}\nThis token {left}.\n\n"
        f"Run this on the new host to join the cluster:\n\n"
        f"> teleport start \\\n   --roles={roles} \\\n   --token={created.token} \\\n"
        + (f"{pins} \\\n" if pins else "")
        + f"   --auth-server={address}\n\n"
        "Please note:\n\n"
        f"  - This invitation token {left}\n"
        f"  - {address} must be reachable from the new host"
    )


def _ls(options: Namespace) -> int:
    with connect(options) as client:
        tokens = client.call(routes.LIST, routes.ListTokens(with_secrets=bool(options.with_secrets))).tokens
    labels = parse_labels(options.labels) if options.labels else {}
    far = datetime.max.replace(tzinfo=UTC)
    shown = [token for token in tokens if all(token.labels.get(key) == value for key, value in labels.items())]
    shown.sort(key=lambda token: (token.expires or far, token.token))
    if options.format in ("json", "yaml"):
        import msgspec

        output.show(msgspec.to_builtins(shown), options.format)
    elif not shown:
        print("No active tokens found.")
    elif options.format == "text":
        print("\n".join(output.printable(token.token) for token in shown))
    else:
        rows = [
            (token.token, ",".join(token.roles), output.labels(token.labels), _expiry(token.expires))
            for token in shown
        ]
        print(output.table(("Token", "Type", "Labels", "Expiry Time (UTC)"), rows, columns=output.terminal_columns()))
    return 0


def _expiry(moment: datetime | None) -> str:
    if moment is None:
        return "never"
    left = moment - SystemClock().now()
    return f"{moment.astimezone(UTC).strftime('%d %b %y %H:%M UTC')} ({output.ago(left)})"


def _rm(options: Namespace) -> int:
    with connect(options) as client:
        client.call(routes.DELETE, routes.DeleteToken(token=options.token))
    print(f"Token {output.printable(options.token)} has been deleted")
    return 0
