"""`tctl users add|ls|update|reset|rm`"""

from __future__ import annotations

from argparse import Namespace
from datetime import timedelta

from teleport.api.routes import resources
from teleport.api.routes import users as routes
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl import documents
from teleport.cli.tctl.connection import connect
from teleport.foundation import durations
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter
from teleport.model.codec import to_plain
from teleport.model.resources.user import User

# flag -> trait
TRAITS = {
    "logins": "logins",
    "windows-logins": "windows_logins",
    "kubernetes-users": "kubernetes_users",
    "kubernetes-groups": "kubernetes_groups",
    "db-users": "db_users",
    "db-names": "db_names",
    "db-roles": "db_roles",
    "aws-role-arns": "aws_role_arns",
    "azure-identities": "azure_identities",
    "gcp-service-accounts": "gcp_service_accounts",
    "host-user-uid": "host_user_uid",
    "host-user-gid": "host_user_gid",
}
_FORMS = ("text", "json", "yaml")


def arguments(parser: Arguments) -> None:
    add = parser.subcommand("add", "invite a user: prints a sign-up link", _add)
    add.add_argument("name", metavar="NAME")
    add.add_argument("--roles", metavar="ROLE,...", required=True, help="roles of the user")
    _trait_flags(add, "")
    add.add_argument("--ttl", metavar="DURATION", default="1h", help="how long the link is good (at most 48h)")
    add.choice("--format", choices=_FORMS, default="text", help="form of the output")
    add.examples("tctl users add alice --roles=access,editor --logins=alice,root")
    update = parser.subcommand("update", "replace roles or traits of a user", _update)
    update.add_argument("name", metavar="NAME")
    update.add_argument("--set-roles", metavar="ROLE,...", help="new roles")
    _trait_flags(update, "set-")
    update.switch("--confirm", help="also if nobody is left who may write users and roles")
    update.examples("tctl users update alice --set-roles=access --set-logins=alice")
    listing = parser.subcommand("ls", "list users", _ls)
    listing.choice("--format", choices=_FORMS, default="text", help="form of the output")
    reset = parser.subcommand("reset", "take away password and second factors, print a new link", _reset)
    reset.add_argument("name", metavar="NAME")
    reset.add_argument("--ttl", metavar="DURATION", default="8h", help="how long the link is good (at most 24h)")
    reset.choice("--format", choices=_FORMS, default="text", help="form of the output")
    remove = parser.subcommand("rm", "remove users", _rm, aliases=("del",))
    remove.add_argument("names", metavar="NAME,...")
    remove.switch("--confirm", help="also the last user who may write users and roles")


def _trait_flags(parser: Arguments, prefix: str) -> None:
    for flag in TRAITS:
        parser.add_argument(f"--{prefix}{flag}", metavar="VALUE,...", help=f"trait {TRAITS[flag]}")


def words(text: str | None) -> tuple[str, ...]:
    """The parts of a comma list, without spaces and repetitions."""
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


def _traits(options: Namespace, prefix: str) -> dict[str, tuple[str, ...]]:
    given = {trait: getattr(options, f"{prefix}{flag}".replace("-", "_")) for flag, trait in TRAITS.items()}
    return {trait: words(text) for trait, text in given.items() if text is not None}


def _add(options: Namespace) -> int:
    request = routes.InviteUser(
        name=options.name,
        roles=words(options.roles),
        traits=_traits(options, ""),
        ttl=durations.parse(options.ttl),
    )
    with connect(options) as client:
        granted = client.call(routes.INVITE, request)
    what = f"User {output.printable(granted.user)!r} has been created but requires a password."
    _show_link(granted, options.format, what, "complete user setup")
    return 0


def _reset(options: Namespace) -> int:
    request = routes.ResetUser(name=options.name, ttl=durations.parse(options.ttl))
    with connect(options) as client:
        granted = client.call(routes.RESET, request)
    what = f"User {output.printable(granted.user)!r} has been reset."
    _show_link(granted, options.format, what, "set a new password")
    return 0


def _show_link(granted: routes.UserTokenGranted, form: str, what: str, purpose: str) -> None:
    if form != "text":
        document = {
            "user": granted.user,
            "token": granted.token,
            "url": granted.url,
            "expires": output.utc_time(granted.expires),
        }
        output.show(document, form)
        return
    left = granted.expires - SystemClock().now()
    print(f"{what} Share this URL with the user to {purpose}, link is valid for {output.ago(_rounded(left))}:")
    print(granted.url or f"(no proxy is known yet; the path is /web/invite/{granted.token})")
    print(f"\nNOTE: Make sure {_host_of(granted.url)} points at a Teleport proxy which users can access.")


def _rounded(left: timedelta) -> timedelta:
    """The network took a moment of it: whole minutes read better."""
    return timedelta(minutes=round(left / timedelta(minutes=1))) if left > timedelta(minutes=2) else left


def _host_of(url: str) -> str:
    return url.removeprefix("https://").partition("/")[0] or "the address"


def _ls(options: Namespace) -> int:
    with connect(options) as client:
        users = client.list(User)
    if options.format != "text":
        output.show([to_plain(user) for user in users], options.format)
        return 0
    rows = [(user.name, ",".join(user.spec.roles)) for user in users]
    print(output.table(("User", "Roles"), rows, columns=output.terminal_columns(), flexible="Roles"))
    return 0


def _update(options: Namespace) -> int:
    roles, traits = options.set_roles, _traits(options, "set-")
    if roles is None and not traits:
        raise BadParameter("nothing to change: use --set-roles, --set-logins or another --set- flag")
    with connect(options) as client:
        user = client.get(User, options.name)
        if roles is not None:
            user.spec.roles = list(words(roles))
        user.spec.traits = {**user.spec.traits, **{name: list(values) for name, values in traits.items()}}
        documents.put(client, user, must_exist=True, confirm=bool(options.confirm))
    print(f"User {output.printable(options.name)} has been updated")
    return 0


def _rm(options: Namespace) -> int:
    with connect(options) as client:
        for name in words(options.names):
            client.call(resources.DELETE, resources.DeleteResource(User.KIND, name, bool(options.confirm)))
            print(f"User {output.printable(name)!r} has been deleted")
    return 0
