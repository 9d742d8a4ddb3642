"""The names that our own services answer to inside a cluster, and which role may hold which.

Clients check them to know that they really reach a proxy or the auth service, so an agent never gets one:
there is no wildcard, and no other certificate of the host authority names them.
"""

from __future__ import annotations

from teleport.model.identity import Identity

_DOMAIN = "teleport.cluster.local"
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


def host_names(identity: Identity) -> tuple[str, ...]:
    """Id, id.cluster, and the internal names that the host's system roles allow."""
    roles = {identity.system_role, *identity.system_roles}
    names = [identity.host_id, f"{identity.host_id}.{identity.cluster}"]
    if "Proxy" in roles:
        names.append(proxy_name())
    if "Auth" in roles:
        names.append(auth_name(identity.cluster))
    return tuple(names)
