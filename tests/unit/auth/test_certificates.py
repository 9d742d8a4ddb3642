"""Certificates for a live identity: never longer, never wider; for others only where that is one's duty."""

from __future__ import annotations

import base64
from datetime import timedelta

import msgspec
import pytest
from auth_cluster import TestCluster, key_pair

from teleport.api.routes import certificates as routes
from teleport.api.routes.mfa import BEGIN_DEVICE, BeginDevice, MfaResponse
from teleport.api.routes.public import EXPORT_AUTHORITIES, ExportAuthorities
from teleport.credentials import ssh_certificates, x509
from teleport.credentials.keys import PublicKey
from teleport.foundation.errors import AccessDenied, BadParameter, NotFound
from teleport.model.resources.role import Role
from teleport.model.resources.role_conditions import ImpersonateConditions, RoleConditions, Rule


def wanted(**more: object) -> routes.IssueCertificates:
    keys = key_pair()
    return routes.IssueCertificates(
        ssh_public_key=keys.ssh,
        tls_public_key=keys.tls,
        **more,  # type: ignore[arg-type]
    )


async def test_a_reissue_ends_with_the_certificate_it_comes_from(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access", logins=["root"])
    granted = await cluster.log_in_for(person, timedelta(hours=1))
    client = cluster.client(granted.tls_cert)
    cluster.clock.advance(timedelta(minutes=30))
    issued = await client.call(routes.ISSUE, wanted(ttl=timedelta(hours=8)))
    assert issued.expires == granted.expires
    again = x509.read_identity(issued.tls_certificate, "user")
    assert (again.username, again.roles, again.logins) == ("alice", ("access",), ("root",))
    short = await client.call(routes.ISSUE, wanted(ttl=timedelta(minutes=1)))
    assert short.expires is not None
    assert short.expires <= cluster.clock.now() + timedelta(minutes=1)


async def test_a_reissue_keeps_the_roles_of_the_login(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person)
    await cluster.user("alice", "access", "editor")
    issued = await client.call(routes.ISSUE, wanted())
    assert x509.read_identity(issued.tls_certificate, "user").roles == ("access",)


async def test_an_expired_certificate_opens_nothing(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person, timedelta(minutes=5))
    cluster.clock.advance(timedelta(minutes=6))
    with pytest.raises(Exception, match="expired"):
        await client.call(routes.ISSUE, wanted())


async def test_nobody_gets_certificates_of_another_user(cluster: TestCluster) -> None:
    await cluster.user("bob", "editor")
    for role in ("access", "editor"):
        person = await cluster.person(f"alice-{role}", role)
        with pytest.raises(AccessDenied):
            await person.call(routes.ISSUE, wanted(username="bob"))
    agent = await cluster.host("Node")
    with pytest.raises(AccessDenied):
        await agent.call(routes.ISSUE, wanted(username="bob"))


async def test_who_may_impersonate_has_certificates_of_that_user_that_say_so(cluster: TestCluster) -> None:
    await cluster.role("jenkins", RoleConditions(logins=["jenkins"]))
    await cluster.user("jenkins", "jenkins")
    await cluster.user("both", "jenkins", "editor")
    may = ImpersonateConditions(users=["jenkins", "both"], roles=["jenkins"])
    await cluster.role("impersonator", RoleConditions(impersonate=may))
    await cluster.role(
        "careful", deny=RoleConditions(impersonate=ImpersonateConditions(users=["jenkins"], roles=["x"]))
    )
    alice = await cluster.person("alice", "impersonator")
    issued = await alice.call(routes.ISSUE, wanted(username="jenkins", ttl=timedelta(hours=20)))
    tls = x509.read_identity(issued.tls_certificate, "user")
    assert (tls.username, tls.roles, tls.logins, tls.impersonator) == ("jenkins", ("jenkins",), ("jenkins",), "alice")
    assert issued.expires is not None
    assert timedelta(hours=19) < issued.expires - cluster.clock.now() <= timedelta(hours=20)
    assert b"impersonator" in base64.b64decode(issued.ssh_certificate.split()[1])
    (event,) = [one for one in await cluster.events("cert.create") if one["identity"].get("impersonator")]
    assert (event["user"], event["identity"]["user"], event["identity"]["impersonator"]) == (
        "alice",
        "jenkins",
        "alice",
    )

    for name in ("both", "nobody"):
        with pytest.raises(AccessDenied, match="a role that impersonates this user"):
            await alice.call(routes.ISSUE, wanted(username=name))
    with pytest.raises(AccessDenied, match="a role that impersonates this user"):
        await (await cluster.person("carl", "impersonator", "careful")).call(routes.ISSUE, wanted(username="jenkins"))
    with pytest.raises(BadParameter, match="nothing more"):
        await alice.call(routes.ISSUE, wanted(username="jenkins", access_requests=("x",)))

    as_jenkins = cluster.client(issued.tls_certificate)
    again = await as_jenkins.call(routes.ISSUE, wanted(ttl=timedelta(hours=1)))
    assert x509.read_identity(again.tls_certificate, "user").impersonator == "alice"
    with pytest.raises(AccessDenied, match="log in yourself"):
        await as_jenkins.call(routes.ISSUE, wanted(username="both"))
    with pytest.raises(AccessDenied, match="not by impersonation"):
        await as_jenkins.call(BEGIN_DEVICE, BeginDevice(device_type="webauthn", device_usage="passwordless"))


async def test_a_pin_is_not_lost_by_impersonating(cluster: TestCluster) -> None:
    await cluster.role("jenkins", RoleConditions(logins=["jenkins"]))
    await cluster.user("jenkins", "jenkins")
    pinned = await cluster.role(
        "impersonator", RoleConditions(impersonate=ImpersonateConditions(users=["jenkins"], roles=["jenkins"]))
    )
    options = msgspec.structs.replace(pinned.spec.options, pin_source_ip=True)
    spec = msgspec.structs.replace(pinned.spec, options=options)
    await cluster.store.upsert(msgspec.structs.replace(pinned, spec=spec))
    alice = await cluster.person("alice", "impersonator")
    issued = await alice.call(routes.ISSUE, wanted(username="jenkins"))
    assert x509.read_identity(issued.tls_certificate, "user").pinned_ip == "192.0.2.1"


async def test_the_administrator_of_the_auth_host_signs_for_users_that_exist(cluster: TestCluster) -> None:
    await cluster.user("bob", "access", logins=["deploy"])
    admin = await cluster.admin()
    issued = await admin.call(routes.ISSUE, wanted(username="bob", ttl=timedelta(hours=1)))
    identity = x509.read_identity(issued.tls_certificate, "user")
    assert (identity.username, identity.logins) == ("bob", ("deploy",))
    with pytest.raises(NotFound):
        await admin.call(routes.ISSUE, wanted(username="nobody"))
    with pytest.raises(BadParameter):
        await admin.call(routes.ISSUE, wanted())


async def test_the_shortest_role_decides_the_lifetime_and_its_options_the_permits(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    document = {
        "kind": "role",
        "version": "v7",
        "metadata": {"name": "short"},
        "spec": {"options": {"max_session_ttl": "1h", "forward_agent": True, "port_forwarding": False}},
    }
    from teleport.api.routes import resources

    await admin.call(resources.CREATE, resources.CreateResource("role", msgspec.Raw(msgspec.json.encode(document))))
    assert (await admin.get(Role, "short")).spec.options.forward_agent
    person = await cluster.sign_up("alice", "short")
    granted = await cluster.log_in_for(person, timedelta(hours=10))
    assert granted.expires is not None
    assert granted.expires <= cluster.clock.now() + timedelta(hours=1)
    permits = ssh_certificates.read_user(granted.cert.decode()).permits
    assert (permits.pty, permits.agent_forwarding, permits.port_forwarding) == (True, True, False)


async def test_a_second_factor_earns_a_certificate_for_a_minute(cluster: TestCluster) -> None:
    person = await cluster.sign_up("alice", "access")
    client = await cluster.log_in(person)
    answer = MfaResponse(totp_code=person.next_code())
    issued = await client.call(routes.ISSUE, wanted(mfa_response=answer, target="node"))
    identity = x509.read_identity(issued.tls_certificate, "user")
    assert identity.mfa_verified
    assert identity.previous_expires is not None
    assert identity.expires <= cluster.clock.now() + timedelta(minutes=1)
    with pytest.raises(AccessDenied):
        await client.call(routes.ISSUE, wanted(mfa_response=answer))


async def test_access_requests_that_are_not_there_are_refused(cluster: TestCluster) -> None:
    person = await cluster.person("alice", "access")
    with pytest.raises(AccessDenied, match="not yours"):
        await person.call(routes.ISSUE, wanted(access_requests=("one",)))


async def test_a_host_certificate_for_a_stock_sshd(cluster: TestCluster) -> None:
    allowed = RoleConditions(rules=[Rule(resources=["host_cert"], verbs=["create"])])
    await cluster.role("signer", allowed)
    signer = await cluster.person("alice", "signer")
    request = routes.IssueHostCertificate(ssh_public_key=key_pair().ssh, principals=("web.example.com",))
    issued = await signer.call(routes.ISSUE_HOST, request)
    certificate = ssh_certificates.read_host(issued.ssh_certificate.decode())
    assert "web.example.com" in certificate.principals
    assert issued.tls_certificate == b""
    other = await cluster.person("bob", "access")
    with pytest.raises(AccessDenied):
        await other.call(routes.ISSUE_HOST, request)
    stolen = msgspec.structs.replace(request, principals=("proxy.teleport.cluster.local",))
    with pytest.raises(BadParameter):
        await signer.call(routes.ISSUE_HOST, stolen)


async def test_authorities_are_exported_in_the_forms_of_programs(cluster: TestCluster) -> None:
    stranger = cluster.stranger()

    async def export(kind: str) -> str:
        return (await stranger.call(EXPORT_AUTHORITIES, ExportAuthorities(type=kind))).text

    assert (await export("host")).startswith("@cert-authority *.example ssh-ed25519 ")
    assert (await export("user")).startswith("cert-authority ssh-ed25519 ")
    assert (await export("openssh")).startswith("ssh-ed25519 ")
    assert (await export("tls-host")).startswith("-----BEGIN CERTIFICATE-----")
    assert len((await export("")).splitlines()) == 2
    with pytest.raises(BadParameter, match="openssh"):
        await export("everything")
    with pytest.raises(NotFound):
        await stranger.call(EXPORT_AUTHORITIES, ExportAuthorities(type="host", fingerprint="SHA256:other"))


async def test_every_authority_has_keys_of_its_own(cluster: TestCluster) -> None:
    admin = await cluster.admin()
    from teleport.api.route import Empty

    found = (await admin.call(routes.AUTHORITIES, Empty())).authorities
    assert len({authority.type for authority in found}) == 9
    keys = [PublicKey.from_text(key).fingerprint for authority in found for key in authority.ssh_keys]
    keys += [x509.public_key(pem).fingerprint for authority in found for pem in authority.tls_certificates]
    keys += [PublicKey.from_text(key).fingerprint for authority in found for key in authority.jwt_keys]
    assert len(keys) == len(set(keys)) == 12
