"""A second factor for one session: proved on the terminal, for certificates of a minute that never leave memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teleport.client import mfa, prompt
from teleport.client.account import Account, SshTexts
from teleport.client.dialer import Reached, Wanted, dial
from teleport.client.tls import TlsTexts
from teleport.foundation.errors import MfaRequired, Unsupported

if TYPE_CHECKING:
    from teleport.api.routes.mfa import MfaResponse
    from teleport.api.sync_client import SyncClient
    from teleport.client.prompt import Conversation


def reach(account: Account, wanted: Wanted, mode: str = "auto") -> tuple[Account, Reached]:
    """The connection, and the account it was made as: one with a proved second factor where one is needed."""
    try:
        return account, dial(account, wanted)
    except MfaRequired:
        return reach_proven(account, wanted, mode)


def reach_proven(account: Account, wanted: Wanted, mode: str = "auto") -> tuple[Account, Reached]:
    """After the proxy has asked for a second factor."""
    proven = prove(account, wanted, mode)
    return proven, dial(proven, wanted._replace(asks_mfa=False))


def prove(
    account: Account, wanted: Wanted, mode: str = "auto", ssh_key: str = "", asking: Conversation | None = None
) -> Account:
    """The account with certificates for one session. `ssh_key`: the private key to certify, else a fresh one.

    `asking` is who is asked, otherwise whoever sits at the terminal.
    """
    from teleport.api.routes import certificates as routes
    from teleport.client import api_access, login, login_record
    from teleport.credentials.keys import PrivateKey

    tls = PrivateKey.generate("ecdsa-p256")
    ssh = PrivateKey.from_pem(ssh_key) if ssh_key else PrivateKey.generate("ed25519")
    with api_access.connect(account) as client:
        proof = respond(client, "session", f"https://{account.address}", mode, asking or prompt.ON_TERMINAL)
        request = routes.IssueCertificates(
            ssh_public_key=ssh.public.ssh().encode(),
            tls_public_key=tls.public.pem.encode(),
            target=wanted.name,
            mfa_response=proof,
        )
        issued = client.call(routes.ISSUE, request)
    certificate = issued.tls_certificate.decode()
    lines = login.known_hosts_lines(account.host, issued.host_signers)
    authorities = [pem.decode() for signer in issued.host_signers for pem in signer.tls_certs]
    return account.holding(
        login_record.of_certificate(certificate),
        TlsTexts(certificate, tls.pem(), authorities),
        SshTexts(ssh_key or ssh.ssh_pem(), issued.ssh_certificate.decode(), tuple(lines)),
    )


def respond(
    client: SyncClient, scope: str, origin: str, mode: str, asking: Conversation, *, in_series: bool = False
) -> MfaResponse:
    """The answer to a challenge of this scope. Raises Unsupported when the user has no device to answer with."""
    import msgspec

    from teleport.api.routes import mfa as routes

    challenge = client.call(routes.CHALLENGE, routes.ChallengeRequest(scope=scope, allow_reuse=in_series))
    key = bytes(challenge.webauthn_challenge) if challenge.webauthn_challenge else None
    if key is None and not challenge.totp_challenge:
        raise Unsupported("a second factor is needed and you have no device for it: add one with `tsh mfa add`")
    answer = mfa.answer_challenge(
        totp=challenge.totp_challenge, webauthn=key, origin=origin, mode=mode, asking=asking
    )
    return routes.MfaResponse(
        totp_code=answer.totp_code, webauthn_response=msgspec.Raw(answer.webauthn) if answer.webauthn else None
    )
