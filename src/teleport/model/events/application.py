"""Events of applications and MCP servers."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from teleport.model.events.base import SessionEvent, variant


class ApplicationEvent(SessionEvent):
    app_name: str = ""
    app_uri: str = ""
    app_public_addr: str = ""
    app_labels: dict[str, str] = {}
    app_target_port: int = 0


class ApplicationSessionStarted(ApplicationEvent):
    """A web session was opened or a certificate issued."""

    type: ClassVar[str] = "app.session.start"
    code: ClassVar[str] = "T2007I"

    public_addr: str = ""


class ApplicationSessionFailed(ApplicationSessionStarted):
    code = "T2007E"


class ApplicationSessionChunk(ApplicationEvent):
    """Every five minutes; names the recording with the requests."""

    type: ClassVar[str] = "app.session.chunk"
    code: ClassVar[str] = "T2008I"

    session_chunk_id: str = ""


class ApplicationRequested(ApplicationEvent):
    """In recordings only."""

    type: ClassVar[str] = "app.session.request"
    code: ClassVar[str] = "T2009I"

    status_code: int = 0
    path: str = ""
    raw_query: str = ""
    method: str = ""
    aws_region: str = ""
    aws_service: str = ""
    aws_host: str = ""
    aws_assumed_role: str = ""


class ApplicationSessionEnded(ApplicationEvent):
    """Of TCP applications."""

    type: ClassVar[str] = "app.session.end"
    code: ClassVar[str] = "T2011I"

    session_start: datetime | None = None
    session_stop: datetime | None = None


class ApplicationDynamoDBRequested(ApplicationRequested):
    type = "app.session.dynamodb.request"
    code = "T2013I"

    target: str = ""
    body: object = None


class MCPEvent(ApplicationEvent):
    jsonrpc: str = ""
    id: str = ""
    method: str = ""
    params: object = None
    status: str = ""
    headers: dict[str, object] = {}
    path: str = ""
    body: str = ""


MCP: tuple[type[MCPEvent], ...] = tuple(
    variant(MCPEvent, name, f"mcp.session.{verb}", f"TMCP{code}")
    for name, verb, code in (
        ("MCPSessionStarted", "start", "001I"),
        ("MCPSessionEnded", "end", "002I"),
        ("MCPSessionEndFailed", "end", "002E"),
        ("MCPRequested", "request", "003I"),
        ("MCPRequestFailed", "request", "003E"),
        ("MCPNotified", "notification", "004I"),
        ("MCPNotificationFailed", "notification", "004E"),
        ("MCPStreamListened", "listen_sse_stream", "005I"),
        ("MCPStreamFailed", "listen_sse_stream", "005E"),
        ("MCPInvalidRequest", "invalid_http_request", "006E"),
    )
)
