"""POPE: yes or no to whether an object is in the picture.

Source: Li et al., "Evaluating Object Hallucination in Large Vision-Language Models" (2023), and RUCAIBox/POPE,
evaluate.py (3df3ba1), whose reading of an answer is kept: of the text before the first period, commas removed and cut
at spaces, one of the words `No`, `no` and `not` makes it no; anything else is yes, an empty text and "NO" too.
Variant lmms-eval: EvolvingLMMs-Lab/lmms-eval, tasks/pope/utils.py, v0.6: only "yes" and "no" alone count, in any case;
what is neither is wrong and no false negative, and its yes ratio is that of the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from vlhyper.metrics.kinds import rows_by_kind
from vlhyper.metrics.report import MetricPath, Report, SummedMetric, nest

YES, NO, NEITHER = "yes", "no", "neither"
TOLD = (YES, NO, NEITHER)


def _official(text: str) -> str:
    words = text.split(".")[0].replace(",", "").split(" ")
    return NO if {"No", "no", "not"} & set(words) else YES


def _lmms_eval(text: str) -> str:
    word = text.lower().strip()
    return word if word in (YES, NO) else NEITHER


VARIANTS: dict[str, Callable[[str], str]] = {"official": _official, "lmms-eval": _lmms_eval}


def yes_or_no(text: str, variant: str = "official") -> str:
    """What an answer is taken for: yes, no, or (lmms-eval alone) neither.

    >>> yes_or_no("There is not a dog in the image. Yes, there is a cat.")
    'no'
    """
    return VARIANTS[variant](text)


# Cells are counts by truth (yes, no) and answer (yes, no, neither): 0 is yes for yes, 3 yes for no, and so on.
def _accuracy(cells: Any) -> Any:
    return (cells[..., 0] + cells[..., 4]) / cells.sum(axis=-1)


def _precision(cells: Any) -> Any:
    return cells[..., 0] / (cells[..., 0] + cells[..., 3])


def _recall(cells: Any) -> Any:
    return cells[..., 0] / (cells[..., 0] + cells[..., 1])


def _f1(cells: Any) -> Any:
    precision, recall = _precision(cells), _recall(cells)
    return 2 * precision * recall / (precision + recall)


def _yes_ratio(cells: Any) -> Any:
    return (cells[..., 0] + cells[..., 3]) / cells.sum(axis=-1)


def _true_yes_ratio(cells: Any) -> Any:
    return cells[..., :3].sum(axis=-1) / cells.sum(axis=-1)


def _percent(formula: Callable[[Any], Any], cells: Any) -> Any:
    return 100 * formula(cells)


METRICS: dict[str, Callable[[Any], Any]] = {
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "yes_ratio": _yes_ratio,
}


def pope_report(
    ids: Sequence[Any],
    predictions: Sequence[str],
    labels: Sequence[str],
    images: Sequence[Any] | None = None,
    kinds: Sequence[Sequence[str] | None] = (),
    variant: str = "official",
) -> Report:
    """Accuracy, precision, recall and F1 of yes, and the share of yes; also by category. Sequences run in step.

    A label other than no is yes. A ratio with nothing to count is skipped, where the official program stops.
    """
    import numpy as np

    told = [yes_or_no(text, variant) for text in predictions]
    truth = [NO if label.strip().lower() == NO else YES for label in labels]
    cells = np.zeros((len(told), 6))
    cells[range(len(told)), [3 * (right == NO) + TOLD.index(one) for right, one in zip(truth, told, strict=True)]] = 1
    formulas = METRICS | ({"yes_ratio": _true_yes_ratio} if variant == "lmms-eval" else {})
    parts: dict[MetricPath, list[int]] = {(): list(range(len(told)))}
    parts |= {("category", name): rows for name, rows in sorted(rows_by_kind(kinds).items())}
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            (*path, name): float(_percent(formula, cells[rows].sum(axis=0)))
            for path, rows in parts.items()
            for name, formula in formulas.items()
        }
    rows_of = {(*path, name): rows for path, rows in parts.items() for name in formulas}
    counted = {path: value for path, value in found.items() if not np.isnan(value)}
    return Report(
        task="pope",
        variant=variant,
        n=len(ids),
        metrics=nest(counted.items()),
        skipped={"/".join(path): "no such answer to count" for path in found if path not in counted},
        ids=ids,
        items={"accuracy": [100.0 * (one == right) for one, right in zip(told, truth, strict=True)]},
        clusters=images,
        summed=lambda: {
            path: SummedMetric(rows_of[path], cells[rows_of[path]].tolist(), partial(_percent, formulas[path[-1]]))
            for path in counted
        },
    )
