"""What the client of a person who joins a session tells the server, as environment variables of its channel."""

from __future__ import annotations

from typing import Final

SESSION_VARIABLE: Final = "TELEPORT_SESSION"
MODE_VARIABLE: Final = "TELEPORT_JOIN_MODE"
PRESENCE_VARIABLE: Final = "TELEPORT_PRESENCE"
"""On a channel of its own, beside the one that joined: a certificate of now with a second factor in it."""

PRESENCE_ASKED_EVERY: Final = 30.0
"""Seconds after which a moderator is asked again to prove presence, where sessions need a second factor."""
PRESENCE_ANSWER: Final = 15.0
"""Seconds for the answer."""
PRESENCE_LASTS: Final = 60.0
"""Seconds without a proof after which a moderator counts as gone."""
