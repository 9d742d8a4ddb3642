"""Resources between files, the terminal and the API, for every kind alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec

from teleport.api.routes import resources as routes
from teleport.api.sync_client import SyncClient
from teleport.cli import output
from teleport.foundation.errors import BadParameter, NotFound, Unsupported
from teleport.model import codec
from teleport.model.kinds import KINDS, Kind, ResourceRef
from teleport.model.resource import Resource
from teleport.model.resources.lock import Lock
from teleport.model.secret_fields import may_hold_secrets

CONFIRM = "write over what the configuration file sets, or what leaves nobody who may write users and roles"
_PAGE = 1000


def read(path: str) -> list[Resource]:
    """All documents of a file, `-` or nothing for the input; YAML or JSON. Raises BadParameter."""
    if path in ("", "-"):
        text = sys.stdin.read()
    else:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    return parse(text, path or "input")


def parse(text: str, name: str) -> list[Resource]:
    try:
        found = codec.from_json(text) if text.lstrip()[:1] in ("{", "[") else codec.from_yaml(text)
    except BadParameter as problem:
        raise BadParameter(f"{name}: {problem.message}") from problem
    if not found:
        raise BadParameter(f"{name}: no resource in it")
    return found


def fetch(client: SyncClient, ref: ResourceRef, *, with_secrets: bool = False) -> list[Resource]:
    """What a reference names: one resource, or all of a kind. Raises NotFound for a name that is none."""
    kind = ref.kind.type
    name = ref.key or ref.kind.singleton
    half = kind.KEY_HAS_PREFIX and "/" not in name
    if name and not half and not (with_secrets and kind.NAME_IS_SECRET):
        answer = client.call(routes.GET, routes.ResourceName(ref.kind.name, name, with_secrets))
        return [codec.decode_json(answer.resource, kind)]
    found = list(_pages(client, ref.kind, with_secrets=with_secrets))
    found = [resource for resource in found if not name or name in (resource.key, resource.name)]
    if half and name and not found:
        raise NotFound(f"{ref.kind.name} {name!r} is not found")
    return found


def fetch_one(client: SyncClient, ref: ResourceRef, *, with_secrets: bool = False) -> Resource:
    """The one that a reference names. Raises NotFound, and BadParameter with their full names where it is several."""
    found = fetch(client, ref, with_secrets=with_secrets)
    if not found:
        raise NotFound(f"{ref.kind.name} {ref.name!r} is not found")
    if len(found) > 1:
        names = ", ".join(f"{ref.kind.name}/{resource.key}" for resource in found)
        raise BadParameter(f"{ref.kind.name} {ref.name!r}: which one? {names}")
    return found[0]


def holds_secrets(kind: Kind) -> bool:
    """Whether what is written back would lose what is not shown. Whoever names a token is shown all of it anyway."""
    return may_hold_secrets(kind.type) and not kind.type.NAME_IS_SECRET


def _pages(client: SyncClient, kind: Kind, *, with_secrets: bool) -> Iterator[Resource]:
    start = ""
    while True:
        request = routes.ListResources(kind=kind.name, limit=_PAGE, start=start, with_secrets=with_secrets)
        page = client.call(routes.LIST, request)
        yield from (codec.decode_json(item, kind.type) for item in page.items)
        start = page.next_start
        if not start:
            return


def create(client: SyncClient, resource: Resource) -> Resource:
    """As it is stored: auth names what has no name yet."""
    body = msgspec.Raw(codec.encode_json(resource))
    answer = client.call(routes.CREATE, routes.CreateResource(resource.kind, body))
    return codec.decode_json(answer.resource, type(resource))


def put(client: SyncClient, resource: Resource, *, must_exist: bool = False, confirm: bool = False) -> None:
    """`confirm` writes over what the configuration file sets, or what leaves nobody who may write users and roles."""
    body = msgspec.Raw(codec.encode_json(resource))
    client.call(routes.PUT, routes.PutResource(resource.kind, resource.key, body, must_exist, confirm))


def said(resource: Resource, what: str) -> str:
    """`role "access" has been created`; a name that is a secret is masked."""
    return f'{resource.kind} "{output.printable(resource.display_name)}" has been {what}'


def refuse_unwritable(kind: Kind) -> None:
    """Raises Unsupported for kinds that the system alone writes."""
    if not kind.creatable:
        raise Unsupported(f"{kind.name} is written by the system alone{kind.instead and f': {kind.instead}'}")


def show(resources: list[Resource], form: str) -> None:
    """Print as `yaml`, `json` (always an array) or a `text` table."""
    if form == "yaml":
        sys.stdout.write(codec.to_yaml(resources))
    elif form == "json":
        print(codec.to_json(resources))
    else:
        rows = [(each.kind, each.display_name, output.labels(each.metadata.labels), _end(each)) for each in resources]
        headers = ("Kind", "Name", "Labels", "Expires")
        print(output.table(headers, rows, columns=output.terminal_columns()))


def _end(resource: Resource) -> str:
    end = resource.spec.expires if isinstance(resource, Lock) else resource.expires
    return output.utc_time(end) if end else "never"


def kind_names(current: str) -> list[str]:
    """Kinds for the shell's completion, behind the references that are typed already."""
    typed, mark, _ = current.rpartition(",")
    return [f"{typed}{mark}{name}" for name in KINDS]
