from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from authorities import HOUR, NOW, Authority, alice, host

from teleport.credentials import ssh_certificates
from teleport.credentials.authorities import SshAuthority, TrustedAuthority
from teleport.credentials.keys import PrivateKey
from teleport.credentials.ssh_certificates import FOREVER, JOIN_PRINCIPAL, Permits
from teleport.foundation.errors import BadParameter, LimitExceeded, NotAuthenticated
from teleport.model.identity import Identity

KEY = PrivateKey.generate("ed25519").public


def ssh_keygen(*arguments: str | Path, text: str = "") -> str:
    done = subprocess.run(["ssh-keygen", *arguments], capture_output=True, text=True, check=False, input=text)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def listed(line: str, folder: Path) -> str:
    (folder / "id-cert.pub").write_text(line + "\n")
    return ssh_keygen("-L", "-f", folder / "id-cert.pub")


def test_openssh_reads_a_persons_certificate(user_ca: Authority, tmp_path: Path) -> None:
    identity = msgspec.structs.replace(alice(), pinned_ip="10.0.0.9")
    line = ssh_certificates.issue_user(
        identity, KEY, user_ca.ssh, NOW, permits=Permits(agent_forwarding=True), extensions={"login@github.com": "al"}
    )
    text = listed(line, tmp_path)
    assert "Type: ssh-ed25519-cert-v01@openssh.com user certificate" in text
    assert f"Signing CA: ED25519 {user_ca.ssh_key.public.fingerprint}" in text
    for expected in (
        'Key ID: "alice"',
        "Serial: 0",
        "root",
        "alice",
        JOIN_PRINCIPAL,
        "source-address 10.0.0.9",
        "permit-pty",
        "permit-agent-forwarding",
        "teleport-roles",
        "teleport-traits",
        "login@github.com",
    ):
        assert expected in text
    assert "permit-port-forwarding" not in text


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ed25519", "rsa-2048"])
def test_openssh_verifies_the_signature_of_an_authority_of_any_kind(kind: str, tmp_path: Path) -> None:
    ca_key = PrivateKey.generate(kind)  # type: ignore[arg-type]
    holder = PrivateKey.generate("ecdsa-p256")
    now = NOW
    ca = SshAuthority(kind="user", cluster="example", signer=ca_key)
    identity = msgspec.structs.replace(alice(), expires=FOREVER)
    for name, text in {
        "id": holder.ssh_pem(),
        "id-cert.pub": ssh_certificates.issue_user(identity, holder.public, ca, now.replace(year=2020)) + "\n",
        "allowed": f"alice cert-authority {ca_key.public.ssh()}\n",
    }.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    # ssh-keygen checks certificates when it verifies what their holders signed
    (tmp_path / "message").write_text("message")
    ssh_keygen("-Y", "sign", "-f", tmp_path / "id-cert.pub", "-n", "file", tmp_path / "message")
    arguments = ["-Y", "verify", "-f", str(tmp_path / "allowed"), "-n", "file", "-s", str(tmp_path / "message.sig")]
    assert "Good" in ssh_keygen(*arguments, "-I", "alice", text="message")


def test_openssh_reads_a_hosts_certificate(host_ca: Authority, tmp_path: Path) -> None:
    identity = host()
    text = listed(ssh_certificates.issue_host(identity, KEY, host_ca.ssh, NOW, ["web-1", "web-1.example"]), tmp_path)
    assert "host certificate" in text
    for name in (identity.host_id, f"{identity.host_id}.example", "web-1", "web-1.example", "x-teleport-role"):
        assert name in text


def test_a_host_without_end_gets_a_certificate_without_end(host_ca: Authority, tmp_path: Path) -> None:
    line = ssh_certificates.issue_host(
        msgspec.structs.replace(host(), expires=FOREVER), KEY, host_ca.ssh, NOW, ["web-1"]
    )
    assert "to forever" in listed(line, tmp_path) or "after" in listed(line, tmp_path)
    assert ssh_certificates.read_host(line).valid_before == FOREVER
    later = NOW + timedelta(days=36500)
    assert ssh_certificates.verify_host(line, [host_ca.trusted], ["web-1"], later).is_host


def test_a_person_is_known_by_certificate_login_and_address(user_ca: Authority) -> None:
    line = ssh_certificates.issue_user(alice(), KEY, user_ca.ssh, NOW)
    assert ssh_certificates.verify_user(line, [user_ca.trusted], "root", NOW, "10.0.0.1") == alice()
    assert ssh_certificates.verify_user(line + " comment", [user_ca.trusted], JOIN_PRINCIPAL, NOW, "").logins
    with pytest.raises(NotAuthenticated, match="not for login 'mallory'"):
        ssh_certificates.verify_user(line, [user_ca.trusted], "mallory", NOW, "10.0.0.1")


def test_a_host_is_known_by_certificate_and_name(host_ca: Authority) -> None:
    line = ssh_certificates.issue_host(host(), KEY, host_ca.ssh, NOW, ["web-1"])
    assert ssh_certificates.verify_host(line, [host_ca.trusted], ["web-1", "other"], NOW) == host()
    with pytest.raises(NotAuthenticated, match="not for web-2"):
        ssh_certificates.verify_host(line, [host_ca.trusted], ["web-2"], NOW)
    with pytest.raises(NotAuthenticated):
        ssh_certificates.verify_host(line, [host_ca.trusted], [], NOW)


@pytest.mark.parametrize("when", [NOW + HOUR, NOW - timedelta(minutes=2)])
def test_a_certificate_counts_only_in_its_time(user_ca: Authority, host_ca: Authority, when: object) -> None:
    person = ssh_certificates.issue_user(alice(), KEY, user_ca.ssh, NOW)
    machine = ssh_certificates.issue_host(host(), KEY, host_ca.ssh, NOW, ["web-1"])
    with pytest.raises(NotAuthenticated, match=r"it expired|it begins"):
        ssh_certificates.verify_user(person, [user_ca.trusted], "root", when, "")  # type: ignore[arg-type]
    with pytest.raises(NotAuthenticated, match=r"it expired|it begins"):
        ssh_certificates.verify_host(machine, [host_ca.trusted], ["web-1"], when)  # type: ignore[arg-type]


def test_during_rotation_the_old_and_the_new_key_are_trusted(user_ca: Authority) -> None:
    new = Authority("user")
    both = TrustedAuthority(
        kind="user", cluster="example", ssh_keys=(new.ssh_key.public.ssh(), user_ca.ssh_key.public.ssh())
    )
    for ca in (user_ca, new):
        line = ssh_certificates.issue_user(alice(), KEY, ca.ssh, NOW)
        assert ssh_certificates.verify_user(line, [both], "root", NOW, "") == alice()


def test_the_old_format_says_no_more_than_old_servers_understand(user_ca: Authority, tmp_path: Path) -> None:
    line = ssh_certificates.issue_user(alice(), KEY, user_ca.ssh, NOW, format="oldssh")
    assert "teleport" not in listed(line, tmp_path).replace(JOIN_PRINCIPAL, "")
    with pytest.raises(NotAuthenticated, match="format oldssh"):
        ssh_certificates.verify_user(line, [user_ca.trusted], "root", NOW, "")
    assert "permit-pty" in ssh_certificates.read_extensions(line)


def test_who_signed_is_told_of_certificates_that_are_good_for_nothing_else(user_ca: Authority) -> None:
    old = ssh_certificates.issue_user(alice(), KEY, user_ca.ssh, NOW, format="oldssh")
    assert ssh_certificates.is_signed_by(old, [user_ca.trusted])
    forged = ssh_certificates.issue_user(alice(), KEY, Authority("user").ssh, NOW)
    assert not ssh_certificates.is_signed_by(forged, [user_ca.trusted])
    assert not ssh_certificates.is_signed_by(KEY.ssh(), [user_ca.trusted])


@pytest.mark.parametrize("name", ["teleport-roles", "teleport-cluster", "permit-port-forwarding", "generation", ""])
def test_roles_add_no_extension_that_only_we_say(user_ca: Authority, name: str) -> None:
    with pytest.raises(BadParameter, match="extension"):
        ssh_certificates.issue_user(alice(), KEY, user_ca.ssh, NOW, extensions={name: "x"})


def test_too_much_for_one_certificate_is_refused(user_ca: Authority) -> None:
    many = tuple(f"login-{number}" for number in range(300))
    with pytest.raises(LimitExceeded, match="at most 256"):
        ssh_certificates.issue_user(msgspec.structs.replace(alice(), logins=many), KEY, user_ca.ssh, NOW)
    traits = {"t": tuple("x" * 100 for _ in range(1000))}
    with pytest.raises(LimitExceeded, match="too many roles"):
        ssh_certificates.issue_user(msgspec.structs.replace(alice(), traits=traits), KEY, user_ca.ssh, NOW)


@pytest.mark.parametrize(
    "change",
    [{"roles": ()}, {"username": ""}, {"expires": NOW}, {"cluster": "elsewhere"}, {"pinned_ip": "10.0.0.0/8"}],
)
def test_what_no_certificate_may_say_is_not_issued(user_ca: Authority, change: dict[str, object]) -> None:
    with pytest.raises(BadParameter):
        ssh_certificates.issue_user(msgspec.structs.replace(alice(), **change), KEY, user_ca.ssh, NOW)


@pytest.mark.parametrize("name", ["*", "a,b", "", "with\nline", "proxy.teleport.cluster.local"])
def test_a_host_is_not_called_anything(host_ca: Authority, name: str) -> None:
    with pytest.raises(BadParameter):
        ssh_certificates.issue_host(host(), KEY, host_ca.ssh, NOW, [name])


READERS: list[Callable[[str], object]] = [ssh_certificates.read_user, ssh_certificates.read_host]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "text",
    ["", "rubbish", "ssh-ed25519-cert-v01@openssh.com AAAA", KEY.ssh(), "x" * 100_000, "é é"],
    ids=["empty", "rubbish", "cut", "key", "long", "foreign"],
)
def test_rubbish_is_no_certificate(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(BadParameter):
        read(text)


def test_lines_for_openssh_files(host_ca: Authority, user_ca: Authority, tmp_path: Path) -> None:
    [known] = ssh_certificates.known_hosts_lines(host_ca.trusted, ["*.example", "example"])
    (tmp_path / "known_hosts").write_text(known + "\n")
    assert "found" in ssh_keygen("-F", "web.example", "-f", tmp_path / "known_hosts")
    assert known.startswith("@cert-authority *.example,example ssh-ed25519 ")
    [authorized] = ssh_certificates.authorized_keys_lines(user_ca.trusted)
    assert authorized.startswith("cert-authority ssh-ed25519 ")
    with pytest.raises(BadParameter, match="does not speak for hosts"):
        ssh_certificates.known_hosts_lines(user_ca.trusted, ["*"])


def test_the_openssh_authority_signs_people_for_stock_servers() -> None:
    ca = Authority("openssh")
    line = ssh_certificates.issue_user(alice(), KEY, ca.ssh, NOW)
    with pytest.raises(NotAuthenticated, match="no trusted user authority"):
        ssh_certificates.verify_user(line, [ca.trusted], "root", NOW, "")


def test_an_identity_without_logins_still_gets_a_certificate(user_ca: Authority) -> None:
    nobody = Identity(username="bob", cluster="example", expires=NOW + HOUR, roles=("auditor",))
    line = ssh_certificates.issue_user(nobody, KEY, user_ca.ssh, NOW)
    assert ssh_certificates.read_user(line).principals == (JOIN_PRINCIPAL,)
