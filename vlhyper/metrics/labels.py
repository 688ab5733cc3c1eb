"""Tasks whose answers are labels or grades: SNLI-VE, GLUE's eight, CB, BoolQ, IMDB, PAWS.

What a model wrote is read as a label letter by letter, spaces at its ends aside. A text that is no label is wrong,
whatever the truth is: where a metric needs some label (F1, Matthews) it counts as the opposite one, and where it needs
a grade (STS-B) as -1, as T5's evaluation does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vlhyper.errors import UserError, nearest
from vlhyper.metrics.report import MetricPath, Metrics, Report, SummedMetric, mean_of
from vlhyper.published import LABELS
from vlhyper.wording import shown

# What T5's evaluation takes a text for that is no number.
NO_GRADE = -1.0
LOWEST, HIGHEST = 0.0, 5.0
NO_SPREAD = 1e-12


@dataclass(frozen=True)
class LabelTask:
    """One task: its labels in the order of their numbers in published files (none for grades), and its metrics."""

    labels: tuple[str, ...]
    metrics: tuple[str, ...] = ("accuracy",)


OTHER_METRICS = {"cola": ("matthews",), "mrpc": ("accuracy", "f1"), "qqp": ("accuracy", "f1")}
LABEL_TASKS = {name: LabelTask(labels, OTHER_METRICS.get(name, ("accuracy",))) for name, labels in LABELS.items()}
LABEL_TASKS["stsb"] = LabelTask((), ("pearson", "spearman"))


def task_named(name: str) -> LabelTask:
    """A task of labels by name. Raises UserError for an unknown one."""
    if name not in LABEL_TASKS:
        raise UserError(f"unknown task {name!r}{nearest(name, LABEL_TASKS)}")
    return LABEL_TASKS[name]


def read_grade(text: str) -> float:
    """A generated STS-B grade, or -1 where the text is no finite number.

    A number beyond 0 to 5 is kept, as T5's evaluation keeps it (`string_to_float`): a model that writes 5.02 is near.
    """
    return float(text) if is_grade(text) else NO_GRADE


def is_grade(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def label_accuracy(predictions: Sequence[str], gold: Sequence[str]) -> float:
    """Share of predictions that are the right label, × 100. Raises UserError unless both run in step.

    >>> label_accuracy(["neutral", " entailment", "dog"], ["neutral", "entailment", "neutral"])
    66.66666666666667
    """
    return 100 * sum(_right(predictions, gold)) / len(gold)


def _right(predictions: Sequence[str], gold: Sequence[str]) -> list[bool]:
    _check_step(predictions, gold)
    return [given.strip() == right for given, right in zip(predictions, gold, strict=True)]


def _check_step(predictions: Sequence[str], gold: Sequence[Any]) -> None:
    if isinstance(predictions, str) or len(predictions) != len(gold) or not gold:
        raise UserError(f"{len(predictions)} predictions for {len(gold)} true answers; give lists, one text for each")


def as_numbers(predictions: Sequence[str], gold: Sequence[str], labels: tuple[str, str]) -> tuple[list[int], list[int]]:
    """Predictions and truth of a task with two labels as 0 and 1; a text that is no label becomes the wrong one."""
    _check_step(predictions, gold)
    strange = set(gold).difference(labels)
    if strange:
        raise UserError(f"{shown(min(strange, key=str))} is not one of the labels {labels[0]!r} and {labels[1]!r}")
    truth = [labels.index(right) for right in gold]
    given = [
        labels.index(text.strip()) if text.strip() in labels else 1 - right
        for text, right in zip(predictions, truth, strict=True)
    ]
    return given, truth


def f1(predictions: Sequence[str], gold: Sequence[str], labels: tuple[str, str]) -> float:
    """F1 of the second label, × 100, by scikit-learn."""
    from sklearn.metrics import f1_score

    given, truth = as_numbers(predictions, gold, labels)
    return 100 * float(f1_score(truth, given, zero_division=0))


def matthews(predictions: Sequence[str], gold: Sequence[str], labels: tuple[str, str]) -> float:
    """Matthews correlation, × 100, by scikit-learn; 0 where predictions or truth are all the same."""
    from sklearn.metrics import matthews_corrcoef

    given, truth = as_numbers(predictions, gold, labels)
    if len(set(given)) < 2 or len(set(truth)) < 2:
        return 0.0
    return 100 * float(matthews_corrcoef(truth, given))


def pearson(predictions: Sequence[str], gold: Sequence[float]) -> float:
    """Pearson correlation of generated grades with the true ones, × 100, by scipy; nan where one side is constant."""
    from scipy.stats import pearsonr

    return _correlation(pearsonr, predictions, gold)


def spearman(predictions: Sequence[str], gold: Sequence[float]) -> float:
    """Spearman correlation of generated grades with the true ones, × 100, by scipy; nan where one side is constant."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, predictions, gold)


def _correlation(correlate: Callable[..., Any], predictions: Sequence[str], gold: Sequence[float]) -> float:
    _check_step(predictions, gold)
    grades = [read_grade(text) for text in predictions]
    if len(set(grades)) < 2 or len(set(gold)) < 2:
        return math.nan
    return 100 * float(correlate(grades, gold).statistic)


def label_report(name: str, ids: Sequence[Any], predictions: Sequence[str], gold: Sequence[Any]) -> Report:
    """Score predictions of one task of `LABEL_TASKS`; gold holds labels, or grades for STS-B. All three run in step."""
    task = task_named(name)
    if not task.labels:
        return _grade_report(name, ids, predictions, gold)
    right = [100.0 * hit for hit in _right(predictions, gold)]
    binary: dict[str, Callable[..., float]] = {"f1": f1, "matthews": matthews}
    metrics: Metrics = {"accuracy": label_accuracy(predictions, gold)} if "accuracy" in task.metrics else {}
    metrics |= {key: binary[key](predictions, gold, task.labels) for key in task.metrics if key in binary}
    rows_of: dict[MetricPath, list[int]] = {
        ("per_label", label): [row for row, truth in enumerate(gold) if truth == label] for label in task.labels
    }
    metrics["per_label"] = {
        path[1]: sum(right[row] for row in members) / len(members) for path, members in rows_of.items() if members
    }
    others = [text.strip() for text in predictions if text.strip() not in task.labels]

    def summed() -> dict[MetricPath, SummedMetric]:
        found = {
            path: mean_of([right[row] for row in members], members) for path, members in rows_of.items() if members
        }
        if "accuracy" in metrics:
            found[("accuracy",)] = mean_of(right)
        return found | {
            (key,): _confusion(key, predictions, gold, task.labels) for key in task.metrics if key in binary
        }

    return Report(
        task=name,
        n=len(gold),
        metrics=metrics,
        skipped={
            f"per_label/{label}": "no scored item has this label" for (_, label), rows in rows_of.items() if not rows
        },
        settings={"no_label": len(others)},
        notes=[_not_labels(others, len(gold), task.labels)] if others else [],
        ids=ids,
        items={"accuracy": right},
        summed=summed,
    )


def _not_labels(others: Sequence[str], count: int, labels: Sequence[str]) -> str:
    """What is said of predictions that are no label."""
    simple = {label.lower() for label in labels}
    close = sum(text.lower().rstrip(". ") in simple for text in others)
    but = f"; {close} would match without case and final period" if close else ""
    return f"{len(others)} of {count} predictions are not among the labels {', '.join(labels)}, and count as wrong{but}"


def _confusion(key: str, predictions: Sequence[str], gold: Sequence[str], labels: tuple[str, ...]) -> SummedMetric:
    given, truth = as_numbers(predictions, gold, (labels[0], labels[1]))
    cells = [[float(2 * right + guess == cell) for cell in range(4)] for guess, right in zip(given, truth, strict=True)]
    return SummedMetric(None, cells, {"f1": _f1_of, "matthews": _matthews_of}[key])


def _f1_of(cells: Any) -> Any:
    """F1 from counts of true negatives, false positives, false negatives, true positives, shape (..., 4)."""
    import numpy as np

    wrong = cells[..., 1] + cells[..., 2]
    return 100 * 2 * cells[..., 3] / np.maximum(2 * cells[..., 3] + wrong, 1e-300)


def _matthews_of(cells: Any) -> Any:
    """Matthews correlation from the same counts; 0 where a row or a column is empty, as scikit-learn has it."""
    import numpy as np

    negative, false_positive, false_negative, positive = (cells[..., index] for index in range(4))
    product = (positive + false_positive) * (positive + false_negative)
    product = product * (negative + false_positive) * (negative + false_negative)
    return (
        100 * (positive * negative - false_positive * false_negative) / np.sqrt(np.where(product == 0, np.inf, product))
    )


def _grade_report(name: str, ids: Sequence[Any], predictions: Sequence[str], gold: Sequence[float]) -> Report:
    values = {"pearson": pearson(predictions, gold), "spearman": spearman(predictions, gold)}
    constant = "all predictions, or all true grades, are the same"
    return Report(
        task=name,
        n=len(gold),
        metrics={key: value for key, value in values.items() if not math.isnan(value)},
        skipped={key: constant for key, value in values.items() if math.isnan(value)},
        settings={"no_label": sum(not is_grade(text) for text in predictions)},
        ids=ids,
        items={
            "squared_error": [(read_grade(text) - right) ** 2 for text, right in zip(predictions, gold, strict=True)]
        },
        summed=lambda: {} if math.isnan(values["pearson"]) else {("pearson",): _products(predictions, gold)},
    )


def _products(predictions: Sequence[str], gold: Sequence[float]) -> SummedMetric:
    grades = [read_grade(text) for text in predictions]
    return SummedMetric(
        None, [(1.0, x, y, x * x, y * y, x * y) for x, y in zip(grades, gold, strict=True)], _pearson_of
    )


def _pearson_of(sums: Any) -> Any:
    import numpy as np

    n, x, y, xx, yy, xy = (sums[..., index] for index in range(6))
    spreads = (n * xx - x * x, n * yy - y * y)
    # Of equal grades rounding leaves a spread that is not quite 0.
    constant = (spreads[0] <= NO_SPREAD * n * xx) | (spreads[1] <= NO_SPREAD * n * yy)
    return 100 * (n * xy - x * y) / np.sqrt(np.where(constant, np.nan, spreads[0] * spreads[1]))
