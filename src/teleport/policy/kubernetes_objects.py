"""What a call to a Kubernetes API server does, as roles speak of it: an object, and the verbs that are needed.

Objects have the API's own names (`pods`, group empty); roles before v8 call them by singular names of their own.
"""

from __future__ import annotations

from typing import Final

import msgspec

# resource of the API -> (kind in roles up to v7, API groups in which it is that kind)
KINDS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "pods": ("pod", frozenset({""})),
    "secrets": ("secret", frozenset({""})),
    "configmaps": ("configmap", frozenset({""})),
    "namespaces": ("namespace", frozenset({""})),
    "services": ("service", frozenset({""})),
    "serviceaccounts": ("serviceaccount", frozenset({""})),
    "nodes": ("kube_node", frozenset({""})),
    "persistentvolumes": ("persistentvolume", frozenset({""})),
    "persistentvolumeclaims": ("persistentvolumeclaim", frozenset({""})),
    "deployments": ("deployment", frozenset({"apps", "extensions"})),
    "replicasets": ("replicaset", frozenset({"apps", "extensions"})),
    "statefulsets": ("statefulset", frozenset({"apps"})),
    "daemonsets": ("daemonset", frozenset({"apps", "extensions"})),
    "clusterroles": ("clusterrole", frozenset({"rbac.authorization.k8s.io"})),
    "roles": ("kube_role", frozenset({"rbac.authorization.k8s.io"})),
    "clusterrolebindings": ("clusterrolebinding", frozenset({"rbac.authorization.k8s.io"})),
    "rolebindings": ("rolebinding", frozenset({"rbac.authorization.k8s.io"})),
    "cronjobs": ("cronjob", frozenset({"batch"})),
    "jobs": ("job", frozenset({"batch"})),
    "certificatesigningrequests": ("certificatesigningrequest", frozenset({"certificates.k8s.io"})),
    "ingresses": ("ingress", frozenset({"networking.k8s.io", "extensions"})),
}
_METHODS: Final = {
    "GET": ("get", "list"),
    "HEAD": ("get", "list"),
    "POST": ("create", "create"),
    "PUT": ("update", "update"),
    "PATCH": ("patch", "patch"),
    "DELETE": ("delete", "deletecollection"),
}
# what a subresource needs besides; an ephemeral container runs commands, and so does the proxy of a node
_SUBRESOURCES: Final = {
    ("pods", "exec"): ("exec",),
    ("pods", "attach"): ("exec",),
    ("pods", "portforward"): ("portforward",),
    ("pods", "proxy"): ("portforward",),
    ("services", "proxy"): ("portforward",),
    ("nodes", "proxy"): ("exec", "portforward"),
}


class KubernetesObject(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` is the API's plural; `namespace` is empty for what belongs to the cluster, `name` for a list."""

    kind: str
    api_group: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def old_kind(self) -> str:
        """The kind in roles up to v7, empty for what they have no name for."""
        kind, groups = KINDS.get(self.kind, ("", frozenset[str]()))
        return kind if self.api_group in groups else ""

    def __str__(self) -> str:
        kind = f"{self.kind}.{self.api_group}" if self.api_group else self.kind
        place = f"{self.namespace}/{self.name or '*'}" if self.namespace else self.name or "*"
        return f"{kind} {place}"


def verbs_of(
    method: str, kind: str, subresource: str = "", *, is_collection: bool = False, is_watch: bool = False
) -> tuple[str, ...]:
    """The verbs of roles that a call needs, all of them; none for a method that is not known (refuse it)."""
    special = _SUBRESOURCES.get((kind, subresource))
    if special is not None:
        return special
    found = _METHODS.get(method.upper())
    if found is None:
        return ()
    if is_watch and method.upper() == "GET":
        return ("watch",)
    verb = found[1] if is_collection else found[0]
    if (kind, subresource) == ("pods", "ephemeralcontainers") and verb != "get":
        return (verb, "exec")
    # `pods/eviction` deletes, `serviceaccounts/token` makes a credential: as strong as writing the object itself
    return ("delete",) if (kind, subresource) == ("pods", "eviction") else (verb,)
