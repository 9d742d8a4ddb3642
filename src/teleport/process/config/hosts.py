"""What `ssh_service` says the host offers, checked."""

from __future__ import annotations

from teleport.engines.host_offers import HostOffers, X11Displays
from teleport.process.config.document import Document
from teleport.process.config.sections import SshService

_MOST_DISPLAYS = 1000
_LAST_DISPLAY = 65535 - 6000


def host_offers(section: SshService, document: Document) -> HostOffers:
    """Raises BadParameter naming file, line and key of what is wrong."""
    return HostOffers(
        x11=_displays(section, document) if section.x11.enabled else None,
        creates_accounts=not section.disable_create_host_user,
    )


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
