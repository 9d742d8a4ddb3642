"""Device: a machine that may be, or is, trusted."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from teleport.model.resource import Model, Resource, require
from teleport.model.values import Flag, Instant, choice, meta, utc

OsType = Annotated[
    Literal["linux", "macos", "windows"],
    meta(
        choice(
            "os_type", {1: "linux", 2: "macos", 3: "windows"}, {name: name for name in ("linux", "macos", "windows")}
        )
    ),
]
EnrollStatus = Annotated[
    Literal["", "enrolled", "not_enrolled"],
    meta(
        choice(
            "enroll_status",
            {0: "", 1: "not_enrolled", 2: "enrolled"},
            {"enrolled": "enrolled", "not_enrolled": "not_enrolled"},
        )
    ),
]


class DeviceCredential(Model):
    """`public_key_der` is SubjectPublicKeyInfo."""

    id: str = ""
    public_key_der: bytes = b""
    device_attestation_type: str = ""
    tpm_ekcert_serial: str = ""
    tpm_ak_public: bytes = b""


class DeviceSource(Model):
    """The inventory that it came from."""

    name: str = ""
    origin: str = ""


class DeviceProfile(Model):
    update_time: Instant | None = None
    model_identifier: str = ""
    os_version: str = ""
    os_build: str = ""
    os_build_supplemental: str = ""
    os_id: str = ""
    os_usernames: list[str] = []
    jamf_binary_version: str = ""
    macos_enrollment_profiles: str = ""
    external_id: str = ""


class CollectedData(Model):
    collect_time: Instant | None = None
    record_time: Instant | None = None
    os_type: OsType | None = None
    serial_number: str = ""
    model_identifier: str = ""
    os_version: str = ""
    os_build: str = ""
    os_username: str = ""


class DeviceSpec(Model, kw_only=True):
    asset_tag: str
    os_type: OsType
    enroll_status: EnrollStatus = ""
    owner: str = ""
    source: DeviceSource | None = None
    profile: DeviceProfile | None = None
    credential: DeviceCredential | None = None
    collected_data: list[CollectedData] = []
    create_time: Instant | None = None
    update_time: Instant | None = None
    api_version: str = ""
    enroll_token_disabled: Flag = False


class Device(Resource):
    """Its name is a UUID."""

    KIND: ClassVar[str] = "device"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"
    NAME_GENERATED: ClassVar[bool] = True

    spec: DeviceSpec

    def check_spec(self) -> None:
        require(self.spec.asset_tag, "spec.asset_tag is missing")
        self.spec.create_time = utc(self.spec.create_time, "spec.create_time")
        self.spec.update_time = utc(self.spec.update_time, "spec.update_time")
