"""The names that our own services answer to inside a cluster, and which role may hold which.

Clients check them to know that they really reach a proxy or the auth service, so an agent never gets one:
there is no wildcard, and no other certificate of the host authority names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from teleport.foundation.errors import BadParameter
from teleport.model.identity import Identity

_DOMAIN = "teleport.cluster.local"
_HOST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.|$)")
_LABEL = 62  # a DNS label holds 63 characters; hex digits come in pairs


def proxy_name() -> str:
    """What a client dials a proxy by."""
    return f"proxy.{_DOMAIN}"


def auth_name(cluster: str) -> str:
    """What a client dials a cluster's auth service by: its name in hex, in as many labels as it needs."""
    text = cluster.encode().hex()
    labels = [text[start : start + _LABEL] for start in range(0, len(text), _LABEL)]
    return ".".join([*labels, _DOMAIN])


def cluster_of(name: str) -> str | None:
    """The cluster whose auth service `name` stands for, if it is such a name."""
    labels, separator, rest = name.lower().rstrip(".").partition(f".{_DOMAIN}")
    if not separator or rest:
        return None
    try:
        return bytes.fromhex(labels.replace(".", "")).decode()
    except ValueError:
        return None


def is_reserved(name: str) -> bool:
    lowered = name.lower().rstrip(".")
    return lowered == _DOMAIN or lowered.endswith(f".{_DOMAIN}")


def check_names(identity: Identity, names: Iterable[str]) -> None:
    """A host may not be called what belongs to our services or to another host. Raises BadParameter."""
    own = host_names(identity)
    for name in names:
        lowered = name.lower().rstrip(".")
        if (is_reserved(lowered) or _HOST_ID.match(lowered)) and lowered not in own:
            raise BadParameter(f"host {identity.username!r}: a {identity.system_role} may not be called {name!r}")


def host_names(identity: Identity) -> tuple[str, ...]:
    """Id, id.cluster, and the internal names that the host's system roles allow."""
    roles = {identity.system_role, *identity.system_roles}
    names = [identity.host_id, f"{identity.host_id}.{identity.cluster}"]
    if "Proxy" in roles:
        names.append(proxy_name())
    if "Auth" in roles:
        names.append(auth_name(identity.cluster))
    return tuple(names)
