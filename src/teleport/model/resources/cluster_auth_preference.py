"""Cluster auth preference: how users prove themselves, cluster wide."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from teleport.foundation.errors import BadParameter
from teleport.model.resource import Model, Resource, one_of, require
from teleport.model.resources.role_options import SessionMFA
from teleport.model.values import Duration, Flag, StringList

SecondFactor = Literal["off", "otp", "webauthn", "on", "optional", "u2f"]
FACTORS = ("otp", "webauthn", "sso")
PIV_SLOTS = ("", "9a", "9c", "9d", "9e")
SUITES = ("", "legacy", "balanced-v1", "fips-v1", "hsm-v1")
DEFAULT_SERIAL_TRAIT = "hardware_key_serial_numbers"
LOCAL_CONNECTORS = ("local", "passwordless", "headless")
_FACTORS_OF = {
    "otp": ["otp"],
    "webauthn": ["webauthn"],
    "on": ["webauthn", "otp"],
    "optional": ["webauthn", "otp"],
    "off": [],
}


class U2F(Model):
    """Of the past; read and kept."""

    app_id: str = ""
    facets: StringList = []
    device_attestation_cas: StringList = []


class WebAuthn(Model):
    """`rp_id` never changes later. The CA lists are PEM."""

    rp_id: str = ""
    attestation_allowed_cas: StringList = []
    attestation_denied_cas: StringList = []
    disabled: Flag = False


class DeviceTrust(Model):
    mode: Literal["", "off", "optional", "required", "required-for-humans"] = ""
    auto_enroll: Flag = False
    ekcert_allowed_cas: StringList = []


class SerialNumberValidation(Model):
    enabled: Flag = False
    serial_number_trait_name: str = ""


class HardwareKey(Model):
    piv_slot: str = ""
    serial_number_validation: SerialNumberValidation | None = None
    pin_cache_ttl: Duration | None = None


class IdPSAML(Model):
    enabled: Flag = True


class IdP(Model):
    saml: IdPSAML | None = None


class Okta(Model):
    sync_period: Duration | None = None


class StableUnixUsers(Model):
    enabled: Flag = False
    first_uid: int = 90_000
    last_uid: int = 95_000


class ClusterAuthPreferenceSpec(Model, omit_defaults=False):
    """`second_factor` and `second_factors` are one setting in two forms; `factors` reads either."""

    type: str = "local"
    second_factor: str = ""
    second_factors: StringList | None = None
    connector_name: str = ""
    u2f: U2F | None = None
    webauthn: WebAuthn | None = None
    allow_passwordless: Flag | None = None
    allow_headless: Flag | None = None
    allow_local_auth: Flag = True
    require_session_mfa: SessionMFA = False
    disconnect_expired_cert: Flag = False
    locking_mode: str = "best_effort"
    default_session_ttl: Duration = Duration(hours=12)
    message_of_the_day: str = ""
    device_trust: DeviceTrust | None = None
    hardware_key: HardwareKey | None = None
    idp: IdP | None = None
    okta: Okta | None = None
    signature_algorithm_suite: str = ""
    stable_unix_user_config: StableUnixUsers | None = None

    @property
    def factors(self) -> list[str]:
        """The second factors that are offered, the preferred one first."""
        if self.second_factors:
            return [factor for factor in ("webauthn", "otp", "sso") if factor in self.second_factors]
        return _FACTORS_OF.get(self.second_factor or "otp", [])

    @property
    def second_factor_is_mandatory(self) -> bool:
        return self.second_factor not in ("off", "optional")

    @property
    def passwordless(self) -> bool:
        """Whether a passkey alone logs in: by default wherever webauthn is offered."""
        return "webauthn" in self.factors if self.allow_passwordless is None else self.allow_passwordless

    @property
    def headless(self) -> bool:
        return "webauthn" in self.factors if self.allow_headless is None else self.allow_headless


class ClusterAuthPreference(Resource):
    """`second_factor: off` and `optional` are well-formed here; auth refuses them (local MFA is mandatory)."""

    KIND: ClassVar[str] = "cluster_auth_preference"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    SINGLETON: ClassVar[str] = "cluster-auth-preference"
    PRINTS_DEFAULTS: ClassVar[bool] = True

    spec: ClusterAuthPreferenceSpec = msgspec.field(default_factory=ClusterAuthPreferenceSpec)

    def check_spec(self) -> None:
        spec = self.spec
        spec.type = spec.type or "local"
        one_of(spec.type, ("local", "github", "saml", "oidc"), "spec.type")
        self._check_factors()
        require(
            spec.allow_local_auth or spec.type != "local", "spec.allow_local_auth is false, but spec.type is local"
        )
        spec.locking_mode = spec.locking_mode or "best_effort"
        one_of(spec.locking_mode, ("strict", "best_effort"), "spec.locking_mode")
        one_of(spec.signature_algorithm_suite, SUITES, "spec.signature_algorithm_suite")
        require(spec.default_session_ttl >= Duration(), "spec.default_session_ttl is negative")
        if spec.default_session_ttl == Duration():
            spec.default_session_ttl = Duration(hours=12)
        if spec.hardware_key is not None:
            self._check_hardware_key(spec.hardware_key)
        if spec.stable_unix_user_config is not None:
            self._check_unix_users(spec.stable_unix_user_config)

    def _check_factors(self) -> None:
        spec = self.spec
        if spec.second_factor == "u2f":
            spec.second_factor = "webauthn"
        if spec.second_factors:
            require(not spec.second_factor, "spec.second_factor and spec.second_factors exclude each other")
            for factor in spec.second_factors:
                one_of(factor, FACTORS, "spec.second_factors")
        else:
            spec.second_factors = None
            spec.second_factor = spec.second_factor or "otp"
            one_of(spec.second_factor, ("off", "otp", "webauthn", "on", "optional"), "spec.second_factor")
        has_webauthn = "webauthn" in spec.factors
        require(
            has_webauthn or not spec.allow_passwordless, "spec.allow_passwordless needs the second factor webauthn"
        )
        require(has_webauthn or not spec.allow_headless, "spec.allow_headless needs the second factor webauthn")
        if spec.connector_name in ("passwordless", "headless") and spec.type == "local":
            require(has_webauthn, f"spec.connector_name {spec.connector_name} needs the second factor webauthn")

    @staticmethod
    def _check_hardware_key(key: HardwareKey) -> None:
        one_of(key.piv_slot, PIV_SLOTS, "spec.hardware_key.piv_slot")
        if key.pin_cache_ttl is not None and not Duration() <= key.pin_cache_ttl <= Duration(hours=1):
            raise BadParameter(f"spec.hardware_key.pin_cache_ttl is {key.pin_cache_ttl}, expected 0 to 1h")
        if key.serial_number_validation is not None and not key.serial_number_validation.serial_number_trait_name:
            key.serial_number_validation.serial_number_trait_name = DEFAULT_SERIAL_TRAIT

    @staticmethod
    def _check_unix_users(users: StableUnixUsers) -> None:
        where = "spec.stable_unix_user_config"
        require(0 < users.first_uid <= users.last_uid < 2**31, f"{where}: first_uid to last_uid is not a range")
