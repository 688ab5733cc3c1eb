"""What several seeds give together: mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import NamedTuple


class Point(NamedTuple):
    """The scores of some seeds: their mean and their deviation, None of a single one (sample deviation, n - 1)."""

    mean: float
    deviation: float | None

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}"


def point(scores: Sequence[float]) -> Point:
    """Mean and sample deviation of some scores."""
    return Point(mean(scores), stdev(scores) if len(scores) > 1 else None)
