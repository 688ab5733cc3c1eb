"""Answers from a model, in the official formats, and their scores."""

from __future__ import annotations

from collections.abc import Mapping
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
from vlhyper.run.batches import Collator, TaskRows, find_features, load_split, load_tokenizer, to_device
from vlhyper.run.config import RunConfig, load_config
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


def answerable(rows: TaskRows) -> list[int]:
    """The places of the rows that can be scored, of all rows where none can."""
    scorable = np.flatnonzero(target_counts(rows.rows)).tolist()
    return scorable or list(range(len(rows)))


def _row(columns: Mapping[str, list[Any]], place: int) -> dict[str, Any]:
    return {name: values[place] for name, values in columns.items()}


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
        raise UserError(f"{run}: {unknown_task(only, config.tasks)}")
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
        rows, own = splits[name], config.split(name, split) or split
        write_json(path, rows.task.submit(answers))
        truth = find_truth(rows.task, config.manifest(name), own, rows.rows)
        if truth is None:
            say(f"{name}: answers are in {path}; there is nothing to score them with")
            continue
        reports[name] = truth.score(answers, path, caption_metrics)
        # One by one, so that a fault in one task's files costs no other task's figures.
        add_scores(run / "scores.json", split, {name: reports[name]})
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
