"""Certificate authorities: the public halves (`cert_authority`) and, apart, the private keys (`ca_secrets`)."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from teleport.model.resource import Model, Resource, one_of, require
from teleport.model.resources.rotation import Rotation
from teleport.model.sensitive import Secret
from teleport.model.values import StringList

CAType = Literal["host", "user", "db", "db_client", "openssh", "jwt", "saml_idp", "oidc_idp", "spiffe", "okta"]
CA_TYPES: tuple[CAType, ...] = (
    "host",
    "user",
    "db",
    "db_client",
    "openssh",
    "jwt",
    "saml_idp",
    "oidc_idp",
    "spiffe",
    "okta",
)
LATER_CA_TYPES = ("awsra", "bound_keypair", "windows")


class SSHKey(Model):
    """`public_key` is an authorized_keys line."""

    public_key: str


class TLSKey(Model):
    """`cert` is the CA's own certificate, PEM."""

    cert: str


class JWTKey(Model):
    """`public_key` is PEM (SubjectPublicKeyInfo)."""

    public_key: str


class CAKeySet(Model):
    """The first of each list signs; the others are trusted."""

    ssh: list[SSHKey] = []
    tls: list[TLSKey] = []
    jwt: list[JWTKey] = []


class RoleMapping(Model):
    """Roles of the other cluster (literal, glob, `^regex$`) and what they become here."""

    remote: str
    local: StringList = []


class CertAuthoritySpec(Model):
    type: str = ""
    cluster_name: str = ""
    active_keys: CAKeySet = msgspec.field(default_factory=CAKeySet)
    additional_trusted_keys: CAKeySet = msgspec.field(default_factory=CAKeySet)
    roles: StringList = []
    role_map: list[RoleMapping] = []
    rotation: Rotation | None = None


class CertAuthority(Resource):
    """Named like its cluster; `sub_kind` is the type; its key is `<type>/<cluster>`."""

    KIND: ClassVar[str] = "cert_authority"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    KEY_HAS_PREFIX: ClassVar[bool] = True
    SUB_KINDS: ClassVar[tuple[str, ...]] = ("", *CA_TYPES, *LATER_CA_TYPES)

    spec: CertAuthoritySpec = msgspec.field(default_factory=CertAuthoritySpec)

    @property
    def key(self) -> str:
        return f"{self.spec.type}/{self.metadata.name}"

    @property
    def type(self) -> str:
        return self.spec.type

    def trusted_keys(self) -> CAKeySet:
        """Active and additional keys together, the signing ones first."""
        active, more = self.spec.active_keys, self.spec.additional_trusted_keys
        return CAKeySet(ssh=active.ssh + more.ssh, tls=active.tls + more.tls, jwt=active.jwt + more.jwt)

    def check_spec(self) -> None:
        self.spec.type = self.spec.type or self.sub_kind
        one_of(self.spec.type, (*CA_TYPES, *LATER_CA_TYPES), "spec.type")
        require(
            self.sub_kind in ("", self.spec.type), f"sub_kind {self.sub_kind!r} is not spec.type {self.spec.type!r}"
        )
        self.sub_kind = self.spec.type
        self.spec.cluster_name = self.spec.cluster_name or self.metadata.name
        require(
            self.spec.cluster_name == self.metadata.name,
            f"spec.cluster_name is {self.spec.cluster_name!r}, expected the name {self.metadata.name!r}",
        )
        if self.spec.rotation is not None:
            self.spec.rotation.check()


class KeyPair(Model):
    """`public` as in the authority (authorized_keys line, certificate PEM or public PEM), `private` is PEM."""

    public: str
    private: Secret[str]


class CASecretsSpec(Model):
    """In the order of the authority's active and additional keys."""

    type: str = ""
    ssh: list[KeyPair] = []
    tls: list[KeyPair] = []
    jwt: list[KeyPair] = []


class CASecrets(Resource):
    """Named like its cluster; its key is `<type>/<cluster>`, as the authority's."""

    KIND: ClassVar[str] = "ca_secrets"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    KEY_HAS_PREFIX: ClassVar[bool] = True
    SUB_KINDS: ClassVar[tuple[str, ...]] = ("", *CA_TYPES, *LATER_CA_TYPES)

    spec: CASecretsSpec = msgspec.field(default_factory=CASecretsSpec)

    @property
    def key(self) -> str:
        return f"{self.spec.type}/{self.metadata.name}"

    def check_spec(self) -> None:
        self.spec.type = self.spec.type or self.sub_kind
        one_of(self.spec.type, (*CA_TYPES, *LATER_CA_TYPES), "spec.type")
        self.sub_kind = self.spec.type
