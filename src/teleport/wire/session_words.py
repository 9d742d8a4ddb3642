"""What a client says of the session it opens, as environment variables of its channel. They reach no program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

REASON_VARIABLE: Final = "TELEPORT_SESSION_REASON"
INVITED_VARIABLE: Final = "TELEPORT_SESSION_INVITED"
REQUIRED_VARIABLE: Final = "TELEPORT_SESSION_SHOW_REQUIRED"
VARIABLES: Final = frozenset((REASON_VARIABLE, INVITED_VARIABLE, REQUIRED_VARIABLE))
MAX_REASON: Final = 1024
MAX_INVITED: Final = 64
_MAX_NAME = 256


class Purpose(NamedTuple):
    """Why a session is opened, who is asked to come, and whether its owner wants to see who must."""

    reason: str = ""
    invited: tuple[str, ...] = ()
    shows_required: bool = False

    def variables(self) -> dict[str, str]:
        """Only what was said."""
        said = {REASON_VARIABLE: self.reason, INVITED_VARIABLE: ",".join(self.invited)}
        if self.shows_required:
            said[REQUIRED_VARIABLE] = "1"
        return {name: value for name, value in said.items() if value}


def purpose_of(variables: Mapping[str, str]) -> Purpose:
    """What a client sent, cut to what is sensible and without control characters."""
    reason = "".join(letter for letter in variables.get(REASON_VARIABLE, "") if letter.isprintable())
    names = [name.strip() for name in variables.get(INVITED_VARIABLE, "").split(",")]
    invited = [name for name in names if name and name.isprintable() and len(name) <= _MAX_NAME]
    return Purpose(reason[:MAX_REASON], tuple(invited[:MAX_INVITED]), variables.get(REQUIRED_VARIABLE) == "1")
