from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

from authorities import NOW, Authority
from hypothesis import given, settings
from hypothesis import strategies as st

from teleport.credentials import ssh_certificates, x509
from teleport.credentials.keys import PrivateKey
from teleport.model.identity import Identity, ResourceId, SystemRole

KEY = PrivateKey.generate("ecdsa-p256").public
START, END = datetime(2031, 1, 1), datetime(2039, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone
USER, HOST = Authority("user"), Authority("host")

printable = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ,=+\\/\"'#<>;"), min_size=1
).filter(str.isprintable)
short = printable.map(lambda text: text[:40])
maybe = st.just("") | short
texts = st.lists(short, max_size=4, unique=True).map(tuple)
moments = st.datetimes(START, END, timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0))
part = short.map(lambda text: text.replace("/", "-"))
resources = st.builds(ResourceId, cluster=part, kind=part, name=part, sub_resource_name=maybe)
addresses = st.just("") | st.ip_addresses().map(str)
logins = texts.map(lambda names: tuple(name for name in names if name != ssh_certificates.JOIN_PRINCIPAL))

common = {
    "username": short,
    "cluster": st.just("example"),
    "expires": moments,
    "roles": st.lists(short, min_size=1, max_size=4).map(tuple),
    "traits": st.dictionaries(short, st.lists(st.text(max_size=20), max_size=3).map(tuple), max_size=3),
    "logins": logins,
    "usage": texts,
    "route_to_cluster": maybe,
    "active_requests": texts,
    "allowed_resources": st.lists(resources, max_size=3).map(tuple),
    "impersonator": maybe,
    "disallow_reissue": st.booleans(),
    "renewable": st.booleans(),
    "generation": st.integers(0, 10**18 - 1),
    "mfa_verified": maybe,
    "login_ip": addresses,
    "pinned_ip": addresses,
    "private_key_policy": maybe,
    "device_id": maybe,
    "device_asset_tag": maybe,
    "device_credential_id": maybe,
    "bot_name": maybe,
    "bot_instance_id": maybe,
    "previous_expires": st.none() | moments,
    "user_type": st.sampled_from(["local", "sso"]),
}
routing = dict.fromkeys(
    (
        "kubernetes_cluster",
        "database_service",
        "database_protocol",
        "database_user",
        "database_name",
        "application_name",
        "application_session_id",
        "application_public_addr",
    ),
    maybe,
)
people = st.builds(Identity, **common)
routed_people = st.builds(Identity, **common, **routing, kubernetes_users=texts, kubernetes_groups=texts)
system_roles = st.sampled_from([role for role in get_args(SystemRole) if role])


@st.composite
def hosts(draw: st.DrawFn) -> Identity:
    host_id = str(draw(st.uuids()))
    return Identity(
        username=f"{host_id}.example",
        host_id=host_id,
        cluster="example",
        expires=draw(moments),
        system_role=draw(system_roles),
        system_roles=tuple(draw(st.lists(system_roles, max_size=3, unique=True))),
    )


@given(routed_people)
@settings(max_examples=80, deadline=None)
def test_every_person_survives_x509(identity: Identity) -> None:
    assert x509.read_identity(x509.issue_user(identity, KEY, USER.tls, NOW), "user") == identity


@given(people)
@settings(max_examples=80, deadline=None)
def test_every_person_survives_ssh(identity: Identity) -> None:
    line = ssh_certificates.issue_user(identity, KEY, USER.ssh, NOW)
    assert ssh_certificates.read_user(line).identity == identity


@given(hosts())
@settings(max_examples=40, deadline=None)
def test_every_host_survives_both(identity: Identity) -> None:
    assert x509.read_identity(x509.issue_host(identity, KEY, HOST.tls, NOW), "host") == identity
    line = ssh_certificates.issue_host(identity, KEY, HOST.ssh, NOW, ["web-1", "web-1.example"])
    assert ssh_certificates.read_host(line).identity == identity


def test_fractions_of_a_second_are_cut_alike_in_both_forms() -> None:
    end = NOW + timedelta(hours=1, microseconds=750_000)
    identity = Identity(username="alice", cluster="example", expires=end, roles=("access",))
    by_x509 = x509.read_identity(x509.issue_user(identity, KEY, USER.tls, NOW), "user")
    by_ssh = ssh_certificates.read_user(ssh_certificates.issue_user(identity, KEY, USER.ssh, NOW)).identity
    assert by_x509.expires == by_ssh.expires == NOW + timedelta(hours=1)
