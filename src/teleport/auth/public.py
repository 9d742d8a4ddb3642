"""What the cluster says of itself: to strangers, to its users, to its administrators."""

from __future__ import annotations

from msgspec.structs import replace

from teleport.api.route import Empty
from teleport.api.routes.cluster import ClusterStatus, WhoAmI
from teleport.api.routes.public import (
    AuthSettings,
    ConnectorName,
    ConnectorSettings,
    Find,
    LocalLogin,
    MessageOfTheDay,
    Ping,
    ProxySettings,
    SshProxySettings,
    WebauthnSettings,
)
from teleport.auth.caller import Caller
from teleport.auth.cluster import Cluster
from teleport.auth.guard import Guard
from teleport.auth.second_factor import SecondFactors
from teleport.auth.sso.connectors import all_connectors
from teleport.foundation import durations
from teleport.foundation.errors import NotFound
from teleport.model.kinds import KINDS
from teleport.model.resources.cluster_auth_preference import LOCAL_CONNECTORS
from teleport.policy.certificate import certificate_terms
from teleport.policy.enforcement import unenforced

_VERBS = ("list", "read", "create", "update", "delete")


class Public:
    """Answers without secrets in them."""

    def __init__(self, cluster: Cluster, guard: Guard, factors: SecondFactors) -> None:
        self._cluster = cluster
        self._guard = guard
        self._factors = factors

    async def ping(self, caller: Caller, request: Empty) -> Ping:
        return Ping(
            auth=await self._auth_settings(),
            proxy=await self._proxy_settings(),
            server_version=self._cluster.settings.version,
            min_client_version=self._cluster.settings.min_client_version,
            cluster_name=self._cluster.name,
        )

    async def ping_connector(self, caller: Caller, request: ConnectorName) -> Ping:
        """As `ping`, of a login by this connector. Raises NotFound, naming those that are there."""
        answer = await self.ping(caller, Empty())
        if request.connector in LOCAL_CONNECTORS:
            auth = replace(answer.auth, type="local", local=LocalLogin(request.connector), oidc=None)
            return replace(answer, auth=auth)
        shown = next((one for one in answer.auth.connectors if one.name == request.connector), None)
        if shown is None:
            known = ", ".join([*LOCAL_CONNECTORS, *(one.name for one in answer.auth.connectors)])
            raise NotFound(f"connector {request.connector!r} is not found; there are: {known}")
        return replace(answer, auth=replace(answer.auth, type="oidc", oidc=shown))

    async def find(self, caller: Caller, request: Empty) -> Find:
        return Find(
            proxy=await self._proxy_settings(),
            server_version=self._cluster.settings.version,
            min_client_version=self._cluster.settings.min_client_version,
            cluster_name=self._cluster.name,
        )

    async def motd(self, caller: Caller, request: Empty) -> MessageOfTheDay:
        return MessageOfTheDay((await self._cluster.preference()).spec.message_of_the_day)

    async def status(self, caller: Caller, request: Empty) -> ClusterStatus:
        """Everybody with a certificate may read it: it holds public halves only."""
        return ClusterStatus(
            cluster=self._cluster.name,
            version=self._cluster.settings.version,
            authorities=await self._cluster.authorities.described(),
            ca_pins=await self._cluster.authorities.pins(),
            proxy_public_addr=self._cluster.settings.public_addr,
        )

    async def who_am_i(self, caller: Caller, request: Empty) -> WhoAmI:
        identity = caller.known()
        logins: tuple[str, ...] = ()
        missing: tuple[str, ...] = ()
        if caller.role_set is not None:
            logins = certificate_terms(caller.role_set, None).logins
            missing = tuple(unenforced(caller.role_set))
        allowed = {
            kind: verbs
            for kind in KINDS
            if (verbs := tuple(verb for verb in _VERBS if self._guard.may_list(caller, verb, kind).allowed))
        }
        return WhoAmI(
            username=identity.username,
            cluster=identity.cluster,
            roles=identity.roles,
            system_role=identity.system_role,
            traits=identity.traits,
            logins=logins,
            expires=identity.expires,
            allowed=allowed,
            unenforced=missing,
        )

    async def _auth_settings(self) -> AuthSettings:
        spec = (await self._cluster.preference()).spec
        allowed = await self._factors.allowed()
        party = await self._factors.party()
        connectors = tuple(
            ConnectorSettings(one.name, one.spec.display or one.name) for one in await all_connectors(self._cluster)
        )
        wanted = spec.connector_name if spec.type == "oidc" else ""
        default = next((one for one in connectors if not wanted or one.name == wanted), None)
        return AuthSettings(
            type=spec.type,
            second_factor=_older_word(spec.factors, spec.second_factor),
            second_factors=tuple(factor for factor in spec.factors if factor != "webauthn" or "webauthn" in allowed),
            preferred_local_mfa="webauthn" if "webauthn" in allowed else "otp",
            allow_passwordless=bool(spec.passwordless) and party is not None,
            allow_headless=bool(spec.headless),
            local=LocalLogin(name=spec.connector_name if spec.connector_name in LOCAL_CONNECTORS else "local"),
            oidc=default if spec.type == "oidc" else None,
            connectors=connectors,
            webauthn=WebauthnSettings(rp_id=party.id) if party is not None and "webauthn" in allowed else None,
            has_motd=bool(spec.message_of_the_day),
            default_session_ttl=durations.text(spec.default_session_ttl),
            signature_algorithm_suite=spec.signature_algorithm_suite or "balanced-v1",
        )

    async def _proxy_settings(self) -> ProxySettings:
        address = self._cluster.settings.public_addr
        timeout = (await self._cluster.networking()).spec.ssh_dial_timeout
        ssh = SshProxySettings(
            public_addr=address,
            ssh_tunnel_public_addr=address,
            dial_timeout=round(timeout.delta.total_seconds() * 1e9),
        )
        return ProxySettings(ssh=ssh)


def _older_word(factors: list[str], given: str) -> str:
    if given:
        return given
    local = [factor for factor in factors if factor != "sso"]
    return "on" if len(local) > 1 else (local[0] if local else "off")
