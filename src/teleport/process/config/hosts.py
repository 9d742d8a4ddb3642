"""What `ssh_service` says the host offers, checked."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

from teleport.engines.host_offers import HostOffers, PamService, X11Displays
from teleport.engines.kernel_recording.requirements import KernelSettings, check_root
from teleport.engines.ssh import pam_stack
from teleport.foundation.errors import BadParameter
from teleport.policy import templates
from teleport.process.config.document import Document
from teleport.process.config.sections import SshService

_SERVICE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_DISPLAYS = 1000
_LAST_DISPLAY = 65535 - 6000
_MOST_PAGES = 1 << 14


def host_offers(section: SshService, document: Document) -> HostOffers:
    """Raises BadParameter naming file, line and key of what is wrong."""
    return HostOffers(
        x11=_displays(section, document) if section.x11.enabled else None,
        pam=_pam(section, document) if section.pam.enabled else None,
        creates_accounts=not section.disable_create_host_user,
        kernel=_kernel(section, document) if section.enhanced_recording.enabled else None,
    )


def _pam(section: SshService, document: Document) -> PamService:
    pam = section.pam
    where = ("ssh_service", "pam")
    try:
        ctypes.CDLL(pam_stack.LIBRARY)
    except OSError:
        raise document.error(
            (*where, "enabled"), f"{pam_stack.LIBRARY} is not on this host: install PAM or set enabled: no"
        ) from None
    if not _SERVICE.fullmatch(pam.service_name):
        raise document.error((*where, "service_name"), f"{pam.service_name!r} is not the name of a PAM service")
    for name, text in pam.environment.items():
        if not name.isidentifier():
            raise document.error((*where, "environment", name), f"{name!r} is not the name of a variable")
        try:
            templates.check(text)
        except BadParameter as problem:
            raise document.error((*where, "environment", name), problem.message) from None
    return PamService(pam.service_name, pam.use_pam_auth, dict(pam.environment))


def _kernel(section: SshService, document: Document) -> KernelSettings:
    wanted = section.enhanced_recording
    where = ("ssh_service", "enhanced_recording")
    sizes = {
        "command_buffer_size": wanted.command_buffer_size,
        "disk_buffer_size": wanted.disk_buffer_size,
        "network_buffer_size": wanted.network_buffer_size,
    }
    for name, pages in sizes.items():
        if not 1 <= pages <= _MOST_PAGES:
            raise document.error((*where, name), f"{pages}: expected 1 to {_MOST_PAGES} pages")
    if not wanted.cgroup_path.startswith("/"):
        raise document.error((*where, "cgroup_path"), f"{wanted.cgroup_path!r} is not an absolute path")
    if problem := check_root(wanted.root_path):
        raise document.error((*where, "root_path"), f"{wanted.root_path!r}: {problem}")
    pages = 1 << (sum(sizes.values()) - 1).bit_length()  # one memory for all kinds, a power of two
    return KernelSettings(Path(wanted.cgroup_path), wanted.root_path, pages)


def _displays(section: SshService, document: Document) -> X11Displays:
    x11 = section.x11
    if not 0 <= x11.display_offset <= _LAST_DISPLAY:
        raise document.error(
            ("ssh_service", "x11", "display_offset"), f"{x11.display_offset}: expected 0 to {_LAST_DISPLAY}"
        )
    last = x11.display_offset + _MOST_DISPLAYS if x11.max_display is None else x11.max_display
    if not x11.display_offset <= last:
        raise document.error(
            ("ssh_service", "x11", "max_display"), f"{last} is below display_offset, which is {x11.display_offset}"
        )
    if x11.max_display is not None and last > _LAST_DISPLAY:
        raise document.error(("ssh_service", "x11", "max_display"), f"{last}: expected at most {_LAST_DISPLAY}")
    return X11Displays(x11.display_offset, min(last, _LAST_DISPLAY))
