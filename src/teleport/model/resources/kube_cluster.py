"""Kubernetes cluster, and the heartbeat of an agent that serves it."""

from __future__ import annotations

import re
from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.resources.heartbeat import CommandLabel, Heartbeat, check_command_labels, merged
from teleport.model.sensitive import Secret

_NAME = re.compile(r"[a-zA-Z0-9._-]+\Z")


class KubeAWS(Model):
    region: str = ""
    account_id: str = ""
    name: str = ""


class KubeAzure(Model):
    resource_name: str = ""
    resource_group: str = ""
    tenant_id: str = ""
    subscription_id: str = ""


class KubeGCP(Model):
    location: str = ""
    project_id: str = ""
    name: str = ""


class KubeClusterSpec(Model):
    """`kubeconfig` is base64 of the file, which holds credentials."""

    dynamic_labels: dict[str, CommandLabel] = {}
    kubeconfig: Secret[bytes] | None = None
    aws: KubeAWS | None = None
    azure: KubeAzure | None = None
    gcp: KubeGCP | None = None


class KubeClusterStatus(Model):
    """What discovery found out."""

    aws_integration: str = ""


class KubeCluster(Resource):
    KIND: ClassVar[str] = "kube_cluster"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"

    spec: KubeClusterSpec = msgspec.field(default_factory=KubeClusterSpec)
    status: KubeClusterStatus | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Static and dynamic labels together."""
        return merged(self.metadata.labels, self.spec.dynamic_labels)

    def check_spec(self) -> None:
        require(_NAME.match(self.metadata.name), "metadata.name may hold only letters, digits and . _ -")
        check_command_labels(self.spec.dynamic_labels, "spec.dynamic_labels")


class KubeServerSpec(Heartbeat, kw_only=True):
    cluster: KubeCluster


class KubeServer(Resource):
    """Its key is `<host id>/<name>`."""

    KIND: ClassVar[str] = "kube_server"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"
    KEY_HAS_PREFIX: ClassVar[bool] = True

    spec: KubeServerSpec

    @property
    def key(self) -> str:
        return f"{self.spec.host_id}/{self.metadata.name}"

    @property
    def labels(self) -> dict[str, str]:
        """Those of the cluster."""
        return self.spec.cluster.labels

    def check_spec(self) -> None:
        self.spec.check()
        self.spec.cluster.check()
