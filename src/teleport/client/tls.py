"""TLS towards our own servers, blocking: TLS 1.3, only the cluster's authorities, the name always checked.

Contexts are made from the files of a profile, which the ssl module reads itself; no other import is needed.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from typing import NamedTuple

from teleport.client.files import together
from teleport.foundation.errors import NotAuthenticated, Unavailable


class TlsFiles(NamedTuple):
    """Paths of a certificate, its key, and the host authorities to trust."""

    certificate: str
    key: str
    authorities: Sequence[str]

    def context(self, alpn: str) -> ssl.SSLContext:
        """Raises NotAuthenticated when files are missing or do not fit together."""
        context = bare_context(alpn)
        try:
            for path in self.authorities:
                context.load_verify_locations(cafile=path)
            with together(os.path.dirname(self.key)):
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as problem:
            raise NotAuthenticated(
                f"the stored certificates cannot be used ({problem}), run `tsh login`"
            ) from problem
        return context


class TlsTexts(NamedTuple):
    """The same as PEM text, for identity files."""

    certificate: str
    key: str
    authorities: Sequence[str]

    def context(self, alpn: str) -> ssl.SSLContext:
        from teleport.credentials import tls_contexts

        context = tls_contexts.client_context(
            self.authorities, chain_pem=self.certificate, key_pem=self.key, alpn=[alpn]
        )
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context


def bare_context(alpn: str) -> ssl.SSLContext:
    """Trusts nobody yet, shows nothing yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([alpn])
    return context


def explain(problem: ssl.SSLError, address: str) -> Exception:
    """What a failed handshake means to a person."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return NotAuthenticated(
            f"{address} does not prove to be the cluster you logged in to ({problem.verify_message}); "
            "if its authorities were replaced, log in again"
        )
    if problem.reason == "TLSV1_ALERT_INTERNAL_ERROR":
        return Unavailable(f"{address} cannot reach the auth service now: try again later")
    reason = (problem.reason or str(problem)).lower().replace("_", " ")
    if "alert" in reason or "certificate" in reason:
        return NotAuthenticated(f"{address} does not accept your certificate ({reason}), run `tsh login`")
    return Unavailable(f"{address}: TLS failed ({reason})")
