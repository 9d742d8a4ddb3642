"""What is told of a joined connection when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EndReason = Literal["finished", "lost", "idle", "closed"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """How a joined connection ended, and the bytes that passed from each side to the other."""

    from_a: int
    from_b: int
    reason: EndReason
