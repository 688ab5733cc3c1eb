"""How many items are needed to see a difference of so many points.

Two systems that differ by d points are told apart at the 5 % level (two-sided) with a probability of 80 % on

    n = (z(0.975) + z(0.8))² · V / d²

items, V the variance of one item: s² + s² = 2 s² where the other system is not known (taken to vary as much as this
one, and on its own), the variance of the paired differences where it is. V is n times the variance of the metric, which
the infinitesimal jackknife gives for any metric of sums: the squares of what one more of a cluster would move it by,
summed over clusters. For a mean without clusters that is the sample variance; where items share an image it holds the
design effect, so that n counts items that share images as these do.
Source: Cohen, "Statistical Power Analysis" (1988), chapter 2, by the normal distribution; Card et al., "With Little
Power Comes Great Responsibility" (2020); Miller, "Adding Error Bars to Evals" (2024), sections 2 and 5, for clusters,
pairs and the formula; Efron (1982), chapter 6, for the jackknife.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from vlhyper.metrics.bootstrap import LEVEL, cluster_sums, paired, unit_of
from vlhyper.metrics.report import MetricPath, Report, SummedMetric, nest

if TYPE_CHECKING:
    from numpy import ndarray

POWER = 80
# How much of one cluster is added and taken away to see how the metric moves.
STEP = 1e-3
# What rounding leaves of no variance.
NOTHING = 1e-9


def power(report: Report, points: float, other: Report | None = None) -> dict[str, Any]:
    """Items needed to see a difference of `points` (× 100 as the metrics), metric by metric.

    other: the system to compare with, on the same items. `needed` counts items of the metric's own kind, `smallest` is
    the difference that the items there are would show. A metric that is the same
    whichever items are drawn has neither.
    Raises UserError where `other` was scored on other items.
    """
    singles = {name: (metric,) for name, metric in report.summed().items()}
    systems: Mapping[MetricPath, Sequence[SummedMetric]] = singles if other is None else paired(report, other)
    sides = [_influences(side, report) for side in zip(*systems.values(), strict=True)]
    needed, smallest = [], []
    for index, (name, metrics) in enumerate(systems.items()):
        items = report.n if metrics[0].rows is None else len(metrics[0].rows)
        moved = sides[0][index] if other is None else sides[0][index] - sides[1][index]
        variance = _item_variance(moved, items) * (2 if other is None else 1)
        if variance > 0:
            needed.append((name, max(2, math.ceil(_factor() * variance / points**2))))
            smallest.append((name, math.sqrt(_factor() * variance / items)))
    return {
        "points": points,
        "power": POWER,
        "significance": 100 - LEVEL,
        "paired": other is not None,
        "clustered": unit_of(report),
        "needed": nest(needed),
        "smallest": nest(smallest),
    }


def _influences(metrics: Sequence[SummedMetric], report: Report) -> list[ndarray]:
    """By how much each metric would move with one more of each cluster, of shape (clusters,)."""
    return [_influence(metric, table) for metric, table in zip(metrics, cluster_sums(metrics, report), strict=True)]


def _influence(metric: SummedMetric, table: ndarray) -> ndarray:
    import numpy as np

    total = table.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        up, down = (metric.finish(total + sign * STEP * table) for sign in (1, -1))
    return np.asarray((up - down) / (2 * STEP))


def _item_variance(moved: ndarray, items: int) -> float:
    """The variance of one item, of a metric or of a difference that clusters move so; 0 where it cannot be told."""
    clusters = len(moved)
    if clusters < 2:
        return 0.0
    found = items * clusters / (clusters - 1) * float((moved**2).sum())
    return found if math.isfinite(found) and found > NOTHING else 0.0


def _factor() -> float:
    normal = NormalDist()
    return (normal.inv_cdf(1 - (100 - LEVEL) / 200) + normal.inv_cdf(POWER / 100)) ** 2
