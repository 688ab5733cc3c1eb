"""Answers from a model, in the official formats, and their scores."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object

from vlhyper.console import progress, say
from vlhyper.errors import UserError
from vlhyper.files import read_object, write_json
from vlhyper.metrics import Report, bootstrap
from vlhyper.metrics.report import SHORT_ANSWERS
from vlhyper.model.model import VLHyperPELT
from vlhyper.run.batches import Collator, to_device
from vlhyper.run.held_out import Answers, answerable
from vlhyper.run.precision import computing, prepare
from vlhyper.run.rows import TaskRows, find_features, keyed, load_split
from vlhyper.run.tasks import Run
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.scoring.predictions import write_predictions
from vlhyper.scoring.scorers import find_scorer
from vlhyper.scoring.submission import server_of, write_submission
from vlhyper.scoring.truth import find_truth, prediction_file
from vlhyper.tasks import Decoding, unknown_task
from vlhyper.wording import kind


def answer(model: VLHyperPELT, rows: TaskRows, collator: Collator, decoding: Decoding, batch: int) -> Answers:
    """The model's answer to every row that people answered, by row id.

    Of a split without public answers every row is answered: that is for a test server.
    Under several processes each answers its share, and all of them get all answers.
    """
    state = PartialState()
    chosen = answerable(rows)[state.process_index :: state.num_processes]
    answers: Answers = {}
    model.eval()
    with progress(f"{rows.task.name}: answering", len(chosen), "rows") as bar:
        for start in range(0, len(chosen), batch):
            part = rows.rows[chosen[start : start + batch]]
            prompts = [rows.task.kind.prompt_of(_row(part, index)) for index in range(len(part["id"]))]
            inputs = to_device(collator.inputs(rows, prompts, part["image"]), state.device)
            tokens = model.generate(
                **inputs, num_beams=decoding.beams, max_new_tokens=decoding.max_new_tokens, do_sample=False
            )
            texts = collator.tokenizer.batch_decode(tokens, skip_special_tokens=True)
            answers.update(zip(part["id"], (text.strip() for text in texts), strict=True))
            bar(len(texts))
    if state.num_processes == 1:
        return answers
    parts = dict(gather_object(list(answers.items())))
    return {id: parts[id] for id in rows.rows["id"] if id in parts}


def _row(columns: Mapping[str, list[Any]], index: int) -> dict[str, Any]:
    return {name: values[index] for name, values in columns.items()}


def evaluate_run(
    run: Run,
    folder: Path,
    split: str = "test",
    only: str | None = None,
    caption_metrics: str | None = None,
    submission: Path | None = None,
    confidence: bool = False,
    chat: bool = False,
) -> dict[str, Report]:
    """Answer and score a split with the model of a run folder, and with the settings of `run` (see `load_run`).

    Writes `predictions/TASK.SPLIT.json` and adds to `scores.json`. A task whose data has no such split, or that has no
    scorer, is skipped unless it is asked for by name.

    Args:
        only: the one task to evaluate.
        caption_metrics: some of bleu, meteor, rouge, cider, spice; all where left out.
        submission: a folder for the files that test servers take, each named as its server wants it.
        confidence: add 95 % bootstrap intervals to the scores.
        chat: add the scores of the short answers in sentences, for tasks that have answers.

    Raises UserError for a folder that holds no trained model, an unknown task, or a split that no task has; and once
    everything else is written for answers that a test server does not take.
    """
    splits = _splits_named(run, split, only, folder)
    features = find_features(run)
    run = keyed(run, features, {name: [one] for name, one in splits.items()})
    loaded = load_split(run, splits, features)
    uploads = {} if submission is None else {name: _upload(rows, split, submission) for name, rows in loaded.items()}
    # As in training: without a GPU the processes of a launcher have to be told to work together.
    state = PartialState(cpu=not torch.accelerator.is_available())
    spec = run.config.model
    model = VLHyperPELT.from_pretrained(folder, backbone=spec.backbone if isinstance(spec.backbone, str) else None)
    precision = run.config.training.precision
    prepare(model, precision)
    model.to(state.device)
    collator = Collator(load_tokenizer(spec), features, run.config.training.max_target_tokens)
    # All answers before the first score: scoring takes minutes, and the other processes cannot wait for it.
    with computing(precision, state.device):
        answered = {
            name: answer(model, rows, collator, rows.task.decoding, run.config.evaluation_batch)
            for name, rows in loaded.items()
        }
    if not state.is_main_process:
        return {}
    paths = {name: folder / "predictions" / f"{name}.{split}.json" for name in answered}
    for name, answers in answered.items():
        write_predictions(paths[name], prediction_file(loaded[name].task.kind), answers)
    refused = [name for name, upload in uploads.items() if not _submitted(loaded[name], answered[name], upload)]
    reports: dict[str, Report] = {}
    for name, answers in answered.items():
        path, rows = paths[name], loaded[name]
        truth = find_truth(rows.task.kind, rows.task.manifest, rows.split, rows.rows)
        if truth is None:
            say(f"{name}: answers are in {path}; there are no reference answers to score them with")
            continue
        report = reports[name] = truth.score(answers, metrics=caption_metrics, chat=chat or None)
        report.total = (report.total or report.n) + rows.left_out
        report.extra["data"] = {"name": rows.task.manifest.name, "split": rows.split}
        if confidence:
            report.extra["confidence"] = bootstrap.confidence(report)
        where = "" if rows.split == split else f" (split {rows.split} of {rows.task.manifest.name})"
        say(f"{name}: {report.n} of {report.total} items of {split}{where} are scored; answers are in {path}")
        if command := score_command(rows, path, report):
            say(f"{name}: the same scores from the files: {command}")
        # One by one, so that an error in one task's files does not lose the scores of the others.
        add_scores(folder / "scores.json", split, {name: reports[name]})
    if refused:
        raise UserError(
            f"{submission}: lacks {', '.join(refused)}, whose answers no server takes (see above); correct "
            f"{paths[refused[0]]} and write the file with: vlhyper score TASK --predictions FILE --submission FILE"
        )
    return reports


def _upload(rows: TaskRows, split: str, folder: Path) -> Path:
    """The file that a task's test server takes. Raises UserError where there is no server, or rows are lacking."""
    server = server_of(find_scorer(rows.task.kind.scorer))
    if rows.left_out:
        why = f"{rows.left_out} rows are left out, and a test server wants all"
        raise UserError(f"{rows.where}: {why}; extract the features of their images")
    only = next(iter(server.uploads)) if len(server.uploads) == 1 else f"{rows.task.name}.{split}.json"
    path = folder / (rows.task.manifest.split(rows.split).submission or only)
    if server.uploads and path.name not in server.uploads:
        why = f"the server takes {' or '.join(server.uploads)}"
        raise UserError(f"{rows.where}: {why}; say which in the manifest's split, as submission: NAME")
    return path


def _submitted(rows: TaskRows, answers: Answers, path: Path) -> bool:
    """Write the file of a test server, or say what prevents that: the other tasks go on."""
    scorer = find_scorer(rows.task.kind.scorer)
    as_id = scorer.predictions.as_id
    given = {as_id(id, "id"): text for id, text in answers.items()}
    asked = [as_id(id, "id") for id in rows.rows["id"]]
    try:
        # Whose server it is the test questions tell, where they are one file.
        files = rows.task.manifest.source(rows.split).paths("questions")
        source = f"{rows.task.name}'s answers"
        write_submission(scorer, path, given, asked, source, rows.where, files[0] if len(files) == 1 else None)
    except UserError as error:
        say(str(error))
        return False
    say(f"{rows.task.name}: {len(asked)} answers for the test server are in {path}")
    return True


def score_command(rows: TaskRows, predictions: Path, report: Report) -> str:
    """What scores a file of predictions again without the run; empty where a split is no file that `score` reads."""
    manifest, scorer = rows.task.manifest, find_scorer(rows.task.kind.scorer)
    source = manifest.source(rows.split)
    files = source.paths(manifest.layout.truth_role)
    # Of tables only the manifest knows which column is what; of parts and of several files only the run.
    if manifest.format not in scorer.layouts or manifest.format == "table" or len(files) != 1:
        return ""
    options = {scorer.truth: str(files[0]), "predictions": str(predictions)}
    if "split" in scorer.options and source.options.get("subset"):
        options["split"] = source.options["subset"]
    if "answers" in scorer.options:
        options["answers"] = source.options["answers"]
    if vocabulary := source.paths("vocabulary"):
        options["vocabulary"] = str(vocabulary[0])
    command = ["vlhyper", "score", rows.task.kind.scorer]
    command += ["--chat"] if SHORT_ANSWERS in report.extra else []
    command += [part for name, value in options.items() for part in (f"--{name}", value)]
    part = report.n < (report.total or 0) or manifest.split(rows.split).part or source.paths("karpathy")
    return shlex.join([*command, "--partial"] if part and not scorer.scores_part else command)


def mean_of(run: Run, reports: Mapping[str, Report]) -> float | None:
    """The mean of the metrics that stand for the tasks, as validation computes it; None where one is lacking."""
    wanted = [(report.metrics, metric) for name, report in reports.items() for metric in run.tasks[name].kind.metrics]
    if not wanted or any(metric not in metrics for metrics, metric in wanted):
        return None
    return sum(metrics[metric] for metrics, metric in wanted) / len(wanted)


def _splits_named(run: Run, split: str, only: str | None, folder: Path) -> dict[str, str]:
    """The manifest's name of a split for each task to evaluate. Raises UserError where there is none."""
    if only is not None and only not in run.tasks:
        raise UserError(f"{folder}: {unknown_task(only, run.tasks)}")
    scored = [task for task in run.tasks.values() if task.kind.metrics]
    wanted = [run.tasks[only]] if only else [task for task in scored if task.has(split)]
    for task in scored if only is None else ():
        if not task.has(split):
            say(f"{task.name}: skipped; its data set has no split {task.split(split)!r}")
    if not wanted:
        raise UserError(f"{folder}: no task of this run that can be scored has a split {split!r}")
    return {task.name: task.split(split) or split for task in wanted}


def add_scores(path: Path, split: str, reports: Mapping[str, Report]) -> None:
    """Put reports into `scores.json`, {split: {task: report}}, beside those of other splits and tasks."""
    scores = read_object(path) if path.exists() else {}
    if not isinstance(scores.setdefault(split, {}), dict):
        raise UserError(f"{path}: {split!r} is {kind(scores[split])}, not scores by task; move the file away")
    scores[split].update({name: report.to_json() for name, report in reports.items()})
    write_json(path, scores, indent=2)
