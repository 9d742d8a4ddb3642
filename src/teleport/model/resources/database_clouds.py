"""What a database's cloud says of it."""

from __future__ import annotations

from teleport.model.resource import Model
from teleport.model.values import Flag, StringList


class Redshift(Model):
    cluster_id: str = ""


class RDS(Model):
    instance_id: str = ""
    cluster_id: str = ""
    resource_id: str = ""
    iam_auth: Flag = False
    subnets: StringList = []
    vpc_id: str = ""
    security_groups: StringList = []


class RDSProxy(Model):
    name: str = ""
    custom_endpoint_name: str = ""
    resource_id: str = ""


class ElastiCache(Model):
    replication_group_id: str = ""
    user_group_ids: StringList = []
    transit_encryption_enabled: Flag = False
    endpoint_type: str = ""


class MemoryDB(Model):
    cluster_name: str = ""
    acl_name: str = ""
    tls_enabled: Flag = False
    endpoint_type: str = ""


class RedshiftServerless(Model):
    workgroup_name: str = ""
    endpoint_name: str = ""
    workgroup_id: str = ""


class OpenSearchDomain(Model):
    domain_name: str = ""
    domain_id: str = ""
    endpoint_type: str = ""


class DocumentDB(Model):
    cluster_id: str = ""
    instance_id: str = ""
    endpoint_type: str = ""


class SecretStore(Model):
    key_prefix: str = ""
    kms_key_id: str = ""


class DatabaseAWS(Model):
    region: str = ""
    account_id: str = ""
    assume_role_arn: str = ""
    external_id: str = ""
    redshift: Redshift | None = None
    rds: RDS | None = None
    rdsproxy: RDSProxy | None = None
    elasticache: ElastiCache | None = None
    memorydb: MemoryDB | None = None
    redshift_serverless: RedshiftServerless | None = None
    opensearch: OpenSearchDomain | None = None
    docdb: DocumentDB | None = None
    secret_store: SecretStore | None = None
    session_tags: dict[str, str] = {}
    iam_policy_status: str = ""


class AzureRedis(Model):
    clustering_policy: str = ""


class DatabaseAzure(Model):
    name: str = ""
    resource_id: str = ""
    redis: AzureRedis | None = None
    is_flexi_server: Flag = False


class DatabaseGCP(Model):
    project_id: str = ""
    instance_id: str = ""
