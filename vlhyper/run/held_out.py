"""The sample of each task that validation goes through, with the truth about it in memory. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vlhyper.console import say
from vlhyper.errors import JobError, UserError, first_few
from vlhyper.features import FeatureSet
from vlhyper.metrics import Report
from vlhyper.run.rows import TaskRows, load_split
from vlhyper.run.tasks import Run
from vlhyper.scoring.truth import Truth, find_truth
from vlhyper.tasks import target_counts

Answers = dict[str, str]


def answerable(rows: TaskRows) -> list[int]:
    """The indices of the rows that can be scored; of all rows where none can."""
    scorable = np.flatnonzero(target_counts(rows.rows)).tolist()
    return scorable or list(range(len(rows)))


@dataclass(frozen=True)
class HeldOut:
    """The validation sample of one task: its rows and, where they are scored, the truth about them."""

    rows: TaskRows
    truth: Truth | None

    def report(self, answers: Answers) -> Report:
        """The task's own metrics, and of captions no others."""
        assert self.truth is not None
        return self.truth.score(answers, metrics=",".join(self.rows.task.kind.metrics))


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
    return HeldOut(rows, _checked(rows, truth) if scoring else None)


def spread(indices: list[int], count: int) -> list[int]:
    """`count` of the indices, evenly spread; all where there are fewer."""
    if count >= len(indices):
        return indices
    return [indices[position] for position in np.linspace(0, len(indices) - 1, count).astype(int)]


def _checked(rows: TaskRows, truth: Truth) -> Truth:
    """The truth about the sample, after it was scored as if it were answers."""
    try:
        sample = truth.sample(rows.rows["id"])
        report = HeldOut(rows, sample).report(sample.answers())
        if lacking := [metric for metric in rows.task.kind.metrics if metric not in report.metrics]:
            if lacking[0] not in report.skipped:
                has = first_few(report.metrics, 8)
                raise UserError(f"the scorer reports no metric {lacking[0]!r}, which the task names; it reports {has}")
            raise JobError(f"{lacking[0]} cannot be computed: {report.skipped[lacking[0]]}")
    except (UserError, JobError) as error:
        hint = f"to train without it, set tasks.{rows.task.name}.validation=null"
        raise type(error)(f"validation of {rows.where}: {error}; {hint}") from None
    return sample
