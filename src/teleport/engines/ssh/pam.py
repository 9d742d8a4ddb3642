"""What PAM is told of a session: who came, from where, on which terminal, and what the operator wants set."""

from __future__ import annotations

from typing import TypedDict

from teleport.engines.admission import Admission
from teleport.engines.ssh.host_users import HostUser
from teleport.policy import templates


class PamRequest(TypedDict):
    """As `pam_stack` takes it."""

    service: str
    folder: str
    user: str
    tty: str
    rhost: str
    ruser: str
    env: dict[str, str]
    terminal: bool
    authenticates: bool


def pam_request(admission: Admission, user: HostUser, client_host: str, terminal_name: str = "") -> PamRequest | None:
    """None where the operator has not enabled PAM. Raises BadParameter for a template that cannot be read."""
    offered = admission.post.offers.pam
    if offered is None:
        return None
    identity = admission.identity
    wanted = {name: " ".join(templates.expand([text], identity.traits)) for name, text in offered.environment.items()}
    return PamRequest(
        service=offered.service_name,
        folder=offered.folder,
        user=user.name,
        tty=terminal_name,
        rhost=client_host,
        ruser=identity.username,
        env={
            **wanted,
            "TELEPORT_USERNAME": identity.username,
            "TELEPORT_LOGIN": admission.login,
            "TELEPORT_ROLES": " ".join(identity.roles),
        },
        terminal=bool(terminal_name),
        authenticates=offered.authenticates,
    )
