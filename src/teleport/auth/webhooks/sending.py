"""One message to one webhook: signed, bounded in time, to where the configuration says and nowhere else."""

from __future__ import annotations

import asyncio
import socket

from teleport.auth.webhooks.hooks import Webhook, is_reachable
from teleport.credentials import tls_contexts
from teleport.credentials.webhook_signatures import sign
from teleport.foundation.errors import AccessDenied, Unavailable
from teleport.net.http_client import HttpClient

ID_HEADER = "teleport-webhook-id"
TIME_HEADER = "teleport-webhook-timestamp"
SIGNATURE_HEADER = "teleport-webhook-signature"
_TIMEOUT = 10.0


async def send(hook: Webhook, message_id: str, timestamp: int, body: bytes) -> None:
    """Returns once the other side has said 2xx. Anything else, a redirect too, is Unavailable."""
    assert hook.address is not None
    await _check_addresses(hook)
    tls = tls_contexts.system_client_context([hook.ca_cert] if hook.ca_cert else []) if hook.is_tls else None
    client = HttpClient(hook.address, tls=tls, connect_timeout=_TIMEOUT)
    headers = {
        "content-type": "application/json",
        "user-agent": "teleport-webhook",
        ID_HEADER: message_id,
        TIME_HEADER: str(timestamp),
        SIGNATURE_HEADER: sign(hook.secret, message_id, timestamp, body),
    }
    try:
        async with asyncio.timeout(_TIMEOUT), client.stream("POST", hook.target, headers, body) as answer:
            status = answer.status  # what it says besides is not read: it is a stranger's
    except TimeoutError:
        raise Unavailable(f"no answer in {_TIMEOUT:g} s") from None
    finally:
        await client.close()
    if not 200 <= status < 300:
        raise Unavailable(f"answered with status {status}")


async def _check_addresses(hook: Webhook) -> None:
    assert hook.address is not None
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            hook.address.host, hook.address.port, type=socket.SOCK_STREAM
        )
    except OSError as problem:
        raise Unavailable(f"{hook.address.host} is not found: {problem.strerror or problem}") from problem
    for *_, address in found:
        if not is_reachable(str(address[0]), is_here=hook.is_here):
            raise AccessDenied(f"{hook.address.host} leads to {address[0]}, where no webhook goes")
