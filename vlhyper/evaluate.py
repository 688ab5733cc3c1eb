"""Answers from a model, in the official formats, and their scores."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object

from vlhyper.config import RunConfig, load_config
from vlhyper.console import progress, say
from vlhyper.data import Collator, TaskRows, find_features, load_split, load_tokenizer, to_device
from vlhyper.errors import UserError, nearest
from vlhyper.files import read_json, write_json
from vlhyper.metrics import Report, score
from vlhyper.model.model import VLHyperPELT
from vlhyper.readers import Manifest
from vlhyper.tasks import Decoding, Task, target_counts

Answers = dict[str, str]


def answer(
    model: VLHyperPELT, rows: TaskRows, collator: Collator, decoding: Decoding, batch: int, sample: int | None = None
) -> Answers:
    """The model's answer to every row that people answered, or to `sample` of them evenly spread over the split.

    By row id. Of a split without public answers every row is answered: that is for a test server.

    Under several processes each answers its share, and all of them get all answers.
    """
    state = PartialState()
    chosen = _sample(_answerable(rows), sample)[state.process_index :: state.num_processes]
    answers: Answers = {}
    model.eval()
    with progress(f"{rows.name}: answering", len(chosen), "rows") as bar:
        for start in range(0, len(chosen), batch):
            part = rows.rows[chosen[start : start + batch]]
            prompts = [rows.task.prompt_of(_row(part, place)) for place in range(len(part["id"]))]
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


def _answerable(rows: TaskRows) -> list[int]:
    """The rows that can be scored, all of them where none can."""
    scorable = np.flatnonzero(target_counts(rows.rows)).tolist()
    return scorable or list(range(len(rows)))


def _sample(rows: list[int], sample: int | None) -> list[int]:
    if sample is None or sample >= len(rows):
        return rows
    return [rows[place] for place in np.linspace(0, len(rows) - 1, sample).astype(int)]


def _row(columns: Mapping[str, list[Any]], place: int) -> dict[str, Any]:
    return {name: values[place] for name, values in columns.items()}


def score_answers(
    config: RunConfig,
    rows: TaskRows,
    split: str,
    answers: Answers,
    predictions: Path,
    caption_metrics: str | None = None,
) -> Report | None:
    """Write answers in the task's official format and score them against the split's own files.

    Args:
        caption_metrics: of captions, the metrics to compute ("bleu,cider"); all where left out.

    Returns:
        None where no scorer knows the task (VG-QA) or the split has no public answers (VQA test).
    """
    task = rows.task
    write_json(predictions, task.submit(answers))
    truth = truth_files(task, config.manifest(rows.name), split)
    if truth is None or not any(rows.rows["targets"]):
        return None
    if task.scorer == "caption" and caption_metrics:
        truth["metrics"] = caption_metrics
    with tempfile.TemporaryDirectory() as folder:
        for role, paths in truth.items():
            if isinstance(paths, tuple):
                truth[role] = one_file(paths, Path(folder) / f"{role}.json")
        return score(task.scorer, predictions=predictions, partial=True, **truth)


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


def truth_files(task: Task, manifest: Manifest, split: str) -> dict[str, Any] | None:
    """The files (a tuple of paths each) and options with which the task's scorer scores a split.

    None where there is nothing to score with.
    """
    files = {role: paths for role, paths in manifest.source(split).files.items() if paths}
    if any(path.suffix == ".parquet" for paths in files.values() for path in paths):
        # Rows of the hub's layouts: the official scorers read official files.
        return None
    if manifest.format == "vl-t5":
        # One file holds questions and answers; the scorers take it where the official one of the task stands.
        files = {"questions" if task.scorer == "gqa" else "annotations": files["questions"]}
    if manifest.format == "table":
        files = {"annotations": files["table"]} if "table" in files else {}
    files.pop("karpathy", None)
    options: dict[str, Any] = {}
    if manifest.format == "karpathy":
        options["split"] = manifest.split(split).subset
    if task.scorer == "okvqa":
        options["answers"] = manifest.answers
    needed = "questions" if task.scorer == "gqa" else "annotations"
    return {**files, **options} if task.scorer and needed in files else None


def validate(
    config: RunConfig, model: VLHyperPELT, splits: Mapping[str, TaskRows], collator: Collator
) -> dict[str, float]:
    """The figures of every task on its fixed validation sample, and their mean over the tasks as `mean`.

    Under several processes the main one has them, the others have none.
    """
    figures: dict[str, float] = {}
    means = []
    for name, rows in splits.items():
        decoding = Decoding(config.validation.beams, config.decoding(name).max_new_tokens)
        answers = answer(model, rows, collator, decoding, config.evaluation_batch, config.validation.sample)
        if not PartialState().is_main_process:
            continue
        split = config.tasks[name].validation
        assert split is not None
        with tempfile.TemporaryDirectory() as folder:
            wanted = ",".join(rows.task.figures).lower()
            report = score_answers(config, rows, split, answers, Path(folder) / "predictions.json", wanted)
        if report is not None:
            # A figure can be without meaning for a sample (a correlation of constant answers); it then counts as 0.
            own = {figure: report.metrics.get(figure, 0.0) for figure in rows.task.figures}
            figures.update({f"{name}.{figure}": value for figure, value in own.items()})
            means.append(sum(own.values()) / len(own))
    return {**figures, "mean": sum(means) / len(means)} if means else figures


def evaluate_run(
    run: Path, split: str = "test", only: str | None = None, caption_metrics: str | None = None
) -> dict[str, Report]:
    """Answer and score a split with the model of a run folder.

    Writes `predictions/TASK.SPLIT.json` and adds to `scores.json`. A task whose data has no such split, or that no
    scorer knows, is passed over unless it is asked for by name.

    Raises UserError for a folder that holds no trained model, an unknown task, or a split that no task has.
    """
    config = load_run(run)
    if only is not None and only not in config.tasks:
        raise UserError(f"{run}: task {only!r} is not in this run{nearest(only, config.tasks)}")
    wanted = [only] if only else [name for name in config.tasks if _has(config, name, split)]
    for name in config.tasks if only is None else ():
        if name not in wanted and config.task(name).scorer:
            say(f"{name}: has no split {config.split(name, split)!r} and is passed over")
    if not wanted:
        raise UserError(f"{run}: no task of this run that can be scored has a split {split!r}")
    features = find_features(config)
    splits = load_split(config, {name: config.split(name, split) or split for name in wanted}, features)
    # As in training: without a GPU the processes of a launcher have to be told to work together.
    state = PartialState(cpu=not torch.accelerator.is_available())
    model = VLHyperPELT.from_pretrained(run).to(state.device)
    training = config.training
    tokenizer = load_tokenizer(config.model)
    collator = Collator(tokenizer, features, training.max_source_tokens, training.max_target_tokens)
    # All answers before the first score: scoring takes minutes, and the other processes can't wait for it.
    answered = {
        name: answer(model, rows, collator, config.decoding(name), config.evaluation_batch)
        for name, rows in splits.items()
    }
    reports: dict[str, Report] = {}
    for name, answers in answered.items() if state.is_main_process else ():
        path = run / "predictions" / f"{name}.{split}.json"
        own = config.split(name, split) or split
        report = score_answers(config, splits[name], own, answers, path, caption_metrics)
        if report is None:
            say(f"{name}: answers are in {path}; there is nothing to score them with")
            continue
        reports[name] = report
        # One by one, so that a fault in one task's files costs no other task's figures.
        add_scores(run / "scores.json", split, {name: report})
    return reports


def _has(config: RunConfig, name: str, split: str) -> bool:
    return bool(config.task(name).scorer) and config.split(name, split) in config.manifest(name).splits


def add_scores(path: Path, split: str, reports: Mapping[str, Report]) -> None:
    """Put reports into `scores.json`, {split: {task: report}}, beside those of other splits and tasks."""
    scores = read_json(path) if path.exists() else {}
    scores.setdefault(split, {}).update({name: report.to_json() for name, report in reports.items()})
    write_json(path, scores, indent=2)


def load_run(run: Path) -> RunConfig:
    """The config of a run folder. Raises UserError where the folder is none."""
    if not (run / "config.yaml").is_file():
        raise UserError(
            f"{run}: no run folder (config.yaml is missing); train one with: vlhyper train CONFIG --out {run}"
        )
    if not (run / "adapter_model.safetensors").is_file():
        raise UserError(f"{run}: holds no trained weights yet; finish it with the `vlhyper train` that began it")
    return load_config(run / "config.yaml")
