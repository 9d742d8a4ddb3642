"""Rule 6: every critical option of an SSH certificate counts on every path; one that is not understood refuses."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from authorities import NOW, Authority, alice, host
from cryptography.hazmat.primitives.serialization import ssh

from teleport.credentials import ssh_certificates
from teleport.credentials.keys import PrivateKey
from teleport.foundation.errors import NotAuthenticated

USER, HOST = Authority("user"), Authority("host")
KEY = PrivateKey.generate("ed25519").public


def with_options(line: str, options: Mapping[str, str], ca: Authority, principals: list[bytes] | None = None) -> str:
    """The same certificate with other critical options, or for other principals, signed by the same authority."""
    old = ssh.load_ssh_public_identity(line.encode())
    assert isinstance(old, ssh.SSHCertificate)
    builder = (
        ssh.SSHCertificateBuilder()
        .public_key(old.public_key())
        .serial(old.serial)
        .type(old.type)
        .key_id(old.key_id)
        .valid_after(old.valid_after)
        .valid_before(old.valid_before)
    )
    if principals == []:
        builder = builder.valid_for_all_principals()  # type: ignore[no-untyped-call]
    else:
        builder = builder.valid_principals(principals or old.valid_principals)
    for name, value in old.extensions.items():
        builder = builder.add_extension(name, value)
    for option, text in options.items():
        builder = builder.add_critical_option(option.encode(), text.encode())
    return builder.sign(ca.ssh_key.native).public_bytes().decode()


LINE = ssh_certificates.issue_user(alice(), KEY, USER.ssh, NOW)


def verify(line: str, source: str = "10.0.0.9") -> None:
    ssh_certificates.verify_user(line, [USER.trusted], "root", NOW, source)


@pytest.mark.parametrize("source", ["10.0.0.8", "", "rubbish", "::1", "10.0.0.90", "::ffff:10.0.0.8"])
def test_a_pinned_certificate_works_from_its_address_only(source: str) -> None:
    pinned = ssh_certificates.issue_user(msgspec.structs.replace(alice(), pinned_ip="10.0.0.9"), KEY, USER.ssh, NOW)
    verify(pinned, "10.0.0.9")
    verify(pinned, "::ffff:10.0.0.9")
    with pytest.raises(NotAuthenticated, match=r"pinned to 10\.0\.0\.9"):
        verify(pinned, source)


def test_an_address_pinned_in_another_spelling_counts_alike() -> None:
    verify(with_options(LINE, {"source-address": "10.0.0.9/32"}, USER))
    with pytest.raises(NotAuthenticated, match="pinned"):
        verify(with_options(LINE, {"source-address": "10.0.0.8/32"}, USER))


@pytest.mark.parametrize(
    "options",
    [
        {"force-command": "/bin/false"},
        {"verify-required": ""},
        {"no-touch-required": ""},
        {"source-address": "10.0.0.9", "invented@example.com": "x"},
        {"source-address": ""},
        {"source-address": "10.0.0.0/8"},
        {"source-address": "10.0.0.9,10.0.0.8"},
        {"source-address": "not an address"},
    ],
)
def test_what_is_not_understood_refuses(options: dict[str, str]) -> None:
    verify(with_options(LINE, {}, USER))
    with pytest.raises(NotAuthenticated, match=r"critical option|source address"):
        verify(with_options(LINE, options, USER))


def test_a_host_has_no_critical_options() -> None:
    line = ssh_certificates.issue_host(host(), KEY, HOST.ssh, NOW, ["web-1"])
    with pytest.raises(NotAuthenticated, match="critical options"):
        ssh_certificates.verify_host(
            with_options(line, {"source-address": "10.0.0.9"}, HOST), [HOST.trusted], ["web-1"], NOW
        )


def test_a_certificate_for_everybody_is_for_nobody() -> None:
    with pytest.raises(NotAuthenticated, match="everybody"):
        verify(with_options(LINE, {}, USER, principals=[]))
    line = ssh_certificates.issue_host(host(), KEY, HOST.ssh, NOW, ["web-1"])
    with pytest.raises(NotAuthenticated, match="everybody"):
        ssh_certificates.verify_host(with_options(line, {}, HOST, principals=[]), [HOST.trusted], ["web-1"], NOW)
