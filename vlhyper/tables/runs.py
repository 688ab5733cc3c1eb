"""Evaluated runs: what a run folder says of its scores, and which runs differ in nothing but their seed. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.errors import UserError
from vlhyper.files import read_object
from vlhyper.metrics.seeds import Point, point
from vlhyper.run.config import NEUTRAL, RunConfig, load_config, task_of
from vlhyper.tables.rows import Column

# What may differ between runs of one line: where files lie, and how scores are made.
ELSEWHERE = ("features.files", "evaluation_batch", "training.seed", *NEUTRAL)
ELSEWHERE_OF_TASKS = ("root", "image_key")
# What differs as well between the tasks of a method that has a run for each.
OF_ITS_TASK = ("data", "task")


class Evaluated(NamedTuple):
    """A run and the reports of one split by the name of the task, as `scores.json` has them."""

    folder: Path
    config: RunConfig
    reports: Mapping[str, Mapping[str, Any]]

    @property
    def kinds(self) -> list[str]:
        """The rows of the table of tasks that it is trained on."""
        return [task_of(self.config, name).name for name in self.config.tasks]


class Group:
    """Runs that differ in their seed alone and, where each has a single task, in their task."""

    def __init__(self, runs: Sequence[Evaluated]) -> None:
        self.runs = list(runs)

    @property
    def config(self) -> RunConfig:
        return self.runs[0].config

    @property
    def single(self) -> bool:
        """Whether each of its runs has one task."""
        return len(self.config.tasks) == 1

    @property
    def kinds(self) -> list[str]:
        """The tasks of its runs, each once."""
        return list(dict.fromkeys(kind for run in self.runs for kind in run.kinds))

    @cached_property
    def by_seed(self) -> dict[int, dict[str, Mapping[str, Any]]]:
        """{seed: {task: report}}. Raises UserError where a task would count twice."""
        found: dict[int, dict[str, Mapping[str, Any]]] = {}
        of: dict[tuple[int, str], Path] = {}
        for run in self.runs:
            seed = run.config.training.seed
            for task, report in run.reports.items():
                if (seed, task) in of:
                    told = f"{of[seed, task]} and {run.folder}: are runs of one config with one seed ({seed})"
                    raise UserError(f"{told}; leave one of them out")
                of[seed, task] = run.folder
                found.setdefault(seed, {})[task] = report
        return found

    def point(self, column: Column) -> Point | None:
        """The mean of a score over seeds; None where no run has it."""
        return _point(_score(reports, column) for reports in self.by_seed.values())

    def average(self, columns: Sequence[Column]) -> Point | None:
        """The mean over seeds of the mean of all these scores; None where no seed has them all."""
        means = []
        for reports in self.by_seed.values():
            scores = [_score(reports, column) for column in columns]
            means.append(None if None in scores else sum(filter(None, scores)) / len(scores))
        return _point(means)


def _point(scores: Iterable[float | None]) -> Point | None:
    known = [score for score in scores if score is not None]
    return point(known) if known else None


def _score(reports: Mapping[str, Mapping[str, Any]], column: Column) -> float | None:
    report = reports.get(column.task, {})
    value = report.get("metrics", {}).get(column.metric)
    if column.variant not in (None, report.get("variant")):
        return None
    return value if isinstance(value, int | float) else None


def read_run(folder: Path) -> Evaluated:
    """A run without its scores. Raises UserError for a folder that holds none."""
    path = folder / "config.yaml"
    if not path.is_file():
        raise UserError(f"{folder}: not a run folder (config.yaml is missing); name one that `vlhyper train` wrote")
    return Evaluated(folder, load_config(path), {})


def read_evaluated(folder: Path, split: str, tasks: Sequence[str]) -> Evaluated:
    """A run with its scores of a split in some tasks. Raises UserError for a folder that has none of them."""
    run = read_run(folder)
    path = folder / "scores.json"
    cure = f"make them with: vlhyper evaluate {folder} --split {split}"
    if not path.is_file():
        raise UserError(f"{folder}: has no scores yet (scores.json is missing); {cure}")
    scores = read_object(path)
    if split not in scores:
        raise UserError(f"{path}: has no scores of the split {split!r}, only of {', '.join(scores) or 'none'}; {cure}")
    of_split = scores[split]
    if not isinstance(of_split, dict) or not all(_is_report(report) for report in of_split.values()):
        raise UserError(f"{path}: {split!r} does not hold reports by task; {cure}")
    found = {}
    for name in run.config.tasks:
        kind = task_of(run.config, name).name
        # Of two entries of one kind the one that is called so counts.
        if name in of_split and kind in tasks and (name == kind or kind not in found):
            found[kind] = of_split[name]
    if not found:
        why = cure if set(run.kinds) & set(tasks) else "this table is not about the tasks of this run"
        raise UserError(f"{path}: has no scores of {', '.join(tasks)}; {why}")
    return run._replace(reports=found)


def _is_report(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("metrics"), dict)


def joined(runs: Iterable[Evaluated]) -> list[Group]:
    """The runs by what they have in common, in the order of their first."""
    found: dict[str, list[Evaluated]] = {}
    for run in runs:
        found.setdefault(_alike(run.config), []).append(run)
    return [Group(one) for one in found.values()]


def _alike(config: RunConfig) -> str:
    """A text that is the same for the runs of one line."""
    values = config.model_dump(mode="json")
    for key in ELSEWHERE:
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        del section[last]
    single = len(config.tasks) == 1
    for task in values["tasks"].values():
        for key in (*ELSEWHERE_OF_TASKS, *(OF_ITS_TASK if single else ())):
            del task[key]
    if single:
        values["tasks"] = list(values["tasks"].values())
    return json.dumps(values, sort_keys=True)
