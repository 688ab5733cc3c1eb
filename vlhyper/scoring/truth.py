"""What answers are compared with: the official files of a split or, where a scorer takes none of them, its rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlhyper.errors import UserError
from vlhyper.files import read_json, write_json
from vlhyper.metrics import Report
from vlhyper.metrics.caption_files import read_references
from vlhyper.metrics.captions.scores import caption_report, scorers_named
from vlhyper.metrics.gqa import balanced, gqa_report
from vlhyper.metrics.gqa_files import read_questions
from vlhyper.metrics.label_files import NO_MAJORITY, read_labels, read_snli_ve
from vlhyper.metrics.labels import LABEL_TASKS, label_report
from vlhyper.metrics.vqa import vqa_report
from vlhyper.metrics.vqa_files import VqaTruth, read_truth
from vlhyper.readers import Manifest
from vlhyper.readers.source import expand
from vlhyper.scoring import score
from vlhyper.tasks import Task, numbered, target_counts

if TYPE_CHECKING:
    from datasets import Dataset

# By row id: what people answered (VQA), the question with its `answer` (GQA), the wordings (captions), else the label.
Gold = dict[str, Any]

ANSWER_KEYS = {"stemmed": "answer", "raw": "raw_answer"}
# How many of ten people a soft score stands for; of four and more it does not tell how many, nor does the score.
PEOPLE = {0.3: 1, 0.6: 2, 0.9: 3}
ENOUGH, ALL = 4, 10


@dataclass(frozen=True)
class Truth:
    """The truth of one split: `files` by role with the scorer's options, or without them its `rows`."""

    task: Task
    rows: Dataset
    files: Mapping[str, Any] | None

    def score(self, answers: Mapping[str, str], predictions: Path, metrics: str | None = None) -> Report:
        """The scores of `answers`, which stand in the file `predictions` in the task's official format.

        metrics: of captions, those to compute ("bleu,cider").
        """
        if self.files is None:
            report = report_of(self.task, self.gold(), answers, metrics)
            report.settings = {**report.settings, "truth": "rows"}
            return report
        given: dict[str, Any] = dict(self.files)
        if self.task.scorer == "caption":
            given["metrics"] = metrics
        with tempfile.TemporaryDirectory() as folder:
            for role, paths in self.files.items():
                if isinstance(paths, tuple):
                    given[role] = one_file(paths, Path(folder) / f"{role}.json")
            return score(self.task.scorer, predictions=predictions, partial=True, **given)

    def gold(self) -> Gold:
        """Everything answers of this split are compared with. Raises UserError for files that don't hold it."""
        if self.files is None:
            return _of_rows(self.task, self.rows)
        found: Gold = {}
        for path in self.files[_role(self.task)]:
            found |= _of_file(self.task, str(path), self.files)
        return found


def find_truth(task: Task, manifest: Manifest, split: str, rows: Dataset) -> Truth | None:
    """None where no scorer knows the task (VG-QA) or the split has no public answers (VQA test)."""
    if not task.scorer or not target_counts(rows).any():
        return None
    files = truth_files(task, manifest, split)
    if files is None and (manifest.format not in ("table", "snli-ve") or manifest.round_labels):
        # Rows of the other layouts leave out what their scorers need, and rounded grades are not the true ones.
        return None
    return Truth(task, rows, files)


def truth_files(task: Task, manifest: Manifest, split: str) -> dict[str, Any] | None:
    """The files (a tuple of paths each) and options with which the task's scorer scores a split; None: it can't."""
    files = {role: paths for role, paths in manifest.source(split).files.items() if paths}
    if manifest.format == "vl-t5":
        # One file holds questions and answers; the scorers take it where the official one of the task stands.
        files = {_role(task): files["questions"]}
    if manifest.format == "table":
        files = {"annotations": tuple(file for path in files.get("table", ()) for file in expand(path))}
        if not task.scorer.startswith("glue:") or (_is_parquet(files["annotations"]) and not manifest.round_labels):
            return None
    files.pop("karpathy", None)
    truth = files.get(_role(task), ())
    if not task.scorer or not truth or (len(truth) > 1 and any(path.suffix != ".json" for path in truth)):
        return None
    options: dict[str, Any] = {}
    if manifest.format == "karpathy":
        options["split"] = manifest.split(split).subset
    if task.scorer == "okvqa":
        options["answers"] = manifest.answers
    return {**files, **options}


def _role(task: Task) -> str:
    return "questions" if task.scorer == "gqa" else "annotations"


def _is_parquet(paths: Iterable[Path]) -> bool:
    return any(path.suffix == ".parquet" for path in paths)


def one_file(paths: Sequence[Path], joined: Path) -> Path:
    """The file itself, or `joined` with the records of several: scorers take one."""
    if len(paths) == 1:
        return paths[0]
    write_json(joined, reduce(_merged, map(read_json, paths)))
    return joined


def _merged(one: Any, other: Any) -> Any:
    """Two files of one layout: lists of records, objects by id, or objects that hold lists of records."""
    if isinstance(one, list):
        return one + other
    lists = {key: value + other[key] for key, value in one.items() if isinstance(value, list) and key in other}
    return {**one, **other, **lists}


def _of_file(task: Task, path: str, options: Mapping[str, Any]) -> Gold:
    """Read by the scorers' own readers, so that nothing is told apart differently here."""
    if task.scorer in ("vqa", "okvqa"):
        truth = read_truth(path, answer_key=ANSWER_KEYS[options.get("answers", "stemmed")])
        return dict(zip(map(str, truth.ids), truth.answers, strict=True))
    if task.scorer == "gqa":
        questions = read_questions(path)
        return {id: questions[id] for id in balanced(questions)}
    if task.scorer == "caption":
        return {str(image): texts for image, texts in read_references(path, options.get("split")).items()}
    if task.scorer == "snli-ve":
        return {id: label for id, label in read_snli_ve(path).items() if label != NO_MAJORITY}
    return read_labels(_label_task(task), path)


def _of_rows(task: Task, rows: Dataset) -> Gold:
    columns = [name for name in ("id", "targets", "weights", "question") if name in rows.column_names]
    return {row["id"]: _of_row(task, row) for row in rows.select_columns(columns) if row["targets"]}


def _of_row(task: Task, row: Mapping[str, Any]) -> Any:
    if task.scorer in ("vqa", "okvqa"):
        return people(row["targets"], row["weights"])
    if task.scorer == "caption":
        return row["targets"]
    best = row["targets"][row["weights"].index(max(row["weights"]))]
    if task.scorer == "gqa":
        return {key: row[key] for key in ("question",) if key in row} | {"answer": best}
    known = LABEL_TASKS[_label_task(task)].labels
    if best not in known:
        raise UserError(f"row {row['id']} has the label {best!r}; {task.name} is scored on {', '.join(known)}")
    return best


def people(targets: Sequence[str], weights: Sequence[float]) -> list[str]:
    """Ten answers with these soft scores, the commonest first: VQA accuracy gives on them what it gave on the real ten.

    An answer of four people or more is right however many they were; blank answers, which rows leave out, fill up.
    """
    counts = [PEOPLE.get(weight, ENOUGH) for weight in weights]
    rest = [""] * (ALL - sum(counts))
    answers = [answer for answer, count in zip(targets, counts, strict=True) for _ in range(count)]
    return answers + ([targets[0]] * len(rest) if counts[0] == ENOUGH else rest)


def report_of(task: Task, gold: Mapping[str, Any], answers: Mapping[str, str], metrics: str | None = None) -> Report:
    """The scores of those `answers` that `gold` speaks of, in its order. Raises UserError where there are none."""
    ids = [id for id in gold if id in answers]
    if not ids:
        raise UserError(f"{task.name}: the truth speaks of none of the rows; are its files those of the split?")
    given, right = [answers[id] for id in ids], [gold[id] for id in ids]
    if task.scorer in ("vqa", "okvqa"):
        # Its own ids are numbers; those of a user may be texts.
        places, none = range(len(ids)), [None] * len(ids)
        truth = VqaTruth(ids=places, images=ids, answers=right, question_types=none, answer_types=none)
        report = vqa_report(truth, dict(enumerate(given)), places, task=task.scorer)
    elif task.scorer == "gqa":
        report = gqa_report(gold, answers, ids, None)
    elif task.scorer == "caption":
        report = caption_report([numbered(id) for id in ids], given, right, scorers_named(metrics))
    else:
        report = label_report(_label_task(task), ids, given, right)
    report.ids = ids
    return report


def _label_task(task: Task) -> str:
    return task.scorer.removeprefix("glue:")
