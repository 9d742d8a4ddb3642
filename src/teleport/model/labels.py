"""Labels and label selectors: what keys may be, which selectors are refused, which names are reserved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from teleport.foundation.errors import BadParameter

ORIGIN = "teleport.dev/origin"
ORIGINS = frozenset(
    {
        "defaults",
        "config-file",
        "dynamic",
        "cloud",
        "kubernetes",
        "okta",
        "integration_awsoidc",
        "discovery-kubernetes",
        "entra-id",
        "aws-identity-center",
    }
)
RESOURCE_TYPE = "teleport.internal/resource-type"
PRESET = "preset"
SYSTEM = "system"
INTERNAL_PREFIX = "teleport.internal/"
HIDDEN_PREFIX = "teleport.hidden/"
BOT = "teleport.internal/bot"
BOT_GENERATION = "teleport.internal/bot-generation"
WILDCARD = "*"

_KEY = re.compile(r"^[a-zA-Z/.0-9_:*-]+\Z")
_MAX_KEY = 256


def check_labels(labels: Mapping[str, str], where: str = "metadata.labels") -> None:
    """Raises BadParameter for a key outside `[a-zA-Z/.0-9_:*-]`."""
    for key in labels:
        if not is_key(key):
            raise BadParameter(f"{where}: label key {key[:80]!r} may hold only letters, digits and / . _ : * -")


def is_key(key: str) -> bool:
    return len(key) <= _MAX_KEY and _KEY.match(key) is not None


def check_selector(selector: Mapping[str, Sequence[str]], where: str) -> None:
    """Raises BadParameter for `'*': x`: a wildcard key stands only with a wildcard value."""
    for key, values in selector.items():
        if not key:
            raise BadParameter(f"{where}: a label key is empty")
        if key == WILDCARD and list(values) != [WILDCARD]:
            raise BadParameter(f"{where}: selector *:{','.join(values)} is not supported, '*' needs the value '*'")
