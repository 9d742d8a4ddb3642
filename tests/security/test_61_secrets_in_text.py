"""Must-refuse 61: no secret of a resource shows in representations, logs, lists or error messages."""

from __future__ import annotations

import io
import logging
from datetime import UTC, datetime
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from teleport.foundation.errors import BadParameter
from teleport.model import codec
from teleport.model.kinds import KINDS
from teleport.model.resource import Resource
from teleport.model.sensitive import Secret
from teleport.model.values import Duration

CANARY = "zebra-of-a-secret-1234567890"
NOON = datetime(2030, 1, 1, tzinfo=UTC)
ENVELOPE = ("kind", "sub_kind", "version", "metadata")


PLAIN: dict[Any, Any] = {
    str: "x",
    int: 1,
    bool: True,
    float: 1.0,
    bytes: b"x",
    datetime: NOON,
    Duration: Duration(1),
    Secret[str]: Secret(CANARY),
    Secret[bytes]: Secret(CANARY.encode()),
}


def made(hint: Any) -> Any:
    """A value of the type with every field and every Secret in it set."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is Annotated:
        return made(arguments[0])
    if origin in (Union, UnionType):
        return made(arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin is dict:
        return {}
    if origin in (list, tuple):
        return [made(arguments[0])]
    fields = get_type_hints(hint, include_extras=True)
    skipped = ENVELOPE if issubclass(hint, Resource) else ()
    return hint(**{name: made(fields[name]) for name in hint.__struct_fields__ if name not in skipped})


ALL: dict[str, Resource] = {name: made(kind.type) for name, kind in KINDS.items()}
WITH_SECRETS = {
    name: resource
    for name, resource in ALL.items()
    if any(mark in codec.encode_json(resource) for mark in (b"zebra", b"emVicmE"))
}


def test_the_kinds_that_hold_secrets_are_these() -> None:
    theirs = {"user_secrets", "user_token", "web_session", "ca_secrets", "static_tokens", "token"}
    ours = {"github", "oidc", "saml", "trusted_cluster", "kube_cluster", "kube_server", "plugin"}
    assert set(WITH_SECRETS) == theirs | ours


@pytest.mark.parametrize("name", sorted(WITH_SECRETS))
def test_no_text_form_shows_a_secret(name: str) -> None:
    resource = WITH_SECRETS[name]
    stored = codec.encode_json(resource)
    assert b"zebra" in stored or b"emVicmE" in stored
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger("secrets").addHandler(handler)
    logging.getLogger("secrets").error("resource %s %r", resource, resource)
    for text in (repr(resource), str(resource), f"{resource}", log.getvalue()):
        assert CANARY not in text
        assert "zebra" not in text


@pytest.mark.parametrize("name", sorted(WITH_SECRETS))
def test_the_form_for_lists_has_no_secret(name: str) -> None:
    bare = codec.encode_json(codec.without_secrets(WITH_SECRETS[name]))
    assert b"zebra" not in bare
    assert b"emVicmE" not in bare


def test_names_that_are_secrets_are_masked_in_lists_and_refusals() -> None:
    for kind, spec in (
        ("token", {"roles": ["Node"]}),
        ("user_token", {"purpose": "invite", "user": "a", "created": NOON.isoformat()}),
    ):
        document: dict[str, object] = {
            "kind": kind,
            "metadata": {"name": CANARY, "expires": "2030-01-01T00:00:00Z"},
            "spec": spec,
        }
        resource = codec.decode_document(document)
        assert b"zebra" not in codec.encode_json(codec.without_secrets(resource))
        assert "zebra" not in f"{resource!r} {resource}"
        with pytest.raises(BadParameter) as refusal:
            codec.decode_document({**document, "spec": {**spec, "unknown": 1}})
        assert "zebra" not in str(refusal.value)
        with pytest.raises(BadParameter) as refusal:
            codec.decode_document({**document, "sub_kind": "nonsense"})
        assert "zebra" not in str(refusal.value)


def test_tokens_of_the_configuration_file_are_masked_too() -> None:
    (found,) = codec.from_yaml(
        f"kind: static_tokens\nspec: {{static_tokens: [{{token: {CANARY}, roles: [node]}}]}}\n"
    )
    assert b"zebra" in codec.encode_json(found)
    assert "zebra" not in repr(found)
    assert b"zebra" not in codec.encode_json(codec.without_secrets(found))
