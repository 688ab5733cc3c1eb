"""Run the cells of a few-shot study one after another; those that are finished are not run again."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from vlhyper.console import progress, say, telling
from vlhyper.errors import UserError
from vlhyper.features import FeatureSet
from vlhyper.fewshot.results import Result, digest_of, read_result, write_result
from vlhyper.fewshot.study import Cell, Study
from vlhyper.files import read_json
from vlhyper.metrics import Report
from vlhyper.model.saved import CONFIG
from vlhyper.model.spec import WEIGHTS, count
from vlhyper.run.checkpoints import Progress, load_progress, newest
from vlhyper.run.config import load_config, load_run
from vlhyper.run.evaluate import evaluate_run
from vlhyper.run.folder import changes, claim
from vlhyper.run.identity import FILE as INPUTS
from vlhyper.run.identity import start_digest
from vlhyper.run.lock import locked
from vlhyper.run.rows import find_features, keyed, learnable, load_split, load_training, model_inputs, stated
from vlhyper.run.start import check_start
from vlhyper.run.tasks import Run, resolve
from vlhyper.run.train import first_model, train
from vlhyper.scoring.truth import find_truth

# What is said while a cell runs.
LINES = "messages.txt"


def transfer(study: Study, out: Path, shots: Sequence[int], seeds: int, keep: bool = False) -> list[Result]:
    """The results of all cells of a study in the folder `out`, in order of shots and seeds.

    Numbers of shots that the training split does not have are left out, with a line.

    Args:
        shots: numbers of examples; the model as it begins is evaluated too.
        seeds: how many; each draws its examples once for all methods, and fewer shots are a part of more.
        keep: leave the trained weights in the folders of the cells.

    Raises UserError before the first step where something does not exist or does not fit.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "few-shot runs are small, each takes one process: on several GPUs start the command once for each, with "
            "other --shots or another --task and the same --out"
        )
    run, features = _ready(study)
    study = study.with_config(run.config)
    most = len(learnable(load_training(run, features)[study.task]))
    for number in shots:
        if number > most:
            say(f"{study.task}: {number} shots are left out; the training split has {most} rows with an answer")
    cells = list(study.cells([0, *(number for number in shots if number <= most)], seeds))
    results = []
    with progress(f"{study.title} on {study.task}", len(cells), "runs") as bar:
        for cell in cells:
            folder = study.folder(out, cell)
            result = _finished(study, cell, folder, features) or _run(study, cell, folder, features, keep)
            results.append(result)
            bar(note=f"{cell.shots} shots, seed {cell.seed}: {result.score:.1f}")
    return results


def _ready(study: Study) -> tuple[Run, FeatureSet | None]:
    """The run that all cells have in common, after what would stop one of them was looked for."""
    run = resolve(study.config)
    task = run.tasks[study.task]
    if not task.has("test"):
        lacking = f"{task.manifest.name}: has no split {task.split('test')!r}"
        raise UserError(f"{lacking}; name one with tasks.{task.name}.test=SPLIT")
    features = find_features(run)
    learned = {name: [*splits, task.split("test") or "test"] for name, splits in run.learned().items()}
    run = keyed(stated(run, features), features, learned)
    check_start(run, model_inputs(run, features))
    [test] = load_split(run, {task.name: task.split("test") or "test"}, features).values()
    if find_truth(task.kind, run.tasks[task.name].manifest, test.split, test.rows) is None:
        raise UserError(f"{test.where}: has no public answers to score; name a split with tasks.{task.name}.test=SPLIT")
    if not task.split("val"):
        say(f"{task.name}: has no validation split; the weights of the last step count")
    return run, features


def _finished(study: Study, cell: Cell, folder: Path, features: FeatureSet | None) -> Result | None:
    """The result of a cell that is done. Raises UserError for that of another study."""
    result = read_result(folder)
    if result is None:
        return None
    run = resolve(study.of(cell))
    changed = changes(load_config(folder / "config.yaml"), run, folder, features)
    if result.steps != (run.config.training.steps if cell.shots else 0):
        changed.append(f"training.steps: {result.steps}, now {run.config.training.steps}")
    start = run.config.start
    if start is not None and result.start is not None and result.start["sha256"] != start_digest(start):
        changed.append(f"the weights of {start} are others now")
    if changed:
        raise UserError(f"{folder}: holds a few-shot run of another config: {changed[0]}; choose another --out")
    return result


def _run(study: Study, cell: Cell, folder: Path, features: FeatureSet | None, keep: bool) -> Result:
    began = time.monotonic()
    run = resolve(study.of(cell))
    with telling(folder / LINES):
        if cell.shots:
            train(run, folder)
        else:
            _begin(run, folder, features)
        # Of captions the task's own metric alone: the others would take minutes for each cell.
        own = ",".join(run.tasks[study.task].kind.metrics)
        [report] = evaluate_run(resolve(load_run(folder)), folder, caption_metrics=own).values()
        done = load_progress(newest(folder) or folder) if cell.shots else Progress()
        result = _result(study, cell, run, folder, features, report, done, round(time.monotonic() - began, 1))
    write_result(folder, result)
    _tidy(folder, keep)
    return result


def _begin(run: Run, folder: Path, features: FeatureSet | None) -> None:
    """A run folder with the model as it begins."""
    with locked(folder):
        claim(folder, run, features)
        model, taken = first_model(run, load_training(run, features), features)
        say(str(taken or "begins untrained"))
        model.save(folder)


def _result(
    study: Study,
    cell: Cell,
    run: Run,
    folder: Path,
    features: FeatureSet | None,
    report: Report,
    done: Progress,
    seconds: float,
) -> Result:
    task, spec, config = run.tasks[study.task], run.config.model, run.config
    metrics = _single(report.metrics)
    numbers = count(spec, model_inputs(run, features))
    inputs = read_json(folder / INPUTS)
    sample = load_training(run, features)[study.task].rows["id"] if cell.shots else None
    return Result(
        task=task.name,
        name=study.name,
        title=study.title,
        method=spec.method,
        tune=None if spec.tune is None else list(spec.tune),
        shots=cell.shots,
        seed=cell.seed,
        # As in validation: a metric that is undefined for these answers counts as 0.
        score=sum(metrics.get(name, 0.0) for name in task.kind.metrics) / len(task.kind.metrics),
        metrics=metrics,
        n=report.n,
        validation=done.best,
        best_step=done.best_step,
        steps=config.training.steps if cell.shots else 0,
        trained=numbers.trained,
        total=numbers.total,
        start=None if config.start is None else {"run": config.start, "sha256": inputs["start"]},
        sample_sha256=None if sample is None else digest_of(sample),
        inputs=inputs,
        seconds=seconds,
    )


def _single(metrics: Mapping[str, object]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}


def _tidy(folder: Path, keep: bool) -> None:
    """A study has many cells: checkpoints go, and weights that nobody asked for."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    for name in () if keep else (WEIGHTS, CONFIG):
        (folder / name).unlink(missing_ok=True)
