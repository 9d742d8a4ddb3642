"""Asking for access from a client: waiting for the decision, and taking it on in the certificates of the profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from teleport.api.routes import access_requests as routes
from teleport.api.routes import certificates
from teleport.api.routes.login import LoginGranted
from teleport.api.sync_client import SyncClient
from teleport.client import api_access, key_agent, login, login_record
from teleport.client.account import Account
from teleport.client.profile import ProfileStore
from teleport.credentials.keys import PrivateKey
from teleport.foundation.clock import SystemClock
from teleport.foundation.errors import BadParameter, TeleportError
from teleport.model.codec import decode_json
from teleport.model.resources.access_request import AccessRequest

_WAIT = timedelta(seconds=20)
_WATCHED = timedelta(seconds=2)


def wait_for_decision(
    client: SyncClient, name: str, watch: Callable[[AccessRequest], None] | None = None
) -> AccessRequest:
    """Until it is no longer pending. Raises NotFound when it ends undecided. `watch` sees it every few seconds."""
    wait = _WAIT if watch is None else _WATCHED
    while True:
        shown = client.call(routes.GET, routes.GetAccessRequest(id=name, wait=wait))
        request = decode_json(shown.request, AccessRequest)
        if watch is not None:
            watch(request)
        if request.spec.state != "PENDING":
            return request


def narrowing(client: SyncClient, account: Account) -> tuple[str, ...]:
    """The requests in the account's certificate that narrow it to resources: another one can only replace them."""
    if not account.record.allowed_resources:
        return ()
    shown = [client.call(routes.GET, routes.GetAccessRequest(id=name)) for name in account.record.active_requests]
    found = [decode_json(one.request, AccessRequest) for one in shown]
    return tuple(one.name for one in found if one.spec.requested_resource_ids)


def may_ask(account: Account, mode: str) -> bool:
    """Whether there is anything that could be asked for: `resource` by searching, `role` by name."""
    if account.profile is None:
        return False
    try:
        with api_access.connect(account) as client:
            able = client.call(routes.CAPABILITIES, routes.AskCapabilities())
    except TeleportError:
        return False
    return bool(able.search_as_roles if mode == "resource" else able.requestable_roles)


def wait_for_start(request: AccessRequest, sleep: Callable[[float], None]) -> None:
    """Until it may be assumed, where that is soon."""
    start = request.spec.assume_start_time
    left = (start - SystemClock().now()).total_seconds() if start else 0.0
    if left > 0:
        sleep(left)


def reissue(account: Account, assume: Sequence[str] = (), drop: Sequence[str] = (), agent: str = "auto") -> None:
    """New keys and certificates for the profile, with these requests and without those (`*`: all)."""
    profile = account.profile
    if profile is None:
        raise BadParameter("an identity file cannot take on access requests; use a login of tsh")
    tls_key, ssh_key = PrivateKey.generate("ecdsa-p256"), PrivateKey.generate("ed25519")
    wanted = certificates.IssueCertificates(
        ssh_public_key=ssh_key.public.ssh().encode(),
        tls_public_key=tls_key.public.pem.encode(),
        access_requests=tuple(assume),
        drop_access_requests=tuple(drop),
    )
    with api_access.connect(account) as client:
        issued = client.call(certificates.ISSUE, wanted)
    granted = LoginGranted(
        username=issued.username,
        cert=issued.ssh_certificate,
        tls_cert=issued.tls_certificate,
        host_signers=issued.host_signers,
        expires=issued.expires,
    )
    credentials = login.Credentials(ssh_key, tls_key, granted)
    paths = ProfileStore(account.home).paths(profile)
    record = login.record_of(credentials)
    login.write_keys(paths, credentials, record.cluster)
    login_record.save(paths, record)
    key_agent.add_login(paths, profile, agent)
