"""Teleport: short-lived certificates and one proxy for everything people and machines reach."""

from typing import Final, Literal

__version__ = "18.0.0"
EDITION: Final[Literal["enterprise", "community"]] = "enterprise"
