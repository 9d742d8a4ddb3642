from __future__ import annotations

import os
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from authorities import Authority, alice, host

from teleport.credentials import internal_names, peers, tls_contexts, x509
from teleport.credentials.keys import PrivateKey
from teleport.credentials.tls_contexts import ServerContexts
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter

NOW = SystemClock().now().replace(microsecond=0)
USER, HOST = Authority("user", now=NOW), Authority("host", now=NOW)
OLD = datetime(2001, 1, 1, tzinfo=UTC)


class Pair:
    """Two ends of a TLS connection over memory."""

    def __init__(
        self, client: ssl.SSLContext, server: ssl.SSLContext, name: str = "proxy.teleport.cluster.local"
    ) -> None:
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(down, up, server_hostname=name)
        self.server = server.wrap_bio(up, down, server_side=True)

    def shake(self) -> Pair:
        waiting = [self.client, self.server]
        for _ in range(10):
            for end in list(waiting):
                try:
                    end.do_handshake()
                    waiting.remove(end)
                except ssl.SSLWantReadError:
                    continue
        assert not waiting
        return self

    @property
    def peer(self) -> bytes:
        der = self.server.getpeercert(binary_form=True)
        assert der is not None
        return der


def server(role: str = "Proxy", *, required: bool = True, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    key = PrivateKey.generate("ecdsa-p256")
    certificate = x509.issue_host(host(role, now=NOW), key.public, HOST.tls, NOW)
    return tls_contexts.server_context(
        certificate,
        key.pem(),
        client_ca_pems=[USER.tls.certificate, HOST.tls.certificate],
        require_client_certificate=required,
        alpn=alpn,
    )


def client(ca: Authority = HOST, alpn: tuple[str, ...] = (), *, anonymous: bool = False) -> ssl.SSLContext:
    key = PrivateKey.generate("ecdsa-p256")
    certificate = x509.issue_user(alice(now=NOW), key.public, USER.tls, NOW)
    pair = {} if anonymous else {"chain_pem": certificate, "key_pem": key.pem()}
    return tls_contexts.client_context([ca.tls.certificate], alpn=alpn, **pair)


def test_both_ends_prove_themselves_and_agree_on_a_protocol() -> None:
    pair = Pair(client(alpn=("teleport-dial",)), server(alpn=("h2", "teleport-dial"))).shake()
    assert pair.server.selected_alpn_protocol() == "teleport-dial"
    assert pair.server.version() == "TLSv1.3"
    assert peers.verify_peer(pair.peer, [USER.trusted, HOST.trusted], NOW) == alice(now=NOW)


def test_a_client_without_certificate_is_refused_where_one_is_required() -> None:
    pair = Pair(client(anonymous=True), server()).shake  # TLS 1.3 tells the client after its own handshake
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        pair()
    optional = Pair(client(anonymous=True), server(required=False)).shake()
    assert optional.server.getpeercert(binary_form=True) is None


def test_a_client_of_a_foreign_authority_is_refused() -> None:
    foreign = Authority("user", now=NOW)
    key = PrivateKey.generate("ecdsa-p256")
    certificate = x509.issue_user(alice(now=NOW), key.public, foreign.tls, NOW)
    context = tls_contexts.client_context([HOST.tls.certificate], chain_pem=certificate, key_pem=key.pem())
    for required in (True, False):
        with pytest.raises(ssl.SSLCertVerificationError):
            Pair(context, server(required=required)).shake()


@pytest.mark.parametrize("name", ["other.example.com", internal_names.auth_name("example")])
def test_a_proxy_does_not_pass_for_another_name(name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname mismatch"):
        Pair(client(), server("Proxy"), name).shake()
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname mismatch"):
        Pair(client(), server("Node")).shake()
    assert Pair(client(), server("Auth"), internal_names.auth_name("example")).shake()


def test_a_server_of_another_authority_is_refused() -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        Pair(client(ca=Authority("host", now=NOW)), server()).shake()


def test_a_person_does_not_pass_for_a_server() -> None:
    key = PrivateKey.generate("ecdsa-p256")
    certificate = x509.issue_user(alice(now=NOW), key.public, USER.tls, NOW)
    pretender = tls_contexts.server_context(certificate, key.pem())
    with pytest.raises(ssl.SSLCertVerificationError, match=r"certificate purpose|certificate verify failed"):
        Pair(client(ca=USER), pretender).shake()


def test_the_web_port_is_trusted_by_whoever_is_given_its_certificate() -> None:
    key = PrivateKey.generate("ecdsa-p256")
    certificate = x509.issue_server(["localhost", "127.0.0.1", "::1"], key, NOW)
    context = tls_contexts.server_context(certificate, key.pem(), alpn=["http/1.1"])
    for name in ("localhost", "127.0.0.1", "::1"):
        assert Pair(tls_contexts.client_context([certificate], alpn=["http/1.1"]), context, name).shake()
    with pytest.raises(ssl.SSLCertVerificationError):
        Pair(tls_contexts.system_client_context(), context, "localhost").shake()
    assert Pair(tls_contexts.system_client_context([certificate]), context, "localhost").shake()
    assert Pair(tls_contexts.unverified_client_context(), context, "anything").shake()


def test_old_versions_and_weak_suites_are_gone() -> None:
    for context in (
        server(),
        client(),
        tls_contexts.unverified_client_context(),
        tls_contexts.system_client_context(),
    ):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.options & ssl.OP_NO_RENEGOTIATION
        for suite in context.get_ciphers():
            assert suite["aead"], suite["name"]
            assert suite["protocol"] == "TLSv1.3" or suite["name"].startswith("ECDHE-")
    old = client()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):  # Python itself warns of them
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        Pair(old, server()).shake()
    newer = client()
    newer.maximum_version = ssl.TLSVersion.TLSv1_2
    assert Pair(newer, server()).shake().server.cipher()[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"  # type: ignore[index]


def test_a_client_that_proved_itself_once_proves_itself_again() -> None:
    both = client(), server()
    first = Pair(*both).shake()
    first.server.write(b"x")
    assert first.client.read(1) == b"x"  # a session ticket would come before
    assert not first.client.session.has_ticket  # type: ignore[union-attr]


def test_the_certificate_follows_the_name_asked_for() -> None:
    def web(name: str) -> tuple[str, ssl.SSLContext]:
        key = PrivateKey.generate("ecdsa-p256")
        certificate = x509.issue_server([name], key, NOW)
        return certificate, tls_contexts.server_context(certificate, key.pem())

    one, other, wild = web("one.example.com"), web("other.example.com"), web("*.apps.example.com")
    contexts = ServerContexts(one[1], {"OTHER.example.com": other[1], "*.apps.example.com": wild[1]})
    assert contexts.choose("other.Example.com.") is other[1]
    assert contexts.choose("any.apps.example.com") is wild[1]
    assert contexts.choose("deep.any.apps.example.com") is one[1]
    assert contexts.choose(None) is one[1]
    for name, (certificate, _) in {
        "one.example.com": one,
        "other.example.com": other,
        "x.apps.example.com": wild,
    }.items():
        assert Pair(tls_contexts.client_context([certificate]), contexts.default, name).shake()


def test_contexts_that_ask_for_certificates_differently_are_not_mixed() -> None:
    with pytest.raises(BadParameter, match="alike"):
        ServerContexts(server(required=False), {"strict.example.com": server(required=True)})


def test_half_a_pair_is_refused() -> None:
    key, other = PrivateKey.generate("ecdsa-p256"), PrivateKey.generate("ecdsa-p256")
    certificate = x509.issue_server(["localhost"], key, NOW)
    with pytest.raises(BadParameter, match="do not go together"):
        tls_contexts.server_context(certificate, other.pem())
    with pytest.raises(BadParameter, match="at least one authority"):
        tls_contexts.client_context([])
    with pytest.raises(BadParameter, match="needs the authorities"):
        tls_contexts.server_context(certificate, key.pem(), require_client_certificate=True)


def test_no_descriptor_is_left_open() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    server()
    before = count()
    for _ in range(5):
        server()
    assert count() == before


def test_making_a_context_reads_no_system_authorities() -> None:
    assert tls_contexts.client_context([HOST.tls.certificate]).cert_store_stats() == {
        "crl": 0,
        "x509": 1,
        "x509_ca": 1,
    }


def test_an_expired_server_is_refused() -> None:
    key = PrivateKey.generate("ecdsa-p256")
    certificate = x509.issue_server(["localhost"], key, OLD, timedelta(days=1))
    context = tls_contexts.server_context(certificate, key.pem())
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        Pair(tls_contexts.client_context([certificate]), context, "localhost").shake()


def test_a_file_is_no_way_for_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server()
    assert list(tmp_path.iterdir()) == []
