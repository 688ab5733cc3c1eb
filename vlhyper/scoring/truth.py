"""What answers are compared with: read from a split's files, or from its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlhyper.errors import UserError, nearest
from vlhyper.metrics.report import SHORT_ANSWERS, Report
from vlhyper.readers.formats import FORMATS
from vlhyper.readers.gold import Gold, gold_of_rows, without_duplicates
from vlhyper.readers.source import Source
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer
from vlhyper.scoring.scorers import find_scorer

if TYPE_CHECKING:
    from datasets import Dataset

    from vlhyper.readers.manifest import Manifest
    from vlhyper.tasks import Task


@dataclass(frozen=True)
class Truth:
    """What is right for the rows of one split, read when it is first asked for, and the scorer that compares it."""

    name: str
    scorer: Scorer
    read: Callable[[], Gold]

    @cached_property
    def gold(self) -> Gold:
        """Raises UserError for files that do not say what is right."""
        return self.read()

    def sample(self, ids: Iterable[str]) -> Truth:
        """The truth about the rows with these ids, kept in memory, in the order of the truth."""
        part = self.gold.among(set(map(self._id, ids)))
        return Truth(self.name, self.scorer, lambda: part)

    def answers(self) -> dict[str, str]:
        """One right answer for every row, by row id."""
        return {str(id): answer for id, answer in self.gold.answers().items()}

    def score(self, answers: Mapping[str, str], **options: Any) -> Report:
        """The scores of the rows that have an answer, by row id. Options that the scorer does not take do nothing.

        Raises UserError where no row has both an answer and a truth.
        """
        given = {self._id(id): text for id, text in answers.items()}
        scored = self.gold.among(given)
        if not scored.ids:
            raise UserError(
                f"{self.name}: none of the rows has a reference answer; do these files belong to this split?"
            )
        taken = {
            name: check(options[name], name)
            for name, check in self.scorer.accepted.items()
            if options.get(name) is not None
        }
        return report_of(self.scorer, scored, given, taken, total=len(self.gold.ids))

    def _id(self, row_id: str) -> Any:
        return self.scorer.predictions.as_id(row_id, "id")


def report_of(
    scorer: Scorer, scored: Gold, answers: Mapping[Any, str], options: Mapping[str, Any], total: int
) -> Report:
    """The report of one scorer on the items `scored`, of `total` there are.

    Option `chat` adds the same metrics of the short answers in what a chat model wrote, under a key of their own.
    """
    report = scorer.report(scored, answers, options)
    report.total = total
    report.settings = {**report.settings, **scored.settings}
    report.answers, report.right = [answers[id] for id in scored.ids], scored.right
    if options.get("chat"):
        rule, found = scorer.extraction.rule, scorer.extraction.short
        right = dict(scored.others) | dict(zip(scored.ids, scored.right, strict=True))
        short = {id: found(text, right[id], options) for id, text in answers.items() if id in right}
        changed = sum(short[id] != answers[id] for id in scored.ids)
        metrics = scorer.report(scored, short, options).metrics
        report.extra[SHORT_ANSWERS] = {"rule": rule, "changed": changed, "metrics": metrics}
    return report


def find_truth(task: Task, manifest: Manifest, split: str, rows: Dataset) -> Truth | None:
    """The truth about the rows of a split; None where the task is not scored or the split has no public answers."""
    from vlhyper.tasks import target_counts

    if not task.metrics or not target_counts(rows).any():
        return None
    scorer = find_scorer(task.scorer)
    _check_layouts(scorer)
    read_files = scorer.layouts.get(manifest.format)
    if read_files is None:
        return Truth(task.name, scorer, lambda: _of_rows(scorer, rows, f"{manifest.name}, split {split}"))
    return Truth(task.name, scorer, lambda: _of_files(scorer, read_files(manifest.source(split)), rows))


def prediction_file(task: Task) -> PredictionFile:
    """How the predictions of a task are written."""
    return find_scorer(task.scorer).predictions if task.scorer else PredictionFile()


def _of_rows(scorer: Scorer, rows: Iterable[Mapping[str, Any]], where: str) -> Gold:
    gold = gold_of_rows(rows, scorer.right_of, scorer.predictions.as_id, where)
    return replace(gold, settings={"truth": "rows"})


def _of_files(scorer: Scorer, gold: Gold, rows: Dataset) -> Gold:
    """Of what the files say only that about the rows: a split may be a part of its files."""
    return gold.among({scorer.predictions.as_id(id, "id") for id in rows["id"]})


def gold_of_files(scorer: Scorer, options: Mapping[str, Any]) -> Gold:
    """What the files that a user named say, in whichever of the scorer's layouts they are. Raises UserError."""
    path: Path = options[scorer.truth]
    layout = layout_of(scorer, path)
    form, read = FORMATS[layout], scorer.layouts[layout]
    files = {name: (options[name],) for name in scorer.files if name in options and name in form.roles}
    files[form.truth_role] = (path,)
    settings = {**scorer.table, **options, "subset": options.get("split")}
    source = Source(files, settings)
    if read is not None:
        return read(source)
    rows = list(form.read(source))
    gold = gold_of_rows(rows, scorer.right_of, scorer.predictions.as_id, str(path))
    without_duplicates([*gold.ids, *gold.others], str(path))
    if not gold.ids:
        why = "the labels of this split are not public; give a labelled one" if rows else "it has no record"
        raise UserError(f"{path}: nothing to score against: {why}")
    return gold


def _check_layouts(scorer: Scorer) -> None:
    for name in scorer.layouts:
        if name not in FORMATS:
            raise UserError(f"scorer {scorer.name!r}: unknown format {name!r}{nearest(name, FORMATS)}")


def layout_of(scorer: Scorer, path: Path) -> str:
    """Which of the scorer's formats a file has."""
    _check_layouts(scorer)
    for name in reversed(scorer.layouts):
        recognises = FORMATS[name].recognises
        if recognises is not None and recognises(path):
            return name
    return next(iter(scorer.layouts))
