"""Validation while training: a fixed sample of each task, with the truth about it in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from accelerate import PartialState

from vlhyper.console import say
from vlhyper.errors import JobError, UserError
from vlhyper.features import FeatureSet
from vlhyper.metrics import Report
from vlhyper.model.model import VLHyperPELT
from vlhyper.run.batches import Collator
from vlhyper.run.evaluate import Answers, answer, answerable
from vlhyper.run.rows import TaskRows, load_split
from vlhyper.run.tasks import Run
from vlhyper.scoring.truth import Truth, find_truth, report_of
from vlhyper.tasks import Decoding


@dataclass(frozen=True)
class HeldOut:
    """The validation sample of one task: its rows and, where they are scored, what is right for each."""

    rows: TaskRows
    gold: Mapping[str, Any]

    def report(self, answers: Answers) -> Report:
        """The task's own metrics, and of captions no others."""
        task = self.rows.task.kind
        return report_of(task, self.gold, answers, ",".join(task.figures).lower())


def hold_out(run: Run, features: FeatureSet | None, scoring: bool = True) -> dict[str, HeldOut]:
    """The samples that validation goes through, cut from their splits once; none where the run does not validate.

    Args:
        scoring: read the truth too, and score it against itself, so that whatever prevents a score is reported at once.

    Raises UserError for files that do not hold the truth, JobError for a scorer that cannot run.
    """
    if not run.config.validation.every:
        return {}
    splits = {name: split for name, task in run.tasks.items() if (split := task.split("val"))}
    loaded = load_split(run, splits, features).values()
    found = {rows.task.name: hold_out_of(rows, run.config.validation.sample, scoring) for rows in loaded}
    return {name: held_out for name, held_out in found.items() if held_out is not None}


def hold_out_of(rows: TaskRows, most: int, scoring: bool = True) -> HeldOut | None:
    """The sample of one task's validation split, of which `rows` are all; None where nothing scores it."""
    truth = find_truth(rows.task.kind, rows.task.manifest, rows.split, rows.rows)
    if truth is None:
        say(f"{rows.task.name}: not validated; its split {rows.split} has no reference answers that can be scored")
        return None
    rows = replace(rows, rows=rows.rows.select(spread(answerable(rows), most)))
    return HeldOut(rows, _checked(rows, truth) if scoring else {})


def spread(indices: list[int], count: int) -> list[int]:
    """`count` of the indices, evenly spread; all where there are fewer."""
    if count >= len(indices):
        return indices
    return [indices[position] for position in np.linspace(0, len(indices) - 1, count).astype(int)]


def _checked(rows: TaskRows, truth: Truth) -> Mapping[str, Any]:
    """The truth about the sample, after it was scored as if it were answers."""
    sample = set(rows.rows["id"])
    try:
        # In the order of the truth, as the scorers sum it.
        gold = {id: right for id, right in truth.gold().items() if id in sample}
        report = HeldOut(rows, gold).report({id: _an_answer(right) for id, right in gold.items()})
        if lacking := [metric for metric in rows.task.kind.figures if metric not in report.metrics]:
            raise JobError(f"{lacking[0]} cannot be computed: {report.skipped.get(lacking[0])}")
    except (UserError, JobError) as error:
        hint = f"to train without it, set tasks.{rows.task.name}.validation=null"
        raise type(error)(f"validation of {rows.where}: {error}; {hint}") from None
    return gold


def _an_answer(right: Any) -> str:
    if isinstance(right, Mapping):
        return str(right["answer"])
    return right[0] if isinstance(right, list) else str(right)


def validate(run: Run, model: VLHyperPELT, held_out: Mapping[str, HeldOut], collator: Collator) -> dict[str, float]:
    """The metrics of every task on its sample, and the mean of them all as `mean`.

    For GLUE that is the mean of eleven, which is also the paper's Avg (table 1). Under several processes the main one
    has them, the others have none.
    """
    found: dict[str, float] = {}
    for name, sample in held_out.items():
        decoding = Decoding(run.config.validation.beams, run.tasks[name].decoding.max_new_tokens)
        answers = answer(model, sample.rows, collator, decoding, run.config.evaluation_batch)
        if not PartialState().is_main_process:
            continue
        # A metric can be undefined for some answers (a correlation of equal ones); it then counts as 0.
        metrics = sample.report(answers).metrics
        own = {metric: metrics.get(metric, 0.0) for metric in run.tasks[name].kind.figures}
        found.update({f"{name}.{metric}": value for metric, value in own.items()})
    return with_mean(found)


def with_mean(found: Mapping[str, float]) -> dict[str, float]:
    """The metrics and, where there are any, their mean: the score by which a run keeps its best weights."""
    return {**found, "mean": sum(found.values()) / len(found)} if found else {}
