"""Database, the heartbeat of an agent that serves it, and the database service itself."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import msgspec

from teleport.model.resource import Model, Resource, one_of, require
from teleport.model.resources.database_clouds import DatabaseAWS, DatabaseAzure, DatabaseGCP
from teleport.model.resources.heartbeat import CommandLabel, Heartbeat, check_command_labels, merged
from teleport.model.values import Flag, LabelSelector

PROTOCOLS = (
    "postgres", "mysql", "mongodb", "oracle", "cockroachdb", "redis", "snowflake", "cassandra", "sqlserver",
    "elasticsearch", "opensearch", "dynamodb", "clickhouse", "clickhouse-http", "spanner",
)  # fmt: skip
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z", re.IGNORECASE)


class DatabaseTLS(Model):
    """`mode` empty: verify-full."""

    mode: Literal["", "verify-full", "verify-ca", "insecure"] = ""
    ca_cert: str = ""
    server_name: str = ""
    trust_system_cert_pool: Flag = False


class MySQLOptions(Model):
    server_version: str = ""


class ActiveDirectory(Model):
    keytab_file: str = ""
    krb5_file: str = ""
    domain: str = ""
    spn: str = ""
    ldap_cert: str = ""
    kdc_host_name: str = ""
    ldap_service_account_name: str = ""
    ldap_service_account_sid: str = ""


class AdminUser(Model):
    """The account that creates and removes database users."""

    name: str = ""
    default_database: str = ""


class OracleOptions(Model):
    audit_user: str = ""
    retry_count: int = 0
    shuffle_hostnames: Flag = False


class MongoAtlas(Model):
    name: str = ""


class DatabaseSpec(Model):
    protocol: str = ""
    uri: str = ""
    dynamic_labels: dict[str, CommandLabel] = {}
    ca_cert: str = ""
    tls: DatabaseTLS | None = None
    mysql: MySQLOptions | None = None
    ad: ActiveDirectory | None = None
    admin_user: AdminUser | None = None
    oracle: OracleOptions | None = None
    mongo_atlas: MongoAtlas | None = None
    aws: DatabaseAWS | None = None
    azure: DatabaseAzure | None = None
    gcp: DatabaseGCP | None = None


class DatabaseStatus(Model):
    """What agents found out."""

    ca_cert: str = ""
    mysql: MySQLOptions | None = None
    aws: DatabaseAWS | None = None
    azure: DatabaseAzure | None = None


class Database(Resource):
    KIND: ClassVar[str] = "db"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"

    spec: DatabaseSpec = msgspec.field(default_factory=DatabaseSpec)
    status: DatabaseStatus | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Static and dynamic labels together."""
        return merged(self.metadata.labels, self.spec.dynamic_labels)

    def check_spec(self) -> None:
        name_is_fine = len(self.metadata.name) <= 63 and _NAME.match(self.metadata.name)
        require(name_is_fine, "metadata.name must start with a letter and hold only letters, digits and -")
        one_of(self.spec.protocol, PROTOCOLS, "spec.protocol")
        is_found_elsewhere = (
            self.spec.protocol in ("dynamodb", "cassandra", "opensearch") and self.spec.aws is not None
        )
        require(self.spec.uri or is_found_elsewhere, "spec.uri is missing")
        check_command_labels(self.spec.dynamic_labels, "spec.dynamic_labels")


class DatabaseServerSpec(Heartbeat, kw_only=True):
    database: Database


class DatabaseServer(Resource):
    """Its key is `<host id>/<name>`."""

    KIND: ClassVar[str] = "db_server"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"
    KEY_HAS_PREFIX: ClassVar[bool] = True

    spec: DatabaseServerSpec

    @property
    def key(self) -> str:
        return f"{self.spec.host_id}/{self.metadata.name}"

    @property
    def labels(self) -> dict[str, str]:
        """Those of the database."""
        return self.spec.database.labels

    def check_spec(self) -> None:
        self.spec.check()
        self.spec.database.check()


class ResourceMatcher(Model):
    labels: LabelSelector = {}


class DatabaseServiceSpec(Model):
    """Which databases the agent serves."""

    resources: list[ResourceMatcher] = []
    hostname: str = ""


class DatabaseService(Resource):
    KIND: ClassVar[str] = "db_service"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: DatabaseServiceSpec = msgspec.field(default_factory=DatabaseServiceSpec)
