"""Desktops, and the service that reaches them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from teleport.model.resource import Model, Resource, require
from teleport.model.resources.rotation import Rotation
from teleport.model.values import Flag, StringList


class DesktopSize(Model):
    """Pixels; fixed for all sessions."""

    width: int = 0
    height: int = 0


class WindowsDesktopSpec(Model):
    """`host_id` is that of the service that serves it."""

    addr: str = ""
    domain: str = ""
    host_id: str = ""
    non_ad: Flag = False
    desktop_size: DesktopSize | None = None


def _check_size(size: DesktopSize | None) -> None:
    if size is not None:
        require(0 <= size.width <= 8192 and 0 <= size.height <= 8192, "spec.desktop_size: at most 8192 by 8192")


class WindowsDesktop(Resource):
    """Its key is `<host id>/<name>` where a host is named."""

    KIND: ClassVar[str] = "windows_desktop"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"
    KEY_HAS_PREFIX: ClassVar[bool] = True

    spec: WindowsDesktopSpec = msgspec.field(default_factory=WindowsDesktopSpec)

    @property
    def key(self) -> str:
        return f"{self.spec.host_id}/{self.metadata.name}" if self.spec.host_id else self.metadata.name

    def check_spec(self) -> None:
        require(self.spec.addr, "spec.addr is missing")
        _check_size(self.spec.desktop_size)


class DynamicWindowsDesktopSpec(Model):
    addr: str = ""
    domain: str = ""
    non_ad: Flag = False
    desktop_size: DesktopSize | None = None


class DynamicWindowsDesktop(Resource):
    """Taken up by the services whose matchers fit its labels."""

    KIND: ClassVar[str] = "dynamic_windows_desktop"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: DynamicWindowsDesktopSpec = msgspec.field(default_factory=DynamicWindowsDesktopSpec)

    def check_spec(self) -> None:
        require(self.spec.addr, "spec.addr is missing")
        _check_size(self.spec.desktop_size)


class LinuxDesktopSpec(Model):
    addr: str = ""
    hostname: str = ""
    proxy_ids: StringList = []


class LinuxDesktop(Resource):
    KIND: ClassVar[str] = "linux_desktop"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v1",)
    DEFAULT_VERSION: ClassVar[str] = "v1"

    spec: LinuxDesktopSpec = msgspec.field(default_factory=LinuxDesktopSpec)


class WindowsDesktopServiceSpec(Model):
    addr: str = ""
    teleport_version: str = ""
    hostname: str = ""
    proxy_ids: StringList = []
    rotation: Rotation | None = None


class WindowsDesktopService(Resource):
    KIND: ClassVar[str] = "windows_desktop_service"
    VERSIONS: ClassVar[tuple[str, ...]] = ("v3",)
    DEFAULT_VERSION: ClassVar[str] = "v3"

    spec: WindowsDesktopServiceSpec = msgspec.field(default_factory=WindowsDesktopServiceSpec)

    def check_spec(self) -> None:
        if self.spec.rotation is not None:
            self.spec.rotation.check()
