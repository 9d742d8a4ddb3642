"""What the single sign-on connectors share."""

from __future__ import annotations

from teleport.model.resource import Model, require
from teleport.model.values import StringList


class ClientRedirectSettings(Model):
    """Where else than to the own machine a login may be sent back."""

    allowed_https_hostnames: StringList = []
    insecure_allowed_cidr_ranges: StringList = []


class AttributeMapping(Model):
    """An attribute's value (literal, glob or `^regex$`) and the roles it gives; `$1` refers to a capture."""

    name: str
    value: str
    roles: StringList = []


def check_roles(roles: list[str], where: str) -> None:
    """Raises BadParameter for a mapping that leads nowhere."""
    require(roles and all(roles), f"{where}: roles is empty")
