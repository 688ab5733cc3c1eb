"""Run a comparison: every run in a process of its own, so that its memory can be measured; finished ones are kept."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vlhyper.compare.plan import Cell, Plan
from vlhyper.compare.results import MEAN, Result, Row, best_rates, read_result, summed_up, write_result
from vlhyper.console import Bar, progress, say
from vlhyper.demo import CONFIG, extract, write_config
from vlhyper.errors import JobError, UserError
from vlhyper.model.methods import method
from vlhyper.model.saved import read_saved
from vlhyper.model.spec import count
from vlhyper.run.checkpoints import load_progress, newest
from vlhyper.run.config import RunConfig, load_config
from vlhyper.run.folder import changes
from vlhyper.run.logged import LOG, most_memory, read_log, seconds_per_step
from vlhyper.run.memory import keep_freed_memory
from vlhyper.run.rows import find_features, keyed, stated
from vlhyper.run.tasks import resolve
from vlhyper.world import build

# What is said while a run is trained and scored.
LINES = "messages.txt"
CAPTION_METRICS = "cider"


def compare(plan: Plan, jobs: int) -> list[Row]:
    """Train and score all runs of a plan, `jobs` at a time; returns a row for each method, in the plan's order.

    Raises UserError for a folder with runs of another plan, and JobError where a run fails.
    """
    begin(plan.out)
    make_world(plan.out)
    searched = list(plan.search())
    with progress("comparing methods", len(searched) + len(plan.methods) * plan.seeds, "runs") as bar:
        chosen = best_rates(_all(plan, searched, jobs, bar, scored=False))
        say("learning rates: " + ", ".join(f"{name} {rate:g}" for name, rate in chosen.items()))
        runs = [Cell(name, rate, 0) for name, rate in chosen.items()] + list(plan.repeats(chosen))
        results = _all(plan, runs, jobs, bar, scored=True)
    return summed_up(results, plan.methods)


def begin(out: Path) -> None:
    """Write the demo's config. Raises UserError for a folder that is not a comparison's."""
    if out.exists() and any(out.iterdir()) and not (out / CONFIG).is_file():
        raise UserError(f"{out}: not empty and not the folder of a comparison; choose another with --out")
    out.mkdir(parents=True, exist_ok=True)
    write_config(out)


def make_world(out: Path) -> None:
    """Draw the world of the demo and extract its features, unless that is done."""
    if (out / "features.h5").is_file():
        return
    say("draw the miniature world, and extract its features")
    build(out / "world")
    extract(out)


def _all(plan: Plan, cells: Iterable[Cell], jobs: int, bar: Bar, scored: bool) -> list[Result]:
    threads = max(1, (os.cpu_count() or 1) // jobs)

    def one(cell: Cell) -> Result:
        folder = plan.folder(cell)
        found = _finished(folder, plan.config(cell))
        if found is None or (scored and not found.scores):
            _in_process(folder, plan.config(cell), threads, scored)
            found = read_result(folder)
            assert found is not None
        bar(note=f"{cell.method} at {cell.rate:g}, seed {cell.seed}: {found.scores.get(MEAN, found.validation):.1f}")
        return found

    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(one, cells))
        except BaseException:
            # The first failure, or Ctrl-C, ends the comparison: no further run is begun.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _finished(folder: Path, config: RunConfig) -> Result | None:
    """What a run left, if it is done. Raises UserError for a run of another plan."""
    result = read_result(folder)
    if result is None:
        return None
    run = resolve(config)
    features = find_features(run)
    recorded = load_config(folder / "config.yaml")
    changed = changes(recorded, keyed(stated(run, features), features, run.learned(), recorded), folder, features)
    if result.steps != config.training.steps:
        changed.append(f"training.steps: {result.steps}, now {config.training.steps}")
    if changed:
        raise UserError(f"{folder}: holds a run of another comparison ({changed[0]}); choose another --out")
    return result


def _in_process(folder: Path, config: RunConfig, threads: int, scored: bool) -> None:
    """Train, and score if asked, in a new process. Raises JobError with the last line that it wrote."""
    process = multiprocessing.get_context("spawn").Process(
        target=_work, args=(folder, config, threads, scored), daemon=True
    )
    process.start()
    process.join()
    if process.exitcode:
        told = (folder / LINES).read_text(encoding="utf-8").splitlines() if (folder / LINES).is_file() else []
        raise JobError(f"{folder}: {told[-1] if told else 'the run ended'} (exit code {process.exitcode}); see {LINES}")


def _work(folder: Path, config: RunConfig, threads: int, scored: bool) -> None:
    """What one process does: train to the end and measure, unless that is done, then score the test split if asked."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LINES).open("a", encoding="utf-8") as told, contextlib.redirect_stderr(told):
        import torch

        torch.set_num_threads(threads)
        keep_freed_memory()
        try:
            result = read_result(folder) or _trained(folder, config)
            if scored:
                write_result(folder, result.model_copy(update={"scores": _scores(folder, config)}))
        except (UserError, JobError) as error:
            say(str(error))
            raise SystemExit(1) from None


def _trained(folder: Path, config: RunConfig) -> Result:
    from vlhyper.run.train import train

    train(resolve(config), folder)
    last = newest(folder)
    assert last is not None
    lines = read_log(folder / LOG)
    pace, memory = seconds_per_step(lines), most_memory(lines)
    # The last step always writes a line.
    assert pace is not None and memory is not None
    saved = read_saved(folder)
    numbers = count(saved.spec, saved.inputs)
    result = Result(
        method=config.model.method,
        title=method(config.model.method).title,
        rate=config.training.learning_rate,
        seed=config.training.seed,
        steps=config.training.steps,
        trained=numbers.trained,
        total=numbers.total,
        validation=load_progress(last).best or 0.0,
        seconds_per_step=pace,
        examples_per_second=config.training.batch / pace,
        memory=memory,
    )
    write_result(folder, result)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return result


def _scores(folder: Path, config: RunConfig) -> dict[str, float]:
    from vlhyper.run.evaluate import evaluate_run, mean_of

    run = resolve(config)
    reports = evaluate_run(run, folder, caption_metrics=CAPTION_METRICS)
    found = {
        f"{name}.{metric}": report.metrics[metric]
        for name, report in reports.items()
        for metric in run.tasks[name].kind.metrics
    }
    return {**found, MEAN: mean_of(run, reports) or 0.0}
