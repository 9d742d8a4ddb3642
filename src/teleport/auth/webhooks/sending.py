"""One message to one webhook: signed, bounded in time, to where the configuration says and nowhere else."""

from __future__ import annotations

import asyncio

from teleport.auth.webhooks.hooks import Webhook
from teleport.credentials import tls_contexts
from teleport.credentials.webhook_signatures import sign
from teleport.foundation.errors import Unavailable
from teleport.net.http_client import HttpClient

ID_HEADER = "teleport-webhook-id"
TIME_HEADER = "teleport-webhook-timestamp"
SIGNATURE_HEADER = "teleport-webhook-signature"
_TIMEOUT = 10.0


async def send(hook: Webhook, message_id: str, timestamp: int, body: bytes) -> None:
    """Returns once the other side has said 2xx. Anything else, a redirect too, is Unavailable."""
    where = hook.destination
    assert where is not None
    await where.check_reachable()
    tls = tls_contexts.system_client_context([hook.ca_cert] if hook.ca_cert else []) if where.is_tls else None
    client = HttpClient(where.address, tls=tls, connect_timeout=_TIMEOUT)
    headers = {
        "content-type": "application/json",
        "user-agent": "teleport-webhook",
        ID_HEADER: message_id,
        TIME_HEADER: str(timestamp),
        SIGNATURE_HEADER: sign(hook.secret, message_id, timestamp, body),
    }
    try:
        async with asyncio.timeout(_TIMEOUT), client.stream("POST", where.target, headers, body) as answer:
            status = answer.status  # what it says besides is not read: it is a stranger's
    except TimeoutError:
        raise Unavailable(f"no answer in {_TIMEOUT:g} s") from None
    finally:
        await client.close()
    if not 200 <= status < 300:
        raise Unavailable(f"answered with status {status}")
