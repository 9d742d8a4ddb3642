"""27, 28: an agent reads neither recordings nor audit events, and writes only for sessions and a host of its own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from teleport.model.identity import Identity, SystemRole
from teleport.policy import system_roles
from teleport.policy.actions import ActionContext

EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)
SERVICES: tuple[SystemRole, ...] = ("Node", "App", "Db", "Kube", "WindowsDesktop", "Instance", "Bot", "Proxy")


def agent(role: SystemRole, *also: str) -> Identity:
    return Identity(
        username="a.c", cluster="c", expires=EXPIRES, system_role=role, system_roles=also, host_id="host-a"
    )


@pytest.mark.parametrize("role", SERVICES)
@pytest.mark.parametrize("kind", ["session", "event"])
@pytest.mark.parametrize("verb", ["list", "read", "readnosecrets", "delete"])
@pytest.mark.parametrize("owner", ["host-a", "host-b", ""])
def test_no_agent_reads_or_deletes_records(role: SystemRole, kind: str, verb: str, owner: str) -> None:
    assert not system_roles.may(agent(role), verb, kind, ActionContext(host_id=owner)).allowed
    assert not system_roles.may(agent("Instance", role), verb, kind, ActionContext(host_id=owner)).allowed


@pytest.mark.parametrize("role", SERVICES)
@pytest.mark.parametrize("owner", ["host-b", "", "host-b.c", "host-a.other", "HOST-A"])
def test_no_agent_writes_for_another(role: SystemRole, owner: str) -> None:
    for kind in ("session", "event"):
        for verb in ("create", "update"):
            assert not system_roles.may(agent(role), verb, kind, ActionContext(host_id=owner)).allowed


def test_an_agent_writes_for_itself() -> None:
    for kind in ("session", "event"):
        assert system_roles.may(agent("Node"), "create", kind, ActionContext(host_id="host-a")).allowed
