"""Whether two systems differ: p-values by approximate randomisation, corrected for many comparisons.

Were both systems as good, which of them gave which answers to an item (or to all items of an image, where items share
one) would be chance. So they are exchanged at random, many times, and p is the share of exchanges after which the
systems differ by no less than they do.
Source: Noreen, "Computer-Intensive Methods for Testing Hypotheses" (1989); Riezler and Maxwell (2005) for metrics of
a corpus; Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlhyper.metrics.bootstrap import CHUNK, SEED, cluster_sums, paired
from vlhyper.metrics.report import Report, flatten, nest

EXCHANGES = 1999
TEST = "approximate randomisation"


def p_values(ours: Report, theirs: Report, exchanges: int = EXCHANGES, seed: int = SEED) -> dict[str, Any]:
    """Two-sided p-values as `metrics`, of every metric that is computed from items; the least is 1 / (exchanges + 1).

    Raises UserError unless both scored the same items.
    """
    import numpy as np

    pairs = paired(ours, theirs)
    if not pairs:
        return {}
    # The same clusters for both: which items a metric is about does not hang on the answers.
    first = cluster_sums([pair[0] for pair in pairs.values()], ours)
    second = cluster_sums([pair[1] for pair in pairs.values()], ours)
    ends = np.cumsum([part.shape[1] for part in first])[:-1]
    excess = np.concatenate(first, axis=1) - np.concatenate(second, axis=1)
    totals = [np.concatenate([part.sum(axis=0) for part in side]) for side in (first, second)]
    # Where both did the same, an exchange changes nothing.
    excess = excess[excess.any(axis=1)]
    random = np.random.default_rng(seed)

    def differences(moved: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            sides = [np.split(total + sign * moved, ends, axis=-1) for total, sign in zip(totals, (-1, 1), strict=True)]
            found = zip(pairs.values(), *sides, strict=True)
            return np.array([us.finish(a) - them.finish(b) for (us, them), a, b in found])

    seen = np.abs(differences(np.zeros((1, len(totals[0])))))
    beyond = np.zeros(len(pairs))
    for start in range(0, exchanges, CHUNK):
        coins = random.integers(2, size=(min(CHUNK, exchanges - start), len(excess))).astype(float)
        # What differs by rounding alone is as much.
        beyond += (np.abs(differences(coins @ excess)) >= seen * (1 - 1e-9) - 1e-9).sum(axis=1)
    return nest((name, float(count)) for name, count in zip(pairs, (beyond + 1) / (exchanges + 1), strict=True))


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected by Holm's method, in their order."""
    order = sorted(range(len(p)), key=lambda index: p[index])
    corrected, highest = [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        corrected[index] = highest
    return corrected


def corrected(comparisons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The p-values of several comparisons with one system, corrected metric by metric over those that have it."""
    tables = [dict(flatten(one)) for one in comparisons]
    found: list[dict[Any, float]] = [{} for _ in tables]
    for name in {name: None for table in tables for name in table}:
        having = [index for index, table in enumerate(tables) if name in table]
        for index, value in zip(having, holm([tables[index][name] for index in having]), strict=True):
            found[index][name] = value
    return [nest(one.items()) for one in found]
