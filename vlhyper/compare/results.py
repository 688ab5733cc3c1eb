"""What the runs of a comparison leave behind, and their means over seeds. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from pydantic import Field

from vlhyper.errors import UserError
from vlhyper.files import read_json, write_json, write_text
from vlhyper.metrics.seeds import Point, point
from vlhyper.settings import Strict, validated
from vlhyper.show.scatter import Dot, save_scatter
from vlhyper.show.tables import markdown

FILE = "result.json"
MEAN = "mean"


class Result(Strict):
    """One run.

    validation: the best mean over tasks, × 100. scores: of the test split by `task.metric`, × 100, and their `mean`;
    empty where only the rate was tried. trained, total: numbers of the model. seconds_per_step: while training, with as
    many runs beside it as `jobs`. memory: the most that the log tells of, in MB. examples_per_second: of training.
    """

    method: str
    title: str
    rate: float
    seed: int
    steps: int
    trained: int
    total: int
    validation: float
    seconds_per_step: float
    examples_per_second: float
    memory: float
    scores: dict[str, float] = Field(default_factory=dict)


class Row(NamedTuple):
    """One method at its chosen rate: medians of cost, means and deviations of scores."""

    method: str
    title: str
    rate: float
    trained: int
    share: float
    seconds_per_step: float
    examples_per_second: float
    memory: float
    scores: dict[str, Point]


def read_result(folder: Path) -> Result | None:
    """What a run left in its folder; None where it is not finished. Raises UserError for another file."""
    path = folder / FILE
    return validated(Result, read_json(path), str(path)) if path.is_file() else None


def write_result(folder: Path, result: Result) -> None:
    """Write what `read_result` reads."""
    write_json(folder / FILE, result.model_dump(), indent=2)


def best_rates(results: Iterable[Result]) -> dict[str, float]:
    """Of each method the rate with the best validation mean; of equal ones the lowest."""
    best: dict[str, Result] = {}
    for one in sorted(results, key=lambda result: result.rate):
        if one.method not in best or one.validation > best[one.method].validation:
            best[one.method] = one
    return {name: one.rate for name, one in best.items()}


def summed_up(results: Sequence[Result], methods: Sequence[str]) -> list[Row]:
    """A row for each method, in the order of `methods`, from the runs that were scored."""
    rows = []
    for name in methods:
        runs = [one for one in results if one.method == name and one.scores]
        if not runs:
            raise UserError(f"method {name!r} has no scored run")
        first = runs[0]
        rows.append(
            Row(
                name,
                first.title,
                first.rate,
                first.trained,
                100 * first.trained / first.total,
                median(one.seconds_per_step for one in runs),
                median(one.examples_per_second for one in runs),
                median(one.memory for one in runs),
                {metric: point([one.scores[metric] for one in runs]) for metric in first.scores},
            )
        )
    return rows


def table_of(rows: Sequence[Row]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Columns and rows of the table."""
    metrics = tuple(rows[0].scores) if rows else ()
    columns = ("method", "trained", "share %", "rate", *metrics, "s a step", "examples/s", "MB")
    body: list[tuple[object, ...]] = [
        (
            row.title,
            f"{row.trained:,}",
            row.share,
            f"{row.rate:g}",
            *map(str, row.scores.values()),
            f"{row.seconds_per_step:.3f}",
            round(row.examples_per_second),
            round(row.memory),
        )
        for row in rows
    ]
    return columns, body


def write_table(rows: Sequence[Row], out: Path) -> list[Path]:
    """Write `compare.md`, `compare.json`, `compare.png` and `.svg` into `out`; returns their paths."""
    columns, body = table_of(rows)
    write_text(out / "compare.md", markdown(columns, body))
    values = [{**row._asdict(), "scores": {name: one._asdict() for name, one in row.scores.items()}} for row in rows]
    write_text(out / "compare.json", json.dumps(values, indent=2) + "\n")
    panels = {
        metric: [Dot(row.title, row.trained, row.scores[metric].mean, row.scores[metric].deviation) for row in rows]
        for metric in (rows[0].scores if rows else ())
    }
    return [out / "compare.md", out / "compare.json", *save_scatter(panels, out / "compare")]
