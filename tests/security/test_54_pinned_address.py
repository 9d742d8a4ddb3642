"""54: a certificate pinned to an address is of no use elsewhere, and the pin is not lost on the way to another."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from roles import ANYTHING, node, role, role_set

from teleport.foundation.errors import AccessDenied
from teleport.model.identity import Identity
from teleport.policy.access import AccessState, can_access_node
from teleport.policy.certificate import check_reissue
from teleport.policy.decision import Code

PINNED = Identity(
    username="alice",
    cluster="c",
    expires=datetime(2030, 1, 1, tzinfo=UTC),
    roles=("dev",),
    login_ip="192.0.2.1",
    pinned_ip="192.0.2.1",
)
NODES = {"logins": ["root"], "node_labels": ANYTHING}


@pytest.mark.parametrize("source", ["192.0.2.2", "", "192.0.2.1 ", "::ffff:192.0.2.9", "192.0.2.10"])
def test_another_or_unknown_address_is_refused(source: str) -> None:
    roles = role_set(role(allow=NODES))
    state = AccessState(pinned_ip=PINNED.pinned_ip, source_ip=source)
    assert can_access_node(roles, node(), "root", state).reason.code is Code.IP_DIFFERS


def test_a_role_that_wants_a_pin_is_not_served_by_the_login_address() -> None:
    roles = role_set(role(allow=NODES, options={"pin_source_ip": True}), role("plain", allow=NODES))
    state = AccessState(source_ip=PINNED.login_ip)
    assert can_access_node(roles, node(), "root", state).reason.code is Code.IP_NOT_PINNED


@pytest.mark.parametrize("pin", ["", "192.0.2.2"])
def test_a_reissue_keeps_the_pin(pin: str) -> None:
    with pytest.raises(AccessDenied):
        check_reissue(PINNED, msgspec.structs.replace(PINNED, pinned_ip=pin))
    check_reissue(PINNED, PINNED)
