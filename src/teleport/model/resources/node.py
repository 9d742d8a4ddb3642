"""Node: an SSH server, ours (`teleport`) or one that runs sshd (`openssh`, `openssh-ec2-ice`)."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.resources.heartbeat import CommandLabel, check_command_labels, merged
from teleport.model.resources.rotation import Rotation
from teleport.model.values import Flag, StringList

OPENSSH_SUB_KINDS = ("openssh", "openssh-ec2-ice")


class AWSInfo(Model):
    account_id: str = ""
    instance_id: str = ""
    region: str = ""
    vpc_id: str = ""
    subnet_id: str = ""
    integration: str = ""


class CloudMetadata(Model):
    aws: AWSInfo | None = None


class NodeSpec(Model):
    addr: str = ""
    hostname: str = ""
    public_addrs: StringList = []
    cmd_labels: dict[str, CommandLabel] = {}
    rotation: Rotation | None = None
    use_tunnel: Flag = False
    version: str = ""
    proxy_ids: StringList = []
    cloud_metadata: CloudMetadata | None = None


class Node(Resource):
    """Its name is the host's UUID; for OpenSSH servers it may be left out and is then made."""

    KIND: ClassVar[str] = "node"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    SUB_KINDS: ClassVar[tuple[str, ...]] = ("", "teleport", *OPENSSH_SUB_KINDS)
    NAME_GENERATED: ClassVar[bool] = True

    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)

    @property
    def is_openssh(self) -> bool:
        return self.sub_kind in OPENSSH_SUB_KINDS

    @property
    def hostname(self) -> str:
        return self.spec.hostname

    @property
    def labels(self) -> dict[str, str]:
        """Static and dynamic labels; on the same key the dynamic value wins."""
        return merged(self.metadata.labels, self.spec.cmd_labels)

    def check_spec(self) -> None:
        check_command_labels(self.spec.cmd_labels, "spec.cmd_labels")
        if self.spec.rotation is not None:
            self.spec.rotation.check()
        if self.is_openssh:
            self._check_openssh()
        else:
            require(self.metadata.name, "metadata.name is missing")

    def _check_openssh(self) -> None:
        spec = self.spec
        host, colon, port = spec.addr.rpartition(":")
        is_address = bool(colon and host and port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536)
        require(is_address, f"spec.addr is {spec.addr!r}, sub_kind {self.sub_kind} needs host:port")
        require(spec.hostname, f"spec.hostname is missing, sub_kind {self.sub_kind} needs it")
        require(not spec.cmd_labels, f"spec.cmd_labels is not possible with sub_kind {self.sub_kind}")
        require(not spec.use_tunnel, f"spec.use_tunnel is not possible with sub_kind {self.sub_kind}")
        if self.sub_kind == "openssh-ec2-ice":
            aws = spec.cloud_metadata.aws if spec.cloud_metadata else None
            for field in AWSInfo.__struct_fields__:
                where = f"spec.cloud_metadata.aws.{field}"
                require(aws and getattr(aws, field), f"{where} is missing, sub_kind openssh-ec2-ice needs it")
