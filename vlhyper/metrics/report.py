"""What a scorer gives back: named metrics, the score of every item, and what a bootstrap needs to resample them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.files import write_text, writing

Metrics = dict[str, Any]
# The names that lead to one metric: ("answer_type", "yes/no").
MetricPath = tuple[str, ...]
# What `chat` adds to a report: its key there, and its column in tables.
SHORT_ANSWERS, SENTENCES = "answers_from_sentences", "answers from sentences"
# Metrics that fall as a system gets better.
LOWER_IS_BETTER = frozenset({"distribution", "CHAIRs", "CHAIRi"})


@dataclass(frozen=True)
class SummedMetric:
    """One metric as a function of sums over items, so that it can be computed again for any resample of them.

    rows: the items it is about, as indices into the report's ids (None: all of them).
    sums: a list of numbers for each of these items, shape (rows, k).
    finish: array of summed numbers, shape (..., k), to the metric, shape (...), × 100.
    """

    rows: Sequence[int] | None
    sums: Sequence[Sequence[float]]
    finish: Callable[[Any], Any]


def mean_of(scores: Sequence[float], rows: Sequence[int] | None = None) -> SummedMetric:
    """The plain mean of item scores (× 100 already) as a SummedMetric."""
    return SummedMetric(rows, [(score, 1.0) for score in scores], _ratio)


def _ratio(sums: Any) -> Any:
    return sums[..., 0] / sums[..., 1]


@dataclass
class Report:
    """The scores of one system on one task.

    Every score is × 100 and unrounded. `metrics` may be nested one level (`{"answer_type": {"yes/no": 81.2}}`);
    `skipped` says why a metric is missing, `notes` what a reader of the scores should know; `items` holds one score an
    id and name, None where a metric is not about the item; `clusters` names what items share (their image), the unit of
    the bootstrap; `summed` gives what the bootstrap computes again. `answers` and `right` are what was compared, in
    step with the ids; `others` are the reports of the systems it was compared with, by name.
    """

    task: str
    n: int
    metrics: Metrics
    variant: str | None = None
    total: int | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    ids: Sequence[Any] = field(default=(), repr=False)
    items: Mapping[str, Sequence[float | None]] = field(default_factory=dict, repr=False)
    clusters: Sequence[Any] | None = field(default=None, repr=False)
    summed: Callable[[], dict[MetricPath, SummedMetric]] = field(default=dict, repr=False)
    extra: dict[str, Any] = field(default_factory=dict)
    answers: Sequence[str] = field(default=(), repr=False)
    right: Sequence[Any] = field(default=(), repr=False)
    others: dict[str, Report] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The report as one object for JSON: what was scored and how, metrics, skipped, and what was asked besides."""
        head = {
            "task": self.task,
            "variant": self.variant,
            "n": self.n,
            "total": self.n if self.total is None else self.total,
        }
        found = {"metrics": self.metrics, "skipped": self.skipped} | ({"notes": self.notes} if self.notes else {})
        return head | self.settings | found | self.extra

    def add(self, name: str, scores: Sequence[float]) -> None:
        """Add a metric that is the plain mean of item scores (× 100 already)."""
        before = self.summed
        self.metrics[name] = sum(scores) / len(scores)
        self.items = {**self.items, name: scores}
        self.summed = lambda: before() | {(name,): mean_of(scores)}

    def flat(self) -> Iterator[tuple[MetricPath, float]]:
        """Every metric with the path of names that leads to it."""
        yield from flatten(self.metrics)

    def of_sentences(self) -> dict[MetricPath, float]:
        """The metrics of the short answers in sentences; none where they were not asked for."""
        return dict(flatten(self.extra.get(SHORT_ANSWERS, {}).get("metrics", {})))

    def item_lines(self) -> Iterator[str]:
        """One JSON object an item: `{"id": 458752000, "scores": {"overall": 100.0}}`."""
        names = list(self.items)
        for identifier, *scores in zip(self.ids, *self.items.values(), strict=True):
            present = {name: score for name, score in zip(names, scores, strict=True) if score is not None}
            yield json.dumps({"id": identifier, "scores": present}, ensure_ascii=False)

    def write_items(self, path: str | Path) -> None:
        """Write the item scores as JSON lines. Raises UserError where there are none, or nothing can be written."""
        if not self.items:
            raise UserError(f"{path}: not written: the scorer of {self.task} gives no score for single items")
        with writing(path):
            write_text(path, "".join(f"{line}\n" for line in self.item_lines()))


def flatten(metrics: Mapping[str, Any], before: MetricPath = ()) -> Iterator[tuple[MetricPath, Any]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from flatten(value, (*before, name))
        else:
            yield (*before, name), value


def nest(values: Iterable[tuple[MetricPath, Any]]) -> Metrics:
    """The inverse of `flatten`."""
    nested: Metrics = {}
    for (*heads, last), value in values:
        inner = nested
        for head in heads:
            inner = inner.setdefault(head, {})
        inner[last] = value
    return nested
