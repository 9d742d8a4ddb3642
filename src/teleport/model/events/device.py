"""Events of trusted devices."""

from __future__ import annotations

from teleport.model.events.base import ResourceEvent, TrustedDevice, variant


class DeviceEvent(ResourceEvent):
    device: TrustedDevice | None = None


_VERBS = (
    "create", "delete", "token.create", "token.spent", "enroll", "authenticate", "update", "webtoken.create",
    "authenticate.confirm",
)  # fmt: skip

DEVICES: tuple[type[DeviceEvent], ...] = tuple(
    variant(DeviceEvent, f"Device{verb.title().replace('.', '')}", f"device.{verb}", f"TV{number:03d}I")
    for number, verb in enumerate(_VERBS, 1)
)
