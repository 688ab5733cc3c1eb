"""BLEU and METEOR of a corpus as functions of sums over its captions, for resampling only.

The scores themselves come from pycocoevalcap. Neither is the mean of its captions' scores, so an interval needs them
computed again from what the scorers sum up; a test holds the formulas equal to the programs' scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# coco-caption's BLEU adds these to counts that may be 0.
TINY, SMALL = 1e-15, 1e-9
# METEOR 1.5 for English, task "rank": weights of exact, stem, synonym and paraphrase matches, then its parameters.
WEIGHTS = (1.0, 0.6, 0.8, 0.6)
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75


def bleu_of(sums: Any, order: int) -> Any:
    """BLEU-`order`, × 100, from summed statistics of shape (..., 10): two lengths, 4 n-gram counts tried, 4 matched."""
    import numpy as np

    length, reference, tried, matched = sums[..., 0], sums[..., 1], sums[..., 2:6], sums[..., 6:10]
    product = np.prod((matched[..., :order] + TINY) / (tried[..., :order] + SMALL), axis=-1)
    ratio = (length + TINY) / (reference + SMALL)
    return 100 * product ** (1 / order) * np.where(ratio < 1, np.exp(np.minimum(1 - 1 / ratio, 0)), 1)


def meteor_sums(statistics: Sequence[Sequence[float]]) -> list[list[float]]:
    """What METEOR sums over captions: the 23 numbers of each, but no chunk for a caption that matches wholly."""
    summed = []
    for numbers in statistics:
        length, reference, chunks, matched, matched_reference = (numbers[index] for index in (0, 1, 20, 21, 22))
        whole = chunks == 1 and (matched, matched_reference) == (length, reference)
        summed.append([*numbers[:20], 0.0 if whole else chunks, matched, matched_reference])
    return summed


def meteor_of(sums: Any) -> Any:
    """METEOR, × 100, from sums of shape (..., 23).

    They are lengths of caption and reference, function words of both, four counts a matcher (content words matched in
    caption and reference, function words matched in both), chunks, and words matched in caption and reference.
    """
    import numpy as np

    weights = np.array(WEIGHTS)
    matches = sums[..., 4:20].reshape(*sums.shape[:-1], 4, 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = []
        for side in (0, 1):
            hit = (DELTA * matches[..., side] + (1 - DELTA) * matches[..., side + 2]) @ weights
            function_words = sums[..., 2 + side]
            sides.append(hit / (DELTA * (sums[..., side] - function_words) + (1 - DELTA) * function_words))
        precision, recall = sides
        mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
        fragments = sums[..., 20] / ((sums[..., 21] + sums[..., 22]) / 2)
        score = mean * (1 - GAMMA * fragments**BETA)
    return 100 * np.nan_to_num(score)
