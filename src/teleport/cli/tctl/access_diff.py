"""`tctl access diff`"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence

from teleport.api.route import Empty
from teleport.api.routes.cluster import WHO_AM_I
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl import access_world, documents
from teleport.cli.tctl.connection import connect
from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.kinds import KINDS as ALL_KINDS
from teleport.model.resource import Resource
from teleport.model.resources.role import Role
from teleport.policy import role_texts
from teleport.policy.differences import KINDS, Change, UserChange, compare
from teleport.policy.widening import beyond

SAME, CHANGES = 0, 2
_NAMED = 5


def arguments(parser: Arguments) -> None:
    parser.add_argument("-f", "--file", metavar="FILE", required=True, help="roles as they would be; - for the input")
    parser.add_argument("--kinds", metavar="KIND,...", default=",".join(KINDS), help="kinds of resources to look at")
    parser.add_argument("--at", metavar="TIME", help="at this time, RFC 3339; otherwise now")
    parser.count("--limit", metavar="N", default=100, help="show at most so many users")
    parser.examples("tctl access diff -f roles.yaml", "tctl access diff -f roles.yaml --kinds=node --format=json")


def run(options: Namespace) -> int:
    roles = _roles(documents.read(options.file), options.file)
    now = access_world.moment(options.at)
    with connect(options) as client:
        resources: list[Resource] = []
        for kind in _kinds(options.kinds):
            try:
                resources += client.list(ALL_KINDS[kind].type)
            except AccessDenied as problem:
                raise AccessDenied(f"{problem.message}; leave the kind out with --kinds") from problem
        world = access_world.world(client, resources)
        who = client.call(WHO_AM_I, Empty())
    changes = list(compare(world, roles, now))
    held = [world.roles[name] for name in who.roles if name in world.roles]
    more = {role.name: what for role in roles if not who.system_role and (what := beyond(held, role))}
    shown = changes[: max(options.limit, 0)]
    if options.format == "json":
        output.show({**_document(changes, shown), "beyond_yours": more}, "json")
    else:
        _print(changes, shown, [role.name for role in roles if role.name not in world.roles])
        for name, what in more.items():
            print(output.printable(f"role {name} gives what you do not hold yourself: {', '.join(what)}"))
    return CHANGES if changes else SAME


def _roles(found: Sequence[Resource], path: str) -> list[Role]:
    roles = [one for one in found if isinstance(one, Role)]
    if not roles:
        raise BadParameter(f"{path}: no role in it")
    for role in roles:
        role_texts.check(role)
    return roles


def _kinds(text: str) -> list[str]:
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    for kind in wanted:
        if kind not in KINDS:
            raise BadParameter(f"--kinds={text}: {kind!r} is not one of {', '.join(KINDS)}")
    return wanted


def _print(changes: Sequence[UserChange], shown: Sequence[UserChange], new: Sequence[str]) -> None:
    for name in new:
        print(output.printable(f"role {name} is new: nobody has it yet unless a user names it already"))
    for change in shown:
        print(output.printable(change.user))
        for line in _lines(change):
            print(f"  {output.printable(line)}")
    if len(shown) < len(changes):
        print(f"... and {len(changes) - len(shown)} more users, see --limit")
    print("Nobody gains or loses anything." if not changes else f"{len(changes)} users gain or lose something.")


def _lines(change: UserChange) -> Iterator[str]:
    if change.problem:
        yield f"! {change.problem}"
    for mark, changes in (("+", change.gained), ("-", change.lost)):
        for one in changes:
            yield f"{mark} {_what(one)}"
    for option in change.options:
        yield f"~ {option.option}: {option.before} -> {option.after}"


def _what(change: Change) -> str:
    if not change.resources:
        return f"{change.what} {change.kind} (rules)"
    names = ", ".join(change.resources[:_NAMED])
    more = f" and {len(change.resources) - _NAMED} more" if len(change.resources) > _NAMED else ""
    return f"{change.what}: {change.kind} {names}{more}"


def _document(changes: Sequence[UserChange], shown: Sequence[UserChange]) -> dict[str, object]:
    return {
        "changed": bool(changes),
        "users_changed": len(changes),
        "users": [
            {
                "user": one.user,
                "gained": [_plain(change) for change in one.gained],
                "lost": [_plain(change) for change in one.lost],
                "options": {option.option: [option.before, option.after] for option in one.options},
                **({"problem": one.problem} if one.problem else {}),
            }
            for one in shown
        ],
    }


_LISTED = 1000


def _plain(change: Change) -> dict[str, object]:
    if not change.resources:
        return {"verb": change.what, "kind": change.kind}
    names = list(change.resources[:_LISTED])
    return {"what": change.what, "kind": change.kind, "count": len(change.resources), "resources": names}
