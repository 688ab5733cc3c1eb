"""Answers from a model, in the official formats, and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object

from vlhyper.console import progress, say
from vlhyper.errors import UserError
from vlhyper.files import read_json, write_json
from vlhyper.metrics import Report
from vlhyper.model.model import VLHyperPELT
from vlhyper.run.batches import Collator, to_device
from vlhyper.run.config import RunConfig, load_config
from vlhyper.run.rows import TaskRows, find_features, load_split
from vlhyper.run.tasks import Run, resolve
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.scoring.truth import find_truth
from vlhyper.tasks import Decoding, target_counts, unknown_task

Answers = dict[str, str]


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


def answerable(rows: TaskRows) -> list[int]:
    """The indices of the rows that can be scored; of all rows where none can."""
    scorable = np.flatnonzero(target_counts(rows.rows)).tolist()
    return scorable or list(range(len(rows)))


def _row(columns: Mapping[str, list[Any]], index: int) -> dict[str, Any]:
    return {name: values[index] for name, values in columns.items()}


def evaluate_run(
    folder: Path,
    split: str = "test",
    only: str | None = None,
    caption_metrics: str | None = None,
    overrides: Sequence[str] = (),
) -> dict[str, Report]:
    """Answer and score a split with the model of a run folder.

    Writes `predictions/TASK.SPLIT.json` and adds to `scores.json`. A task whose data has no such split, or that has no
    scorer, is skipped unless it is asked for by name.

    Args:
        only: the one task to evaluate.
        caption_metrics: some of bleu, meteor, rouge, cider, spice; all where left out.
        overrides: `key.sub=value`, in place of the values in the run's config (files that were moved, other data).

    Raises UserError for a folder that holds no trained model, an unknown task, or a split that no task has.
    """
    run = resolve(load_run(folder, overrides))
    splits = _splits_named(run, split, only, folder)
    features = find_features(run)
    loaded = load_split(run, splits, features)
    # As in training: without a GPU the processes of a launcher have to be told to work together.
    state = PartialState(cpu=not torch.accelerator.is_available())
    spec = run.config.model
    model = VLHyperPELT.from_pretrained(folder, backbone=spec.backbone if isinstance(spec.backbone, str) else None)
    model.to(state.device)
    collator = Collator(load_tokenizer(spec), features, run.config.training.max_target_tokens)
    # All answers before the first score: scoring takes minutes, and the other processes cannot wait for it.
    answered = {
        name: answer(model, rows, collator, rows.task.decoding, run.config.evaluation_batch)
        for name, rows in loaded.items()
    }
    reports: dict[str, Report] = {}
    for name, answers in answered.items() if state.is_main_process else ():
        path = folder / "predictions" / f"{name}.{split}.json"
        rows = loaded[name]
        write_json(path, rows.task.kind.submit(answers))
        truth = find_truth(rows.task.kind, rows.task.manifest, rows.split, rows.rows)
        if truth is None:
            say(f"{name}: answers are in {path}; there are no reference answers to score them with")
            continue
        reports[name] = truth.score(answers, path, caption_metrics)
        # One by one, so that an error in one task's files does not lose the scores of the others.
        add_scores(folder / "scores.json", split, {name: reports[name]})
    return reports


def _splits_named(run: Run, split: str, only: str | None, folder: Path) -> dict[str, str]:
    """The manifest's name of a split for each task to evaluate. Raises UserError where there is none."""
    if only is not None and only not in run.tasks:
        raise UserError(f"{folder}: {unknown_task(only, run.tasks)}")
    scored = [task for task in run.tasks.values() if task.kind.scorer]
    wanted = [run.tasks[only]] if only else [task for task in scored if task.has(split)]
    for task in scored if only is None else ():
        if not task.has(split):
            say(f"{task.name}: skipped; its data set has no split {task.split(split)!r}")
    if not wanted:
        raise UserError(f"{folder}: no task of this run that can be scored has a split {split!r}")
    return {task.name: task.split(split) or split for task in wanted}


def add_scores(path: Path, split: str, reports: Mapping[str, Report]) -> None:
    """Put reports into `scores.json`, {split: {task: report}}, beside those of other splits and tasks."""
    scores = read_json(path) if path.exists() else {}
    scores.setdefault(split, {}).update({name: report.to_json() for name, report in reports.items()})
    write_json(path, scores, indent=2)


def load_run(folder: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The config of a run folder. Raises UserError where the folder is not one."""
    if not (folder / "config.yaml").is_file():
        raise UserError(
            f"{folder}: not a run folder (config.yaml is missing); train one with: vlhyper train CONFIG --out {folder}"
        )
    if not (folder / "adapter_model.safetensors").is_file():
        raise UserError(f"{folder}: has no trained weights yet; finish it with the `vlhyper train` that started it")
    return load_config(folder / "config.yaml", overrides)
