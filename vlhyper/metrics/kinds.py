"""The mean of item scores, overall and by the kinds that the items are of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add


def mean(scores: Sequence[float]) -> float:
    """100 × mean of scores from 0 to 1, summed plainly from left to right, as official programs sum."""
    return 100 * reduce(add, scores, 0.0) / len(scores)


def rows_by_kind(kinds: Sequence[Sequence[str] | None]) -> dict[str, list[int]]:
    """The items of each kind, as indices; an item may be of several."""
    found: dict[str, list[int]] = {}
    for row, names in enumerate(kinds):
        for name in dict.fromkeys(names or ()):
            found.setdefault(name, []).append(row)
    return found
