"""What a run folder tells without its data: config, counts, scores, the course of its training. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.files import read_object
from vlhyper.metrics.report import flatten
from vlhyper.model.methods import method
from vlhyper.model.paper import PRINTED
from vlhyper.model.spec import Counts, count
from vlhyper.run.config import RunConfig, stated_inputs, task_of
from vlhyper.run.logged import LOG, most_memory, read_log, seconds_per_step
from vlhyper.tables.lines import paper_scores
from vlhyper.tables.runs import Evaluated, read_run


@dataclass(frozen=True)
class Trained:
    """One run. scores: the reports of one split as JSON, by task; lines: of its log."""

    name: str
    folder: Path
    config: RunConfig
    scores: Mapping[str, Mapping[str, Any]]
    lines: Sequence[Mapping[str, Any]] = field(repr=False)

    @cached_property
    def counts(self) -> Counts:
        """Its parameters."""
        return count(self.config.model, stated_inputs(self.config))

    @property
    def seconds(self) -> float | None:
        """The seconds of a step, over all steps of the last start."""
        return seconds_per_step(self.lines)

    @property
    def memory(self) -> float | None:
        """The most megabytes that its log tells of; None for runs of earlier releases, whose log tells nothing."""
        return most_memory(self.lines)

    @cached_property
    def main_scores(self) -> dict[str, float]:
        """The metrics that stand for its tasks and, where it has all of them, their mean."""
        wanted = [(name, metric) for name in self.config.tasks for metric in task_of(self.config, name).metrics]
        found = {}
        for name, metric in wanted:
            if (value := self.scores.get(name, {}).get("metrics", {}).get(metric)) is not None:
                found[f"{name} {metric}"] = value
        whole = len(found) == len(wanted) > 1
        return ({"mean": sum(found.values()) / len(found)} if whole else {}) | found

    @cached_property
    def paper(self) -> dict[tuple[str, str], float]:
        """The paper's scores of this run by kind of task and metric, where it is a row of its tables."""
        return paper_scores(Evaluated(self.folder, self.config, self.scores))

    @property
    def facts(self) -> dict[str, str]:
        """What a reader asks first, in words."""
        config, counts = self.config, self.counts
        printed = str(PRINTED.get(counts.method, ""))
        share = f"{counts.trained:,} of {counts.total:,} ({counts.share:.2f} %, {counts.share_per_task:.2f} % per task)"
        training = config.training
        found = [
            ("method", f"{method(counts.method).title} ({counts.method}) on {counts.backbone}"),
            ("tasks", ", ".join(config.tasks)),
            ("trained parameters", share),
            ("the paper's share, on T5-base", printed),
            ("steps", f"{self.steps:,} of {training.steps:,}, {training.batch} examples each, {training.precision}"),
            ("best validation", self.best),
            ("seconds per step", "" if self.seconds is None else f"{self.seconds:.3g}"),
            ("memory", "" if self.memory is None else f"{self.memory:,.0f} MB"),
            ("seed", str(training.seed)),
            (
                "features",
                f"{config.features.encoder or ''}{', of other images (control)' * config.features.mismatched}",
            ),
            ("folder", str(self.folder)),
        ]
        return {name: value for name, value in found if value}

    @property
    def steps(self) -> int:
        """The last step that its log tells of."""
        return max((line["step"] for line in self.lines), default=0)

    @property
    def best(self) -> str:
        """The best validation, in words; empty where nothing validated yet."""
        means = [
            (line["validation"]["mean"], line["step"]) for line in self.lines if "mean" in line.get("validation", {})
        ]
        return "mean {:.2f} at step {:,}".format(*max(means)) if means else ""

    def course(self) -> dict[str, dict[str, list[tuple[int, float]]]]:
        """{task: {what: [(step, value)]}} of losses and validation metrics; the mean of all is under `all tasks`."""
        found: dict[str, dict[str, list[tuple[int, float]]]] = {}
        for line in self.lines:
            for name, loss in line.get("loss", {}).items():
                found.setdefault(name, {}).setdefault("training loss", []).append((line["step"], loss))
            for name, value in line.get("validation", {}).items():
                task, _, metric = name.rpartition(".")
                course = found.setdefault(task or "all tasks", {})
                course.setdefault(f"validation {metric}", []).append((line["step"], value))
        return found


def read_runs(folders: Sequence[Path], split: str) -> list[Trained]:
    """The runs of these folders. Raises UserError for one that is none, or whose files are damaged."""
    paths = [Path(folder) for folder in dict.fromkeys(folders)]
    short = [path.resolve().name for path in paths]
    names = short if len(set(short)) == len(short) else list(map(str, paths))
    return [_read(name, path, split) for name, path in zip(names, paths, strict=True)]


def _read(name: str, folder: Path, split: str) -> Trained:
    config = read_run(folder).config
    path = folder / "scores.json"
    scores = read_object(path).get(split, {}) if path.exists() else {}
    if not isinstance(scores, dict) or not all(isinstance(_metrics(one), dict) for one in scores.values()):
        raise UserError(f"{path}: {split!r} holds no scores by task; move the file away and evaluate the run again")
    lines = read_log(folder / LOG) if (folder / LOG).exists() else []
    return Trained(name, folder, config, scores, lines)


def _metrics(report: Any) -> Any:
    metrics = report.get("metrics") if isinstance(report, dict) else None
    numbers = isinstance(metrics, dict) and all(isinstance(one, int | float) for _, one in flatten(metrics))
    return metrics if numbers else None
