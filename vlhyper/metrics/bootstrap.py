"""Bootstrap intervals: how far a metric, or the difference of two systems, would move with other test items.

Items are resampled with replacement, whole clusters (all questions of an image) at a time where items share something,
and every metric is computed again from the sums over them. For two systems the same resamples serve both.
Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), percentile intervals; Koehn (2004) for pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vlhyper.errors import UserError
from vlhyper.metrics.report import MetricPath, Report, SummedMetric, flatten, nest

if TYPE_CHECKING:
    from numpy import ndarray

LEVEL = 95
RESAMPLES = 1000
SEED = 0
# Weights of this many resamples are held at once; with 40,000 images they take 16 MB.
CHUNK = 50


def confidence(report: Report, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Any]:
    """A 95 % interval for every metric that is computed from items: {"intervals": as `metrics`, each [low, high]}.

    A metric with no value in some resample (none of its items drawn) is measured on the others, and has no interval
    where it has a value in none. Items of one cluster give a point: a single image cannot tell how images differ.
    """
    metrics = report.summed()
    names = list(metrics)
    drawn = _draws([metrics[name] for name in names], report, resamples, seed)
    return _settings(report, resamples, seed) | {
        "intervals": _intervals(zip(names, drawn, strict=True)),
    }


def compare(ours: Report, theirs: Report, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Any]:
    """By how much `ours` exceeds `theirs`, metric by metric, each with a paired 95 % interval of the difference.

    Raises UserError unless both scored the same items.
    """
    pairs = paired(ours, theirs)
    drawn = _draws([metric for pair in pairs.values() for metric in pair], ours, resamples, seed)
    differences = ((name, drawn[2 * index] - drawn[2 * index + 1]) for index, name in enumerate(pairs))
    other = dict(flatten(theirs.metrics))
    both = [(name, value) for name, value in ours.flat() if name in other]
    return _settings(ours, resamples, seed) | {
        "metrics": theirs.metrics,
        "difference": nest((name, value - other[name]) for name, value in both),
        "intervals": _intervals(differences),
    }


def paired(ours: Report, theirs: Report) -> dict[MetricPath, tuple[SummedMetric, SummedMetric]]:
    """The metrics that both systems have. Raises UserError unless both scored the same items."""
    if list(ours.ids) != list(theirs.ids):
        raise UserError(
            f"the two systems were scored on different items ({ours.n} and {theirs.n}); give predictions for the same"
        )
    others = theirs.summed()
    return {name: (metric, others[name]) for name, metric in ours.summed().items() if name in others}


def _settings(report: Report, resamples: int, seed: int) -> dict[str, Any]:
    return {"level": LEVEL, "resamples": resamples, "seed": seed, "resampled": unit_of(report)}


def unit_of(report: Report) -> str:
    """What is drawn as a whole: an item, or an image with all of its items."""
    return "item" if report.clusters is None else "image"


def _intervals(drawn: Iterable[tuple[MetricPath, ndarray]]) -> dict[str, Any]:
    import numpy as np

    tail = (100 - LEVEL) / 2
    return nest(
        (path, [float(edge) for edge in np.nanpercentile(values, (tail, 100 - tail))])
        for path, values in drawn
        if not np.isnan(values).all()
    )


def _draws(metrics: Sequence[SummedMetric], report: Report, resamples: int, seed: int) -> ndarray:
    """Every metric on every resample, shape (metrics, resamples)."""
    import numpy as np

    if not metrics:
        return np.empty((0, resamples))
    sums = cluster_sums(metrics, report)
    clusters = len(sums[0])
    ends = np.cumsum([part.shape[1] for part in sums])[:-1]
    table = np.concatenate(sums, axis=1)
    random = np.random.default_rng(seed)
    drawn = []
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        picks = random.integers(clusters, size=(size, clusters))
        weights = np.stack([np.bincount(row, minlength=clusters) for row in picks]).astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.split(weights @ table, ends, axis=1)
            drawn.append([metric.finish(part) for metric, part in zip(metrics, parts, strict=True)])
    return np.concatenate([np.array(chunk) for chunk in drawn], axis=1)


def cluster_sums(metrics: Sequence[SummedMetric], report: Report) -> list[ndarray]:
    """Each metric's sums by cluster, of shape (clusters, k); without clusters every item is one."""
    cluster_of = _cluster_numbers(report)
    clusters = int(cluster_of.max()) + 1
    return [_cluster_sums(metric, cluster_of, clusters) for metric in metrics]


def _cluster_numbers(report: Report) -> ndarray:
    """The number of each item's cluster, shape (items,)."""
    import numpy as np

    if report.clusters is None:
        return np.arange(report.n)
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in report.clusters])


def _cluster_sums(metric: SummedMetric, cluster_of: ndarray, clusters: int) -> ndarray:
    """A metric's sums by cluster, shape (clusters, k)."""
    import numpy as np

    values = np.asarray(metric.sums, dtype=float)
    rows = cluster_of if metric.rows is None else cluster_of[np.asarray(metric.rows, dtype=int)]
    columns = [np.bincount(rows, weights=column, minlength=clusters) for column in values.T]
    return np.stack(columns, axis=1)
