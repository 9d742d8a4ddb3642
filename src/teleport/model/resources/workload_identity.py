"""Workload identity: who a program is, by rules over its attributes; trust in other SPIFFE domains."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Duration, Instant, StringList, utc


class X509Subject(Model):
    common_name: str = ""
    organization: str = ""
    organizational_unit: str = ""


class WorkloadX509(Model):
    dns_sans: StringList = []
    subject_template: X509Subject | None = None
    maximum_ttl: Duration | None = None


class WorkloadJWT(Model):
    maximum_ttl: Duration | None = None
    extra_claims: dict[str, str] = {}


class WorkloadSPIFFE(Model):
    """`id` is a path template, `/...`."""

    id: str = ""
    hint: str = ""
    x509: WorkloadX509 | None = None
    jwt: WorkloadJWT | None = None
    ttl: Duration | None = None


class Equality(Model):
    value: str = ""


class Members(Model):
    values: StringList = []


class Condition(Model):
    """`eq`, `not_eq`, `in` and `not_in`: one of them."""

    attribute: str = ""
    equals: str = ""
    eq: Equality | None = None
    not_eq: Equality | None = None
    in_: Members | None = msgspec.field(name="in", default=None)
    not_in: Members | None = None


class AllowRule(Model):
    conditions: list[Condition] = []
    expression: str = ""


class WorkloadRules(Model):
    allow: list[AllowRule] = []


class WorkloadIdentitySpec(Model):
    spiffe: WorkloadSPIFFE | None = None
    rules: WorkloadRules | None = None


class WorkloadIdentity(Resource):
    KIND: ClassVar[str] = "workload_identity"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: WorkloadIdentitySpec = msgspec.field(default_factory=WorkloadIdentitySpec)

    def check_spec(self) -> None:
        spiffe = self.spec.spiffe
        require(spiffe and spiffe.id.startswith("/"), "spec.spiffe.id must be a path that begins with /")


class X509RevocationSpec(Model):
    """The certificate's serial number is the name."""

    reason: str = ""
    revoked_at: Instant | None = None


class X509Revocation(Resource):
    KIND: ClassVar[str] = "workload_identity_x509_revocation"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: X509RevocationSpec = msgspec.field(default_factory=X509RevocationSpec)

    def check_spec(self) -> None:
        self.spec.revoked_at = utc(self.spec.revoked_at, "spec.revoked_at")


class StaticBundle(Model):
    bundle: str = ""


class HTTPSWebBundle(Model):
    bundle_endpoint_url: str = ""


class BundleSource(Model):
    static: StaticBundle | None = None
    https_web: HTTPSWebBundle | None = None


class SPIFFEFederationSpec(Model):
    bundle_source: BundleSource | None = None


class SPIFFEFederationStatus(Model):
    current_bundle: str = ""
    current_bundle_synced_at: Instant | None = None
    next_sync_at: Instant | None = None


class SPIFFEFederation(Resource):
    """Named like the trust domain."""

    KIND: ClassVar[str] = "spiffe_federation"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: SPIFFEFederationSpec = msgspec.field(default_factory=SPIFFEFederationSpec)
    status: SPIFFEFederationStatus | None = None

    def check_spec(self) -> None:
        source = self.spec.bundle_source
        is_one = source is not None and (source.static is None) != (source.https_web is None)
        require(is_one, "spec.bundle_source needs exactly one of static and https_web")
