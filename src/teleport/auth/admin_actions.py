"""Changes that only administrators make need a fresh proof by a WebAuthn device, whatever certificate is shown.

So they do in clusters that accept nothing but WebAuthn: where one-time codes are accepted too, a proof would be no
better than the login. The auth host itself, bots and impersonated roles have nobody to ask and are exempt.
"""

from __future__ import annotations

import base64

import msgspec

from teleport.api.json_value import read_json
from teleport.api.routes.mfa import MfaResponse
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.mfa import MultiFactor
from teleport.foundation.errors import BadParameter, MfaRequired

GUARDED_KINDS = frozenset(
    {
        "user", "role", "token", "github", "oidc", "saml", "cert_authority", "bot", "lock", "trusted_cluster",
        "cluster_auth_preference", "cluster_networking_config", "session_recording_config", "login_rule",
        "network_restrictions", "saml_idp_service_provider", "device",
    }
)  # fmt: skip
_ASKED = "administrative actions need a fresh proof of your WebAuthn device here"


class AdminActions:
    """The one place that asks for the proof."""

    def __init__(self, cluster: Cluster, factors: MultiFactor) -> None:
        self._cluster = cluster
        self._factors = factors

    async def are_guarded(self, caller: Caller) -> bool:
        """Whether this caller has to prove a device for them."""
        identity = caller.identity
        if identity is None or identity.is_host or identity.bot_name or identity.impersonator:
            return False
        local = {factor for factor in (await self._cluster.preference()).spec.factors if factor != "sso"}
        return local == {"webauthn"}

    async def require_for(self, caller: Caller, kind: str) -> None:
        """A change of a resource of this kind; one answer is good for a series of them."""
        if kind in GUARDED_KINDS:
            await self.require(caller, in_series=True)

    async def require(self, caller: Caller, *, in_series: bool = False) -> None:
        """Raises MfaRequired while no answer came with the call, AccessDenied for a wrong one.

        `in_series`: the answer may be one that was asked for to be used again.
        """
        if not await self.are_guarded(caller):
            return
        if not caller.mfa_answer:
            raise MfaRequired(_ASKED)
        response = _decoded(caller.mfa_answer)
        if response.webauthn_response is None:
            raise MfaRequired(_ASKED)
        await self._factors.check(caller, response, "admin_action", in_series=in_series)


def _decoded(header: str) -> MfaResponse:
    try:
        raw = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
        return msgspec.json.decode(raw, type=MfaResponse, dec_hook=read_json)
    except (ValueError, msgspec.DecodeError, RecursionError) as problem:
        raise BadParameter("the answer to the MFA challenge is malformed") from problem
