"""Session recording config: who records sessions, cluster wide."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, one_of
from teleport.model.values import Flag

MODES = ("node", "node-sync", "proxy", "proxy-sync", "off")


class KeyLabel(Model):
    type: str = ""
    label: str = ""


class ManualKeyManagement(Model):
    enabled: Flag = False
    active_keys: list[KeyLabel] = []
    rotated_keys: list[KeyLabel] = []


class RecordingEncryption(Model):
    enabled: Flag = False
    manual_key_management: ManualKeyManagement | None = None


class EncryptionKey(Model):
    public_key: str = ""


class SessionRecordingConfigSpec(Model, omit_defaults=False):
    mode: str = "node"
    proxy_checks_host_keys: Flag = True
    encryption: RecordingEncryption | None = None

    @property
    def is_on(self) -> bool:
        return self.mode != "off"

    @property
    def is_sync(self) -> bool:
        """Streamed while it runs, instead of uploaded afterwards."""
        return self.mode.endswith("-sync")

    @property
    def at_proxy(self) -> bool:
        return self.mode.startswith("proxy")


class SessionRecordingConfigStatus(Model):
    encryption_keys: list[EncryptionKey] = []


class SessionRecordingConfig(Resource):
    KIND: ClassVar[str] = "session_recording_config"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v2",)
    DEFAULT_VERSION: ClassVar[str] = "v2"
    SINGLETON: ClassVar[str] = "session-recording-config"
    PRINTS_DEFAULTS: ClassVar[bool] = True

    spec: SessionRecordingConfigSpec = msgspec.field(default_factory=SessionRecordingConfigSpec)
    status: SessionRecordingConfigStatus | None = None

    def check_spec(self) -> None:
        self.spec.mode = self.spec.mode or "node"
        one_of(self.spec.mode, MODES, "spec.mode")
