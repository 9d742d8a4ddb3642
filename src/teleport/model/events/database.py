"""Events of database sessions."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from teleport.model.events.base import SessionEvent, variant


class DatabaseEvent(SessionEvent):
    db_service: str = ""
    db_protocol: str = ""
    db_uri: str = ""
    db_name: str = ""
    db_user: str = ""
    db_labels: dict[str, str] = {}
    db_type: str = ""
    db_origin: str = ""
    db_roles: list[str] = []
    db_aws_region: str = ""
    db_aws_redshift_cluster_id: str = ""
    db_gcp_project_id: str = ""
    db_gcp_instance_id: str = ""


class DatabaseSessionStarted(DatabaseEvent):
    type: ClassVar[str] = "db.session.start"
    code: ClassVar[str] = "TDB00I"

    postgres_pid: int = 0


class DatabaseSessionDenied(DatabaseSessionStarted):
    code = "TDB00W"


class DatabaseSessionEnded(DatabaseEvent):
    type: ClassVar[str] = "db.session.end"
    code: ClassVar[str] = "TDB01I"

    session_start: datetime | None = None
    session_stop: datetime | None = None
    participants: list[str] = []


class DatabaseQueried(DatabaseEvent):
    type: ClassVar[str] = "db.session.query"
    code: ClassVar[str] = "TDB02I"

    db_query: str = ""
    db_query_parameters: list[str] = []


class DatabaseQueryFailed(DatabaseQueried):
    type = "db.session.query.failed"
    code = "TDB02W"


class DatabaseMalformedPacket(DatabaseEvent):
    type: ClassVar[str] = "db.session.malformed_packet"
    code: ClassVar[str] = "TDB06I"

    payload: str = ""


class DatabasePermissionsUpdated(DatabaseEvent):
    type: ClassVar[str] = "db.session.permissions.update"
    code: ClassVar[str] = "TDB07I"

    permission_summary: list[dict[str, object]] = []
    affected_object_counts: dict[str, int] = {}


class DatabaseUserCreated(DatabaseEvent):
    type: ClassVar[str] = "db.session.user.create"
    code: ClassVar[str] = "TDB08I"

    username: str = ""
    roles: list[str] = []


class DatabaseUserCreationFailed(DatabaseUserCreated):
    code = "TDB08W"


class DatabaseUserDeactivated(DatabaseEvent):
    type: ClassVar[str] = "db.session.user.deactivate"
    code: ClassVar[str] = "TDB09I"

    username: str = ""
    delete: bool = False


class DatabaseUserDeactivationFailed(DatabaseUserDeactivated):
    code = "TDB09W"


class DatabaseResult(DatabaseEvent):
    """Of a query; in recordings only."""

    type: ClassVar[str] = "db.session.result"
    code: ClassVar[str] = "TDB10I"

    affected_records: int = 0


class DatabaseStatement(DatabaseEvent):
    """One message of a wire protocol."""

    statement_name: str = ""
    statement_id: int = 0
    portal_name: str = ""
    query: str = ""
    parameters: list[str] = []
    function_oid: int = 0
    function_args: list[str] = []
    parameter_id: int = 0
    data_size: int = 0
    rows_count: int = 0
    schema_name: str = ""
    process_id: int = 0
    subcommand: str = ""
    proc_name: str = ""
    procedure: str = ""
    args: dict[str, object] = {}
    keyspace: str = ""
    consistency: str = ""
    batch_type: str = ""
    children: list[dict[str, object]] = []
    event_types: list[str] = []
    category: int = 0
    method: str = ""
    path: str = ""
    raw_query: str = ""
    target: str = ""
    body: object = None
    headers: dict[str, object] = {}
    status_code: int = 0


def _series(prefix: str, verbs: tuple[str, ...], code: str, first: int) -> tuple[type[DatabaseStatement], ...]:
    return tuple(
        variant(
            DatabaseStatement, "".join(part.title() for part in verb.split(".")), f"{prefix}.{verb}", code % number
        )
        for number, verb in enumerate(verbs, first)
    )


POSTGRES = _series(
    "db.session.postgres",
    ("statements.parse", "statements.bind", "statements.execute", "statements.close", "function"),
    "TPG%02dI",
    0,
)
MYSQL = _series(
    "db.session.mysql",
    (
        "statements.prepare", "statements.execute", "statements.send_long_data", "statements.close",
        "statements.reset", "statements.fetch", "statements.bulk_execute", "init_db", "create_db", "drop_db",
        "shut_down", "process_kill", "debug", "refresh",
    ),
    "TMY%02dI",
    0,
)  # fmt: skip
SQLSERVER = _series("db.session.sqlserver", ("rpc_request",), "TMS%02dI", 0)
CASSANDRA = _series("db.session.cassandra", ("batch", "prepare", "execute", "register"), "TCA%02dI", 1)
REQUESTS: tuple[type[DatabaseStatement], ...] = tuple(
    variant(DatabaseStatement, f"{name}Request{outcome}", f"db.session.{product}", f"{code}{letter}")
    for name, product, code, bad in (
        ("Elasticsearch", "elasticsearch.request", "TES00", "E"),
        ("OpenSearch", "opensearch.request", "TOS00", "E"),
        ("DynamoDB", "dynamodb.request", "TDY01", "E"),
        ("Spanner", "spanner.rpc", "TSPN001", "W"),
    )
    for outcome, letter in (("", "I"), ("Failed", bad))
)
