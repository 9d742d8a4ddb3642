from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from roles import ANYTHING, role, role_set

from teleport.foundation.errors import AccessDenied, BadParameter
from teleport.model.identity import Identity, ResourceId
from teleport.policy.certificate import certificate_terms, check_reissue

HOUR = timedelta(hours=1)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("limits", "requested", "expected"),
    [
        ([], None, 12 * HOUR),
        (["8h"], None, 8 * HOUR),
        (["8h", "4h"], None, 4 * HOUR),
        (["8h"], 2 * HOUR, 2 * HOUR),
        (["8h"], 9 * HOUR, 8 * HOUR),
        (["100h"], 90 * HOUR, 30 * HOUR),
        (["0s"], 90 * HOUR, 30 * HOUR),
    ],
)
def test_lifetime(limits: list[str], requested: timedelta | None, expected: timedelta) -> None:
    roles = [role(f"r{number}", options={"max_session_ttl": limit}) for number, limit in enumerate(limits)]
    assert certificate_terms(role_set(*roles), requested).ttl == expected


def test_the_cluster_default_holds_when_nothing_is_asked() -> None:
    assert certificate_terms(role_set(role()), None, default_ttl=HOUR).ttl == HOUR


@pytest.mark.parametrize("requested", [timedelta(), -HOUR])
def test_refuses_a_lifetime_of_nothing(requested: timedelta) -> None:
    with pytest.raises(BadParameter, match="lifetime"):
        certificate_terms(role_set(role()), requested)


def test_principals_are_all_logins_less_what_is_denied() -> None:
    roles = role_set(
        role("a", allow={"logins": ["root", "{{internal.logins}}"], "node_labels": ANYTHING}),
        role("b", allow={"logins": ["no-login-1", "ubuntu"]}, deny={"logins": ["root"]}),
        logins=["alice"],
    )
    assert certificate_terms(roles, None).logins == ("alice", "ubuntu")
    assert certificate_terms(role_set(role()), None).logins == ()


def test_permissions_come_from_roles() -> None:
    bare = certificate_terms(role_set(role(options={"port_forwarding": False})), None)
    assert not (bare.port_forwarding)
    assert not (bare.agent_forwarding)
    assert not (bare.x11_forwarding)
    assert not (bare.pin_source_ip)
    options: dict[str, Any] = {
        "forward_agent": True,
        "permit_x11_forwarding": True,
        "cert_format": "oldssh",
        "pin_source_ip": True,
        "cert_extensions": [{"type": "ssh", "mode": "extension", "name": "a@b", "value": "{{external.x}}"}],
    }
    full = certificate_terms(role_set(role(options=options), x=["y"]), None)
    assert full.port_forwarding
    assert full.agent_forwarding
    assert full.x11_forwarding
    assert full.pin_source_ip
    assert (full.cert_format, dict(full.extensions)) == ("oldssh", {"a@b": "y"})


SOURCE = Identity(
    username="alice",
    cluster="c",
    expires=NOW,
    roles=("dev", "ops"),
    traits={"logins": ("alice",)},
    pinned_ip="1.2.3.4",
    usage=("usage:kube",),
    allowed_resources=(ResourceId(cluster="c", kind="node", name="a"),),
)


@pytest.mark.parametrize(
    "change",
    [
        {"expires": NOW + timedelta(seconds=1)},
        {"username": "bob"},
        {"cluster": "other"},
        {"roles": ("dev", "ops", "admin")},
        {"traits": {"logins": ("alice", "root")}},
        {"pinned_ip": ""},
        {"pinned_ip": "1.2.3.5"},
        {"usage": ()},
        {"usage": ("usage:kube", "usage:db")},
        {"allowed_resources": ()},
        {"allowed_resources": (ResourceId(cluster="c", kind="node", name="b"),)},
        {"renewable": True},
        {"device_id": "d"},
        {"bot_name": "b"},
        {"private_key_policy": "hardware_key"},
    ],
)
def test_a_reissue_never_outlives_or_widens(change: dict[str, Any]) -> None:
    with pytest.raises(AccessDenied):
        check_reissue(SOURCE, msgspec.structs.replace(SOURCE, **change))


def test_a_reissue_may_narrow() -> None:
    check_reissue(SOURCE, SOURCE)
    check_reissue(SOURCE, msgspec.structs.replace(SOURCE, roles=("dev",), expires=NOW - HOUR, mfa_verified="m"))
    with pytest.raises(AccessDenied, match="may not be exchanged"):
        check_reissue(msgspec.structs.replace(SOURCE, disallow_reissue=True), SOURCE)
