"""Identity: all that a certificate says of its holder, in X.509 and in SSH form alike.

Sources: X.509 subject and object ids, SSH extensions: credentials.x509 and credentials.ssh_certificates.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

SystemRole = Literal["", "Admin", "Auth", "Proxy", "Node", "Instance", "App", "Db", "Kube", "WindowsDesktop", "Bot"]


class ResourceId(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A resource named across clusters; its text form is `/cluster/kind/name[/sub]`."""

    cluster: str
    kind: str
    name: str
    sub_resource_name: str = ""

    def __str__(self) -> str:
        text = f"/{self.cluster}/{self.kind}/{self.name}"
        return f"{text}/{self.sub_resource_name}" if self.sub_resource_name else text


class Identity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The holder of a certificate. A person has roles; a host has a system role and a host id.

    `cluster` is the cluster whose CA signed it; `expires` is the certificate's own end.
    `previous_expires` is the end of the login from which a short-lived certificate was derived.
    """

    username: str
    cluster: str
    expires: datetime
    roles: tuple[str, ...] = ()
    traits: dict[str, tuple[str, ...]] = {}
    logins: tuple[str, ...] = ()
    system_role: SystemRole = ""
    system_roles: tuple[str, ...] = ()
    host_id: str = ""
    usage: tuple[str, ...] = ()
    route_to_cluster: str = ""
    active_requests: tuple[str, ...] = ()
    allowed_resources: tuple[ResourceId, ...] = ()
    impersonator: str = ""
    disallow_reissue: bool = False
    renewable: bool = False
    generation: int = 0
    mfa_verified: str = ""
    login_ip: str = ""
    pinned_ip: str = ""
    private_key_policy: str = ""
    device_id: str = ""
    device_asset_tag: str = ""
    device_credential_id: str = ""
    bot_name: str = ""
    bot_instance_id: str = ""
    previous_expires: datetime | None = None
    user_type: Literal["local", "sso"] = "local"
    kubernetes_cluster: str = ""
    kubernetes_users: tuple[str, ...] = ()
    kubernetes_groups: tuple[str, ...] = ()
    database_service: str = ""
    database_protocol: str = ""
    database_user: str = ""
    database_name: str = ""
    application_name: str = ""
    application_session_id: str = ""
    application_public_addr: str = ""

    @property
    def is_host(self) -> bool:
        """True for agents, proxies, auth servers and the local administrator of the auth host."""
        return self.system_role != ""
