"""What clients, proxies and agents of ours say to each other before a connection goes raw.

Each is one frame (net.frames). Unknown fields are ignored so that versions may differ by one; cheap to import.
"""

from __future__ import annotations

import msgspec

PROTOCOL_VERSION = 1


class DialRequest(msgspec.Struct, tag="dial", kw_only=True, omit_defaults=True):
    """A client asks for a resource: by name, UUID or IP in `target`, or by `labels` when `target` is empty.

    `asks_mfa`: should a second factor be missing, the client wants to hear so and to come again with one. Such an
    answer is no refusal to be recorded.

    `resumption`: the secret token of a stream that may outlive this connection; `resumes`: it is there already.
    """

    version: int = PROTOCOL_VERSION
    kind: str = "node"
    target: str = ""
    port: int = 0
    login: str = ""
    cluster: str = ""
    protocol: str = "ssh"
    labels: dict[str, str] = {}
    trace_id: str = ""
    asks_mfa: bool = False
    resumption: str = ""
    resumes: bool = False


class Candidate(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One of several resources that a name matched: enough to choose by UUID."""

    name: str
    hostname: str = ""
    addr: str = ""
    labels: dict[str, str] = {}


class DialAnswer(msgspec.Struct, tag="dial_answer", kw_only=True, omit_defaults=True):
    """Allowed: the resource the client is now joined to. Refused: the error's code, its reason, the audit event.

    `cluster` and `resource_id` name the SSH host certificate's principal `resource_id.cluster` to expect.
    """

    allowed: bool
    resource_id: str = ""
    resource_name: str = ""
    cluster: str = ""
    code: str = ""
    message: str = ""
    event_id: str = ""
    candidates: list[Candidate] = []
    asks_key_agent: bool = False
    """The session is recorded by the proxy, which goes on with the person's own key agent."""


class AgentHello(msgspec.Struct, tag="agent_hello", kw_only=True, omit_defaults=True):
    """First on a control connection: which host, what it serves."""

    host_id: str
    cluster: str
    services: list[str] = msgspec.field(default_factory=lambda: ["node"])
    version: str = ""


class ProxyHello(msgspec.Struct, tag="proxy_hello", kw_only=True, omit_defaults=True):
    """The answer: `control_id` names this control connection on data connections; it cannot be guessed.

    The proxy closes data connections that are spare beyond `max_spares`.
    """

    proxy_id: str
    control_id: str
    proxies: list[str] = []
    max_spares: int = 2
    refused: str = ""


class IncomingRequest(msgspec.Struct, tag="incoming", kw_only=True, omit_defaults=True):
    """Who comes over a data connection and for what. A hint for logs and policy: the agent authenticates anew."""

    kind: str
    resource_id: str
    protocol: str = "ssh"
    login_hint: str = ""
    client_addr: str = ""
    user: str = ""
    trace_id: str = ""
    resumption: str = ""
    resumes: bool = False
    is_from_proxy: bool = False
    """The proxy itself is the client, for a session that it has admitted, records, moderates and tells of."""


class Connect(msgspec.Struct, tag="connect"):
    """Proxy to agent: open `count` more data connections."""

    count: int


class Assign(msgspec.Struct, tag="assign"):
    """Proxy to agent: data connection `data_id` now carries this request."""

    data_id: str
    request: IncomingRequest


class Ping(msgspec.Struct, tag="ping"):
    """Either side: answer with Pong."""


class Pong(msgspec.Struct, tag="pong"):
    """The answer to Ping."""


class Refuse(msgspec.Struct, tag="refuse"):
    """Agent to proxy: `data_id` will not be served."""

    data_id: str
    message: str = ""


class Goodbye(msgspec.Struct, tag="goodbye"):
    """Either side is draining: no new work on this control connection, running connections go on."""

    reason: str = ""


class DataHello(msgspec.Struct, tag="data_hello"):
    """First on a data connection: the control connection it belongs to, and the name the agent gave it."""

    host_id: str
    control_id: str
    data_id: str


class DataWelcome(msgspec.Struct, tag="data_welcome", omit_defaults=True):
    """The answer; afterwards both sides close TLS and the connection is raw, idle and spare."""

    refused: str = ""


FromProxy = Connect | Assign | Ping | Pong | Goodbye
FromAgent = Ping | Pong | Refuse | Goodbye
