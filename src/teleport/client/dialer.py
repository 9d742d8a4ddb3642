"""Dialling a resource: TLS to the proxy, a DialRequest and its answer, then the same TCP connection goes on raw.

The messages are those of tunnel.messages, written and read as plain JSON because this module starts within a
`ProxyCommand` and may import the standard library alone; a test holds both forms together.
"""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any, NamedTuple, Protocol

from teleport.client.connect import connect
from teleport.client.profile import DIAL_TIMEOUT, join_address
from teleport.client.tls import explain
from teleport.foundation.errors import BadParameter, TeleportError, Unavailable, from_code
from teleport.wire.tls_names import ALPN_DIAL, PROXY_SERVER_NAME

_MAX_FRAME = 64 * 1024
_READ = 64 * 1024
_RECORD_HEADER = 5
_MARGIN = 5.0
"""Longer than the proxy, which says what it waited for in vain."""


class Wanted(NamedTuple):
    """What to dial: `name` is a host name, UUID or IP; where it is empty, `labels` choose.

    `resumption`: the secret token of a stream that may outlive the connection; `resumes`: it is there already.
    `asks_mfa`: should a second factor be missing, we will come again with one (raises MfaRequired).
    """

    name: str
    login: str = ""
    port: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    cluster: str = ""
    kind: str = "node"
    protocol: str = "ssh"
    trace_id: str = ""
    asks_mfa: bool = True
    resumption: str = ""
    resumes: bool = False


class Reached(NamedTuple):
    """The raw connection, blocking, not one byte read from it, and what it leads to."""

    sock: socket.socket
    resource_id: str
    resource_name: str
    cluster: str
    asks_key_agent: bool = False
    """The proxy records the session, and goes on to the server with our own key agent."""
    patience: float = DIAL_TIMEOUT + _MARGIN
    """Seconds for the server to let us in: the proxy may have yet to reach it."""

    @property
    def principal(self) -> str:
        """What the agent's SSH host certificate must be for."""
        return f"{self.resource_id}.{self.cluster}"


class Candidate(NamedTuple):
    """One of several resources that a name fits."""

    name: str
    hostname: str
    addr: str
    labels: dict[str, str]


class Ambiguous(BadParameter):
    """A name fits several resources; `candidates` tell them apart."""

    def __init__(self, message: str, candidates: list[Candidate], event_id: str = "") -> None:
        super().__init__(message, event_id=event_id)
        self.candidates = candidates


class Dialling(Protocol):
    """Who dials, as this module needs to know it."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def dial_timeout(self) -> float: ...

    def tls_context(self, alpn: str) -> ssl.SSLContext: ...


def dial(account: Dialling, wanted: Wanted, context: ssl.SSLContext | None = None) -> Reached:
    """Raises what the proxy refused with, Ambiguous, NotAuthenticated or Unavailable."""
    address = join_address(account.host, account.port)
    context = context or account.tls_context(ALPN_DIAL)
    sock = connect(account.host, account.port)
    try:
        tls = TlsOverSocket(sock, context, PROXY_SERVER_NAME)
        tls.handshake()
        tls.send(encode_request(wanted))
        patience = account.dial_timeout + _MARGIN
        sock.settimeout(patience)
        answer = decode_answer(tls.receive_frame())
        tls.leave()
    except ssl.SSLError as problem:
        sock.close()
        raise explain(problem, address) from problem
    except TimeoutError as problem:
        sock.close()
        raise Unavailable(f"{address} did not answer in time") from problem
    except OSError as problem:
        sock.close()
        raise Unavailable(f"{address} closed the connection: {problem.strerror or problem}") from problem
    except BaseException:
        sock.close()
        raise
    sock.settimeout(None)
    return Reached(sock, *answer, patience)


class TlsOverSocket:
    """A TLS client in memory over a blocking socket, so that the connection can be had back afterwards."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_name: str) -> None:
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._plain = b""

    def handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self._exchange()

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def receive_frame(self) -> bytes:
        """The body of one frame. Raises Unavailable when it is too large or the other side leaves."""
        size = int.from_bytes(self._exactly(4), "big")
        if size > _MAX_FRAME:
            raise Unavailable(f"the proxy announced an answer of {size} bytes")
        return self._exactly(size)

    def leave(self) -> None:
        """Close TLS both ways. Record by record, so that what follows stays in the socket for its next owner."""
        while True:
            try:
                self._tls.unwrap()
                break
            except ssl.SSLWantReadError:
                self._flush()
                header = self._receive(_RECORD_HEADER)
                self._incoming.write(header + self._receive(int.from_bytes(header[3:5], "big")))
        self._flush()
        if self._incoming.pending:
            raise Unavailable("the proxy went on too early")

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._sock.recv(count - len(data))
            if not piece:
                raise Unavailable("the proxy closed the connection")
            data += piece
        return data

    def _exactly(self, count: int) -> bytes:
        while len(self._plain) < count:
            try:
                piece = self._tls.read(_READ)
            except ssl.SSLWantReadError:
                self._exchange()
                continue
            if not piece:
                raise Unavailable("the proxy closed the connection without an answer")
            self._plain += piece
        taken, self._plain = self._plain[:count], self._plain[count:]
        return taken

    def _exchange(self) -> None:
        self._flush()
        data = self._sock.recv(_READ)
        if not data:
            raise Unavailable("the proxy closed the connection")
        self._incoming.write(data)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._sock.sendall(self._outgoing.read())


def encode_request(wanted: Wanted) -> bytes:
    """A frame with a DialRequest."""
    body = json.dumps(
        {
            "type": "dial",
            "version": 1,
            "kind": wanted.kind,
            "target": wanted.name,
            "port": wanted.port,
            "login": wanted.login,
            "cluster": wanted.cluster,
            "protocol": wanted.protocol,
            "labels": dict(wanted.labels),
            "trace_id": wanted.trace_id,
            "asks_mfa": wanted.asks_mfa,
            **({"resumption": wanted.resumption, "resumes": wanted.resumes} if wanted.resumption else {}),
        }
    ).encode()
    if len(body) > _MAX_FRAME:
        raise BadParameter(f"the request to dial is {len(body)} bytes long")
    return len(body).to_bytes(4, "big") + body


def decode_answer(body: bytes) -> tuple[str, str, str, bool]:
    """Resource id, name and cluster of an allowed dial, and whether a key agent is asked for; raises a refusal."""
    try:
        answer = json.loads(body)
        if answer["allowed"] is True:
            name, asks = str(answer.get("resource_name", "")), bool(answer.get("asks_key_agent", False))
            return str(answer["resource_id"]), name, str(answer["cluster"]), asks
        raise _refusal(answer)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise Unavailable("the proxy's answer is not understood") from problem


def _refusal(answer: dict[str, object]) -> TeleportError:
    message, event_id = str(answer.get("message") or "access denied"), str(answer.get("event_id", ""))
    found = answer.get("candidates")
    if isinstance(found, list) and found:
        candidates = [_candidate(item) for item in found]
        return Ambiguous(message, candidates, event_id)
    return from_code(str(answer.get("code", "")), message, event_id)


def _candidate(item: dict[str, Any]) -> Candidate:
    labels = {str(key): str(value) for key, value in dict(item.get("labels") or {}).items()}
    return Candidate(str(item["name"]), str(item.get("hostname", "")), str(item.get("addr", "")), labels)
