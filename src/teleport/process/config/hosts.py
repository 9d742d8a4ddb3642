"""What `ssh_service` says the host offers, checked."""

from __future__ import annotations

import ctypes
import re

from teleport.engines.host_offers import HostOffers, PamService, X11Displays
from teleport.engines.ssh import pam_stack
from teleport.foundation.errors import BadParameter
from teleport.policy import templates
from teleport.process.config.document import Document
from teleport.process.config.sections import SshService

_SERVICE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_DISPLAYS = 1000
_LAST_DISPLAY = 65535 - 6000


def host_offers(section: SshService, document: Document) -> HostOffers:
    """Raises BadParameter naming file, line and key of what is wrong."""
    return HostOffers(
        x11=_displays(section, document) if section.x11.enabled else None,
        pam=_pam(section, document) if section.pam.enabled else None,
        creates_accounts=not section.disable_create_host_user,
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
