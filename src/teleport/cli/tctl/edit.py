"""`tctl edit`: a resource in the user's editor, written back only if nobody changed it meanwhile."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from argparse import Namespace

from teleport.cli.arguments import Arguments
from teleport.cli.tctl import documents
from teleport.cli.tctl.connection import connect
from teleport.foundation.errors import BadParameter
from teleport.model import codec
from teleport.model.kinds import parse_ref
from teleport.model.resource import Resource

EDITORS = ("TELEPORT_EDITOR", "VISUAL", "EDITOR")


def arguments(parser: Arguments) -> None:
    parser.add_argument("ref", metavar="KIND[/NAME]", help="what to edit")
    parser.switch("--confirm", help=documents.CONFIRM)
    parser.examples("tctl edit role/access", "EDITOR=nano tctl edit cap")


def run(options: Namespace) -> int:
    ref = parse_ref(options.ref)
    documents.refuse_unwritable(ref.kind)
    if not ref.key and not ref.kind.singleton:
        raise BadParameter(f"{ref.kind.name}: which one? name it as {ref.kind.name}/NAME")
    with connect(options) as client:
        before = documents.fetch_one(client, ref, with_secrets=documents.holds_secrets(ref.kind))
        text = codec.to_yaml([before])
        changed = edited(text, ref.kind.name)
        if changed == text:
            print("edit cancelled, nothing changed")
            return 0
        (after,) = _one(documents.parse(changed, "edited text"))
        _check_same(before, after)
        after.metadata.revision = before.metadata.revision
        documents.put(client, after, must_exist=True, confirm=bool(options.confirm))
    print(documents.said(after, "updated"))
    return 0


def edited(text: str, name: str) -> str:
    """What the editor leaves in a private file. Raises BadParameter when it fails."""
    editor = next((os.environ[variable] for variable in EDITORS if os.environ.get(variable)), "vi")
    descriptor, path = tempfile.mkstemp(prefix=f"tctl-{name}-", suffix=".yaml")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        status = subprocess.run([*shlex.split(editor), path], check=False).returncode  # noqa: S603 - the user's editor
        if status:
            raise BadParameter(f"the editor {editor!r} ended with status {status}; nothing was changed")
        with open(path, encoding="utf-8") as file:
            return file.read()
    finally:
        os.unlink(path)


def _one(resources: list[Resource]) -> list[Resource]:
    if len(resources) != 1:
        raise BadParameter(f"expected one resource, found {len(resources)}")
    return resources


def _check_same(before: Resource, after: Resource) -> None:
    if (before.kind, before.key) != (after.kind, after.key):
        raise BadParameter(f"a resource is not renamed by editing it: expected {before.kind}/{before.display_name}")


def complete(behind: list[str], current: str) -> list[str]:
    return documents.kind_names(current)
