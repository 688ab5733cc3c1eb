"""What few-shot cells leave behind: one JSON file each, and their means over seeds. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.errors import UserError
from vlhyper.files import read_json, write_json
from vlhyper.metrics.seeds import Point, point
from vlhyper.settings import Strict, validated

FILE = "result.json"


class Result(Strict):
    """One cell: what was trained on what, and how well it answers the test split.

    score: the mean of the metrics that stand for the task, × 100; metrics: all single ones. n: items scored.
    validation, best_step: of the step whose weights are scored; None where nothing validates. start: of the trained
    weights that it begins with, path and SHA-256. sample_sha256: of the ids of its examples. inputs: digests of
    features, backbone, tokenizer and data. trained, total: numbers of the model.
    """

    task: str
    name: str
    title: str
    method: str
    tune: list[str] | None
    shots: int
    seed: int
    score: float
    metrics: dict[str, float]
    n: int
    validation: float | None
    best_step: int | None
    steps: int
    trained: int
    total: int
    start: dict[str, str] | None
    sample_sha256: str | None
    inputs: dict[str, Any]
    seconds: float


class Curve(NamedTuple):
    """One model on one task: what it trains, and its scores by number of shots, ascending."""

    task: str
    title: str
    trained: int
    points: dict[int, Point]


def write_result(folder: Path, result: Result) -> None:
    """Write what `read_result` reads."""
    write_json(folder / FILE, result.model_dump(), indent=2)


def read_result(folder: Path) -> Result | None:
    """What a cell left in its folder; None where it is not finished. Raises UserError for another file."""
    path = folder / FILE
    return validated(Result, read_json(path), str(path)) if path.is_file() else None


def read_results(folders: Sequence[Path]) -> list[Result]:
    """The finished cells below some folders, in the order of their paths. Raises UserError for a folder without any."""
    found = []
    for folder in folders:
        paths = sorted(folder.rglob(FILE))
        if not paths:
            raise UserError(f"{folder}: holds no few-shot result ({FILE}); make some with: vlhyper fewshot RUN")
        found += [result for path in paths if (result := read_result(path.parent))]
    return found


def curves(results: Iterable[Result]) -> list[Curve]:
    """Mean and deviation over seeds. Results of two folders that are alike in task, title and size are one curve.

    Raises UserError where a seed would count twice.
    """
    found: dict[tuple[str, str, int], dict[int, dict[int, float]]] = {}
    for one in results:
        # The samples of a seed are the same for every model, and so are those of a seed in two folders.
        seeds = found.setdefault((one.task, one.title, one.trained), {}).setdefault(one.shots, {})
        if seeds.get(one.seed, one.score) != one.score:
            raise UserError(f"{one.task}, {one.title}: two results of {one.shots} shots with seed {one.seed} differ")
        seeds[one.seed] = one.score
    return [
        Curve(*key, {shots: point(list(by_shots[shots].values())) for shots in sorted(by_shots)})
        for key, by_shots in found.items()
    ]


def table_of(found: Sequence[Curve]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Columns and rows of a table: a row for each model and task, a column for each number of shots."""
    shots = sorted({number for curve in found for number in curve.points})
    columns = ("task", "method", "trained", *map(str, shots))
    rows: list[tuple[object, ...]] = [
        (curve.task, curve.title, f"{curve.trained:,}", *(str(curve.points.get(number, "")) for number in shots))
        for curve in found
    ]
    return columns, rows


def digest_of(ids: Iterable[str]) -> str:
    """SHA-256 of the ids of a sample, whatever their order."""
    import hashlib

    return hashlib.sha256(json.dumps(sorted(ids)).encode()).hexdigest()
