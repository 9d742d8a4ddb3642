"""The API for administrators: calls that need a fresh proof of a WebAuthn device are repeated with one.

One touch is good for a series of changes by one command; what is not part of a series asks for a touch of its own.
"""

from __future__ import annotations

import base64
import ssl
from typing import Any

import msgspec

from teleport.api.endpoint import MFA_HEADER
from teleport.api.route import Empty, Request, Response, Route
from teleport.api.routes import cluster, resources, users
from teleport.api.sync_client import Address, SyncClient
from teleport.client import prompt, session_mfa
from teleport.foundation.errors import MfaRequired

_ALONE: tuple[Route[Any, Any], ...] = (users.RESET, resources.GET)
"""Each of these needs a proof for itself."""


class ProvingClient(SyncClient):
    """`origin` is the proxy as security keys know it; empty: what the cluster says of itself."""

    def __init__(self, address: Address, context: ssl.SSLContext, *, origin: str = "", mode: str = "auto") -> None:
        super().__init__(address, context)
        self._origin = origin
        self._mode = mode
        self._proof = ""

    def call(self, route: Route[Request, Response], request: Request) -> Response:
        """Raises what the cluster refuses with, and Unsupported when nobody can answer."""
        is_alone = route in _ALONE
        try:
            return self._call_with("" if is_alone else self._proof, route, request)
        except MfaRequired:
            proof = self._prove(in_series=not is_alone)
        if not is_alone:
            self._proof = proof
        return self._call_with(proof, route, request)

    def _call_with(self, proof: str, route: Route[Request, Response], request: Request) -> Response:
        if not proof:
            return super().call(route, request)
        self._headers[MFA_HEADER] = proof
        try:
            return super().call(route, request)
        finally:
            del self._headers[MFA_HEADER]

    def _prove(self, *, in_series: bool) -> str:
        origin = self._origin or f"https://{super().call(cluster.STATUS, Empty()).proxy_public_addr}"
        prompt.ON_TERMINAL.tell("This change needs a proof that it is you.")
        response = session_mfa.respond(
            self, "admin_action", origin, self._mode, prompt.ON_TERMINAL, in_series=in_series
        )
        return base64.urlsafe_b64encode(msgspec.json.encode(response)).decode()
