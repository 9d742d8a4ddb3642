"""Where a resource lives: `/kind/key`, and `/secrets/kind/key` for the kinds that hold secrets."""

from __future__ import annotations

from teleport.foundation.errors import BadParameter
from teleport.model.kinds import KINDS
from teleport.model.resource import Resource
from teleport.model.sensitive import mask_name

_SECRETS = "/secrets/"


def prefix_of(kind: type[Resource]) -> str:
    """What the keys of all resources of a kind begin with. Raises BadParameter for a class that is no kind."""
    known = KINDS.get(kind.KIND)
    if known is None:
        raise BadParameter(f"{kind.__name__} is not a kind that can be kept")
    return f"{_SECRETS}{kind.KIND}/" if known.secret else f"/{kind.KIND}/"


def key_of(kind: type[Resource], name: str) -> str:
    """Raises BadParameter for an empty name."""
    if not name:
        raise BadParameter(f"{kind.KIND}: the name is missing")
    return prefix_of(kind) + name


def kind_and_name(key: str) -> tuple[str, str] | None:
    """The kind and the name that a key stands for; None for what is no resource."""
    is_secret = key.startswith(_SECRETS)
    kind, separator, name = key[len(_SECRETS) if is_secret else 1 :].partition("/")
    known = KINDS.get(kind)
    if not separator or not name or known is None or known.secret != is_secret:
        return None
    return kind, name


def label_of(kind: type[Resource], name: str) -> str:
    """How messages name a resource; a name that is itself a secret is masked."""
    return f"{kind.KIND}/{mask_name(name) if kind.NAME_IS_SECRET else name}"
