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
from vlhyper.run.batches import Collator, TaskRows, load_split
from vlhyper.run.config import RunConfig
from vlhyper.run.evaluate import Answers, answer, answerable
from vlhyper.scoring.truth import Truth, find_truth, report_of
from vlhyper.tasks import Decoding


@dataclass(frozen=True)
class HeldOut:
    """The validation sample of one task: its rows and, where they are scored, what is right for each."""

    rows: TaskRows
    gold: Mapping[str, Any]

    def report(self, answers: Answers) -> Report:
        """The task's own figures, and of captions no others."""
        task = self.rows.task
        return report_of(task, self.gold, answers, ",".join(task.figures).lower())


def hold_out(config: RunConfig, features: FeatureSet | None, scoring: bool = True) -> dict[str, HeldOut]:
    """The samples that validation goes through, cut from their splits once; none where the run does not validate.

    Args:
        scoring: read the truth too, and score it against itself, so that whatever hinders a score is told at once.

    Raises UserError for files that don't hold the truth, JobError for a scorer that can't run.
    """
    if not config.validation.every:
        return {}
    splits = {name: entry.validation for name, entry in config.tasks.items() if entry.validation}
    loaded = load_split(config, splits, features).values()
    found = {rows.name: hold_out_of(config, rows, scoring) for rows in loaded}
    return {name: held_out for name, held_out in found.items() if held_out is not None}


def hold_out_of(config: RunConfig, rows: TaskRows, scoring: bool = True) -> HeldOut | None:
    """The sample of one task's validation split, of which `rows` are all; None where nothing scores it."""
    name, split = rows.name, config.tasks[rows.name].validation
    assert split is not None
    truth = find_truth(rows.task, config.manifest(name), split, rows.rows)
    if truth is None:
        say(f"{name}: is not validated; nothing scores its split {split}")
        return None
    sample = spread(answerable(rows), config.validation.sample)
    rows = replace(rows, rows=rows.rows.select(sample))
    return HeldOut(rows, _checked(name, split, rows, truth) if scoring else {})


def spread(places: list[int], count: int) -> list[int]:
    """`count` of the places, evenly spread; all where there are fewer."""
    if count >= len(places):
        return places
    return [places[place] for place in np.linspace(0, len(places) - 1, count).astype(int)]


def _checked(name: str, split: str, rows: TaskRows, truth: Truth) -> Mapping[str, Any]:
    """The truth about the sample, after it was scored as if it were answers."""
    sample = set(rows.rows["id"])
    try:
        # In the order of the truth, as the scorers sum it.
        gold = {id: right for id, right in truth.gold().items() if id in sample}
        report = HeldOut(rows, gold).report({id: _an_answer(right) for id, right in gold.items()})
        if lacking := [figure for figure in rows.task.figures if figure not in report.metrics]:
            raise JobError(f"{lacking[0]} can't be computed: {report.skipped.get(lacking[0])}")
    except (UserError, JobError) as error:
        without = f"tasks.{name}.validation=null does without"
        raise type(error)(f"validation of {name}, split {split}: {error}; {without}") from None
    return gold


def _an_answer(right: Any) -> str:
    if isinstance(right, Mapping):
        return str(right["answer"])
    return right[0] if isinstance(right, list) else str(right)


def validate(
    config: RunConfig, model: VLHyperPELT, held_out: Mapping[str, HeldOut], collator: Collator
) -> dict[str, float]:
    """The figures of every task on its sample, and their mean over the tasks as `mean`.

    Under several processes the main one has them, the others have none.
    """
    figures: dict[str, float] = {}
    means = []
    for name, sample in held_out.items():
        decoding = Decoding(config.validation.beams, config.decoding(name).max_new_tokens)
        answers = answer(model, sample.rows, collator, decoding, config.evaluation_batch)
        if not PartialState().is_main_process:
            continue
        # A figure can be without meaning for some answers (a correlation of equal ones); it then counts as 0.
        metrics = sample.report(answers).metrics
        own = {figure: metrics.get(figure, 0.0) for figure in sample.rows.task.figures}
        figures.update({f"{name}.{figure}": value for figure, value in own.items()})
        means.append(sum(own.values()) / len(own))
    return {**figures, "mean": sum(means) / len(means)} if means else figures
