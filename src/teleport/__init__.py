"""Teleport: short-lived certificates and one proxy for everything people and machines reach."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # every program starts here, and `typing` itself would be a good part of a short one's time
    from typing import Final, Literal

__version__ = "18.0.0"
EDITION: Final[Literal["enterprise", "community"]] = "enterprise"
