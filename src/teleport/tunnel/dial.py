"""The client's side of a dial: TLS to the proxy, one question, one answer, and the same connection goes on raw."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import msgspec

from teleport.foundation.errors import Unavailable
from teleport.net import frames
from teleport.net.address import Address
from teleport.net.frame_stream import receive_one
from teleport.net.handoff import HandedOff
from teleport.net.sockets import CONNECT_TIMEOUT, ConnectProxy, connect
from teleport.net.tls import TlsConnection
from teleport.tunnel.messages import DialAnswer, DialRequest
from teleport.wire.errors import RemoteProtocolError
from teleport.wire.tls_names import PROXY_SERVER_NAME

ANSWER_TIMEOUT = 30.0

_ANSWER = msgspec.json.Decoder(DialAnswer)


@dataclass(slots=True)
class Dialed:
    """The proxy's answer and, when it is `allowed`, the raw connection to the resource."""

    answer: DialAnswer
    connection: HandedOff | None


async def dial(
    proxy: Address,
    request: DialRequest,
    context: ssl.SSLContext,
    *,
    server_name: str = PROXY_SERVER_NAME,
    http_proxy: ConnectProxy | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    answer_timeout: float = ANSWER_TIMEOUT,
) -> Dialed:
    """Ask `proxy` for a resource. `context` offers ALPN `wire.tls_names.ALPN_DIAL` alone and has our certificate.

    A refusal is an answer. Raises Unavailable when the proxy cannot be reached or is late, NotAuthenticated when one
    side does not accept the other's certificate.
    """
    sock = await connect(proxy, timeout=connect_timeout, proxy=http_proxy)
    tls = await TlsConnection.connect(sock, context, server_name, timeout=connect_timeout)
    try:
        return await _ask(tls, request, answer_timeout)
    except RemoteProtocolError as problem:
        tls.abort()
        raise Unavailable(f"proxy {proxy}: {problem}") from problem
    except BaseException:
        tls.abort()
        raise


async def _ask(tls: TlsConnection, request: DialRequest, timeout: float) -> Dialed:
    await tls.write(frames.encode(request))
    answer = await receive_one(tls, _ANSWER, timeout=timeout)
    if answer.allowed:
        return Dialed(answer, await tls.unwrap(timeout=timeout))
    await tls.close()
    return Dialed(answer, None)
