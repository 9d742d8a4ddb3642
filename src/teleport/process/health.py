"""Whether this process is well: each part tells of its heartbeats; the worst part is the state of the whole.

A failed heartbeat makes a part degraded, the next good one recovering, and the second good one in a row well again.
"""

from __future__ import annotations

import enum

from teleport.foundation import metrics

_STATE = metrics.gauge("process_state", "State of the process: 0 ok, 1 recovering, 2 degraded, 3 starting")


class State(enum.IntEnum):
    """In the order of `process_state`."""

    OK = 0
    RECOVERING = 1
    DEGRADED = 2
    STARTING = 3


_NEXT: dict[tuple[State, bool], State] = {
    (State.STARTING, True): State.OK,
    (State.STARTING, False): State.STARTING,
    (State.OK, True): State.OK,
    (State.OK, False): State.DEGRADED,
    (State.DEGRADED, True): State.RECOVERING,
    (State.DEGRADED, False): State.DEGRADED,
    (State.RECOVERING, True): State.OK,
    (State.RECOVERING, False): State.DEGRADED,
}


class Health:
    """The state of every part that was named."""

    def __init__(self) -> None:
        self._parts: dict[str, State] = {}
        _STATE.set(State.STARTING)

    def expect(self, part: str) -> None:
        """This part has yet to start."""
        self._parts.setdefault(part, State.STARTING)
        _STATE.set(self.state)

    def beat(self, part: str, is_well: bool) -> None:
        """A heartbeat of this part went well or failed."""
        self._parts[part] = _NEXT[(self._parts.get(part, State.STARTING), is_well)]
        _STATE.set(self.state)

    @property
    def state(self) -> State:
        return max(self._parts.values(), default=State.STARTING)

    def of(self, part: str) -> State:
        return self._parts.get(part, State.STARTING)
