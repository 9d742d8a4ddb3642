"""What a benchmark answers: a figure, what it is held against, and whether the goal is met.

Both sides run in turn, round by round, because a machine's speed drifts; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Goal = Literal["<=", ">="]


@dataclass(frozen=True)
class Figure:
    """One row of the table. `ours` and `theirs` are medians in `unit`; `value` is what the goal speaks of."""

    what: str
    against: str
    value: float
    low: float
    high: float
    goal: Goal
    target: float
    unit: str = "ratio"
    ours: str = ""
    theirs: str = ""

    @property
    def is_met(self) -> bool:
        return self.value <= self.target if self.goal == "<=" else self.value >= self.target


Side = Callable[[], float]


def ratio(
    what: str, against: str, ours: Side, theirs: Side, goal: Goal, target: float, *, rounds: int = 5, unit: str = "ms"
) -> Figure:
    """Run both sides in turn after one round that does not count; each returns its own measure in `unit`."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return of_rounds(what, against, [mine for mine, _ in pairs], [other for _, other in pairs], goal, target, unit)


def of_rounds(
    what: str, against: str, ours: Sequence[float], theirs: Sequence[float], goal: Goal, target: float, unit: str
) -> Figure:
    """From what both sides did in each round."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Figure(
        what,
        against,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        goal,
        target,
        ours=f"{statistics.median(ours):.4g} {unit}",
        theirs=f"{statistics.median(theirs):.4g} {unit}",
    )


def absolute(what: str, values: Sequence[float], goal: Goal, target: float, unit: str) -> Figure:
    """A figure that stands for itself."""
    middle = statistics.median(values)
    return Figure(what, "", middle, min(values), max(values), goal, target, unit, ours=f"{middle:.4g} {unit}")


def table(figures: Sequence[Figure]) -> str:
    """GitHub Markdown."""
    lines = ["| what | against | ours | theirs | figure | spread | to reach | |", "|---|---|---|---|---|---|---|---|"]
    for figure in figures:
        unit = "" if figure.unit == "ratio" else f" {figure.unit}"
        goal = "≤" if figure.goal == "<=" else "≥"
        cells = (
            figure.what,
            figure.against,
            figure.ours,
            figure.theirs,
            f"**{figure.value:.3g}**{unit}",
            f"{figure.low:.3g}-{figure.high:.3g}",
            f"{goal} {figure.target:g}{unit}",
            "met" if figure.is_met else "**missed**",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
