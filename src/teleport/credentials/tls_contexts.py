"""TLS contexts of our own making: TLS 1.2 and later, strong suites, only the authorities given.

`ssl.create_default_context` is avoided: it reads the system's authorities, which takes 23 ms and trusts strangers.
Private keys reach the ssl module through anonymous memory where the system offers it, never a lasting file.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence

from teleport.foundation.errors import BadParameter

_TLS12_SUITES = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)


def server_context(
    chain_pem: str,
    key_pem: str,
    *,
    client_ca_pems: Sequence[str] = (),
    require_client_certificate: bool = False,
    alpn: Sequence[str] = (),
) -> ssl.SSLContext:
    """For accepting connections. Client certificates are asked for when `client_ca_pems` are given.

    The handshake proves the client's certificate comes from one of these authorities, no more: give
    `getpeercert(binary_form=True)` to `x509.verify_peer` to learn who it is. Contexts that ask for client
    certificates do not resume sessions, so that every connection proves itself afresh.
    """
    if require_client_certificate and not client_ca_pems:
        raise BadParameter("a context that requires client certificates needs the authorities that sign them")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, alpn)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    _load_pair(context, chain_pem, key_pem)
    if client_ca_pems:
        context.load_verify_locations(cadata="\n".join(client_ca_pems))
        context.verify_mode = ssl.CERT_REQUIRED if require_client_certificate else ssl.CERT_OPTIONAL
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def client_context(
    ca_pems: Sequence[str],
    *,
    chain_pem: str = "",
    key_pem: str = "",
    alpn: Sequence[str] = (),
) -> ssl.SSLContext:
    """For dialling. The server's name is checked against its certificate; only `ca_pems` are trusted."""
    if not ca_pems:
        raise BadParameter("a client context needs at least one authority to trust")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, alpn)
    context.load_verify_locations(cadata="\n".join(ca_pems))
    if chain_pem:
        _load_pair(context, chain_pem, key_pem)
    return context


def system_client_context(ca_pems: Sequence[str] = (), *, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """For a proxy's public certificate: the system's authorities and, in addition, `ca_pems`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, alpn)
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if ca_pems:
        context.load_verify_locations(cadata="\n".join(ca_pems))
    return context


def unverified_client_context(*, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """For `--insecure` and for a first contact whose authority is checked afterwards by its pin."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, alpn)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class ServerContexts:
    """Several certificates behind one port, chosen by the name the client asks for.

    Names match exactly, then by one leading `*.` label; else `default` answers. `choose` serves those who have
    peeked at the ClientHello; `default` itself switches during the handshake for those who have not.
    """

    def __init__(self, default: ssl.SSLContext, by_name: Mapping[str, ssl.SSLContext]) -> None:
        # OpenSSL keeps the first context's verify mode when it switches: a mixture would skip client certificates
        if any(context.verify_mode != default.verify_mode for context in by_name.values()):
            raise BadParameter("contexts that are switched by name must ask for client certificates alike")
        self._by_name = {name.lower().rstrip("."): context for name, context in by_name.items()}
        self.default = default
        default.sni_callback = self._switch

    def choose(self, server_name: str | None) -> ssl.SSLContext:
        name = (server_name or "").lower().rstrip(".")
        _, _, parent = name.partition(".")
        return self._by_name.get(name) or self._by_name.get(f"*.{parent}") or self.default

    def _switch(self, connection: ssl.SSLSocket | ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
        chosen = self.choose(server_name)
        if chosen is not self.default:
            connection.context = chosen


def _harden(context: ssl.SSLContext, alpn: Sequence[str]) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if alpn:
        context.set_alpn_protocols(list(alpn))


def _load_pair(context: ssl.SSLContext, chain_pem: str, key_pem: str) -> None:
    try:
        with _secret_file(f"{key_pem.strip()}\n{chain_pem.strip()}\n".encode()) as path:
            context.load_cert_chain(path)
    except ssl.SSLError as problem:
        raise BadParameter(f"certificate and private key do not go together: {problem.reason}") from None


@contextlib.contextmanager
def _secret_file(content: bytes) -> Iterator[str]:
    """A path that reads as `content` until the block ends; anonymous memory on Linux, else a private file."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    descriptor, path = tempfile.mkstemp(prefix="teleport-")  # created with mode 0600
    try:
        os.write(descriptor, content)
        os.close(descriptor)
        yield path
    finally:
        os.unlink(path)
