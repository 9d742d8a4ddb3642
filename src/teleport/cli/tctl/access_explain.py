"""`tctl access explain`"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.cli.arguments import Arguments
from teleport.cli.tctl import access_world
from teleport.cli.tctl.connection import connect
from teleport.foundation.errors import BadParameter
from teleport.model.kinds import KINDS, action_on
from teleport.model.values import size_of
from teleport.policy import explanations
from teleport.policy.actions import ActionContext
from teleport.policy.asked import Asked
from teleport.policy.case_answers import home_of, login_values
from teleport.policy.explain import Explanation, explain_access, explain_action
from teleport.policy.explain_rules import explain_command, explain_file
from teleport.policy.file_rules import AskedFile
from teleport.policy.kubernetes import AskedObject
from teleport.policy.kubernetes_objects import KubernetesObject
from teleport.policy.role_set import SELECTORS


def arguments(parser: Arguments) -> None:
    parser.add_argument("--user", metavar="USER", help="who asks, with the roles and traits that a login gives")
    parser.add_argument("--as-roles", metavar="ROLE,...", default="", help="with these roles instead")
    parser.add_argument("--resource", metavar="KIND/NAME", default="", help="what they ask for: node/web1, db/main")
    parser.add_argument("--login", metavar="LOGIN", default="", help="as whom: SSH login, Windows or database user")
    parser.add_argument(
        "--value", metavar="FIELD=VALUE", action="append", default=[], help="another field of roles: db_names=shop"
    )
    parser.add_argument(
        "--verb", metavar="VERB", default="", help="an action: read, update, ... (of --object: get, ...)"
    )
    parser.add_argument("--kind", metavar="KIND", default="", help="the kind of things that the action is about")
    parser.add_argument(
        "--object", metavar="KIND[.GROUP]/[NAMESPACE]/NAME", default="", help="an object of a Kubernetes cluster"
    )
    parser.add_argument("--file", metavar="PATH", default="", help="a file of a node that is to be copied")
    parser.add_argument("--direction", choices=("download", "upload"), default="download", help="how it is copied")
    parser.add_argument("--size", metavar="BYTES", default="0", help="how large it is: 500, 10MB, 10MiB")
    parser.add_argument("--command", metavar="COMMAND", help="a command to be run on a node; empty for a shell")
    parser.add_argument("--at", metavar="TIME", help="at this time, RFC 3339; otherwise now")
    parser.switch("--mfa", help="as if the session were verified by a second factor")
    parser.switch("--trusted-device", help="as if the device were trusted")
    parser.examples(
        "tctl access explain --user=alice --resource=node/web1 --login=root",
        "tctl access explain --user=alice --as-roles=dev,ops --resource=node/web1 --login=root",
        "tctl access explain --user=alice --verb=update --kind=role",
        "tctl access explain --user=alice --resource=node/web1 --login=app --file=/srv/out/report.csv",
        "tctl access explain --user=alice --resource=node/web1 --login=app --command='systemctl restart nginx'",
        "tctl access explain --user=alice --resource=kube_cluster/prod --verb=get --object=pods/default/web",
    )


def run(options: Namespace) -> int:
    _check(options)
    with connect(options) as client:
        explanation = _explain(client, options)
    if options.format == "json":
        output.show(explanations.as_plain(explanation, options.language), "json")
    else:
        for line in explanations.as_text(explanation, options.language).splitlines():
            print(output.printable(line))
    return 0


def _check(options: Namespace) -> None:
    if not options.user and not options.as_roles:
        raise BadParameter("who? use --user, or --as-roles for roles alone")
    if bool(options.resource) == bool(options.kind) and not (options.verb and options.resource):
        raise BadParameter("what? use --resource (with --login where there is one), or --verb with --kind")
    if (options.file or options.command is not None) and not options.resource.startswith("node/"):
        raise BadParameter("--file and --command are about a node: add --resource=node/NAME and --login")
    if options.kind and not options.verb:
        raise BadParameter("--kind needs --verb: read, list, create, update, delete, ...")


def _explain(client: SyncClient, options: Namespace) -> Explanation:
    now = access_world.moment(options.at)
    found = access_world.resource(client, options.resource) if options.resource else None
    world = access_world.world(client, [found] if found else [], users=[options.user] if options.user else [])
    roles = _words(options.as_roles)
    role_set = world.role_set(options.user or "nobody", now, as_roles=roles).at(now)
    if found is None or (options.verb and not options.object):
        kind = action_on(options.verb, options.kind or (found.kind if found else ""))
        context = ActionContext(resource=found)
        return explain_action(role_set, options.verb, kind, context, found.name if found else "")
    if found.kind not in SELECTORS:
        known = ", ".join(kind for kind in SELECTORS if kind in KINDS)
        raise BadParameter(f"a {found.kind} is not reached but acted upon: add --verb (reached are {known})")
    state = world.state(role_set, now, mfa=bool(options.mfa), device=bool(options.trusted_device))
    values = login_values(found.kind, options.login) | _pairs(options.value)
    more: list[Asked] = []
    if options.object:
        more.append(AskedObject(role_set, found, _words(options.verb) or ["get"], _object(options.object)))
    access = explain_access(role_set, found.kind, found, state, values, more)
    if options.file:
        asked = AskedFile(path=options.file, direction=options.direction, size=size_of(options.size))
        return explain_file(access, role_set, asked, home_of(options.login))
    return explain_command(access, role_set, options.command or None) if options.command is not None else access


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _pairs(written: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in written:
        name, mark, value = text.partition("=")
        if not mark:
            raise BadParameter(f"--value={text}: expected FIELD=VALUE, as db_names=shop")
        found[name] = value
    return found


def _object(text: str) -> KubernetesObject:
    kind, *place = text.split("/")
    if len(place) not in (1, 2):
        raise BadParameter(f"--object={text}: expected KIND/NAME, or KIND/NAMESPACE/NAME")
    plural, _, group = kind.partition(".")
    namespace = place[0] if len(place) == 2 else ""
    return KubernetesObject(kind=plural, api_group=group, namespace=namespace, name=place[-1])
