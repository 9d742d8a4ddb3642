"""The alerts that concern an account, for commands that must start at once: what cannot be had is left out."""

from __future__ import annotations

import json
import threading
from typing import Any

from teleport.client.account import Account
from teleport.client.http1 import ApiConnection, encode_query
from teleport.foundation.errors import TeleportError

_PATIENCE = 3.0
"""Nobody waits longer for them."""


def on_login(account: Account, patience: float = _PATIENCE) -> list[dict[str, Any]]:
    """Those that are shown at logins, as documents, the most severe first. Empty when the cluster does not answer."""
    found: list[dict[str, Any]] = []
    asking = threading.Thread(target=_fetch, args=(account, found), daemon=True)
    asking.start()
    asking.join(patience)
    return [] if asking.is_alive() else found


def _fetch(account: Account, found: list[dict[str, Any]]) -> None:
    query = encode_query({"labels": json.dumps({"teleport.internal/alert-on-login": "yes"})})
    try:
        connection = ApiConnection(account)
        try:
            answer = connection.get(f"/v1/alerts?{query}")
        finally:
            connection.close()
        found += [one["alert"] for one in answer["alerts"]]
    except (TeleportError, OSError, KeyError, TypeError):
        return
