"""What the client of a person who joins a session tells the server, as environment variables of its channel."""

from __future__ import annotations

from typing import Final

SESSION_VARIABLE: Final = "TELEPORT_SESSION"
MODE_VARIABLE: Final = "TELEPORT_JOIN_MODE"
