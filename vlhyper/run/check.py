"""Everything a run needs, checked before it starts: what is missing or wrong, one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from vlhyper.errors import JobError, UserError, first_few
from vlhyper.features import FeatureSet
from vlhyper.model.spec import count
from vlhyper.readers import check_files, left_out, load_rows
from vlhyper.run.available import missing_models, require_tracker
from vlhyper.run.config import RunConfig, stated_inputs
from vlhyper.run.held_out import hold_out_of
from vlhyper.run.lengths import cut_off, labels_too_long
from vlhyper.run.rows import TaskRows, few_of, find_features, keyed, load_split, model_inputs, stated
from vlhyper.run.start import check_start
from vlhyper.run.tasks import Run, RunTask, resolve_task
from vlhyper.tasks import Examples

Say = Callable[[str], None]


def problems(config: RunConfig, say: Say) -> Iterator[str]:
    """What prevents a run, one line each and each once; `say` is told what was found in order.

    Reads every file the run reads, and nothing from the network. Nothing is built and nothing is trained.
    """
    told: set[str] = set()
    for problem in _all_problems(config, say):
        # Several tasks may meet the same fault in one file.
        if problem not in told:
            told.add(problem)
            yield problem


def _all_problems(config: RunConfig, say: Say) -> Iterator[str]:
    tasks: dict[str, RunTask] = {}
    for name in config.tasks:
        try:
            tasks[name] = resolve_task(config, name)
        except UserError as error:
            yield str(error)
    run, features = Run(config, tasks), None
    try:
        features = find_features(run)
    except UserError as error:
        yield str(error)
    if features is not None:
        say(f"features: {len(features)} images of {features.tokens} × {features.width}, {features.meta['encoder']}")
    tokenizer = yield from missing_models(config.model, say)
    try:
        require_tracker(config.training.tracker)
    except UserError as error:
        yield str(error)
    if tokenizer is not None:
        yield from labels_too_long(run, tokenizer)
    try:
        count(config.model, model_inputs(run, features) if features else stated_inputs(config))
        check_start(stated(run, features), model_inputs(run, features) if features or not run.images else None)
    except UserError as error:
        yield str(error)
    for task in tasks.values():
        if task.kind.sees_image and not task.images:
            say(f"{task.name}: method {config.model.method} uses no images; the model answers from the text alone")
        with suppress(UserError):
            # What is wrong with a split is told below.
            run = keyed(run, features, {task.name: run.learned()[task.name]})
        for split in _splits(run, task):
            yield from _split_problems(run, run.tasks[task.name], split, features, tokenizer, say)


def _splits(run: Run, task: RunTask) -> list[str]:
    """The splits of a task that training and evaluation read; `test` where there is one or it is asked for."""
    wanted = [task.splits["train"], task.splits["val"] if run.config.validation.every else None]
    if "test" in run.config.tasks[task.name].model_fields_set or task.has("test"):
        wanted.append(task.splits["test"])
    return list(dict.fromkeys(split for split in wanted if split))


def _split_problems(
    run: Run,
    task: RunTask,
    split: str,
    features: FeatureSet | None,
    tokenizer: PreTrainedTokenizerBase | None,
    say: Say,
) -> Iterator[str]:
    try:
        if found := check_files(task.manifest, split):
            yield from found
            return
        checked = features is not None or not task.images
        rows = load_split(run, {task.name: split}, features)[task.name] if checked else _unmatched(task, split)
        learned = split == task.splits["train"]
        examples = f", {len(Examples(task.kind, few_of(run, rows).rows))} examples" if learned else ""
        unseen = "" if checked else "; its images were not checked, because there are no features"
        say(f"{task.name}: split {split} has {len(rows)} rows{examples}{unseen}{_excluded(rows)}")
        if tokenizer is not None and (cut := cut_off(rows, tokenizer, run.config.training.max_target_tokens)):
            say(f"{task.name}: split {split}: {cut}")
        if split == task.splits["val"] and run.config.validation.every:
            hold_out_of(rows, run.config.validation.sample)
    except (UserError, JobError) as error:
        yield str(error)


def _excluded(rows: TaskRows) -> str:
    """What is said of rows that the manifest's `exclude` leaves out; also of none, which may be a mistake."""
    entries = rows.task.manifest.split(rows.split).exclude
    if not entries:
        return ""
    sources = [f"{', '.join(one.splits)} of {Path(one.manifest).stem}" if one.manifest else one.ids for one in entries]
    count = left_out(rows.task.manifest, rows.split, len(rows) + rows.left_out)
    return f"; {count} rows are left out, whose images are in {first_few(sources)}"


def _unmatched(task: RunTask, split: str) -> TaskRows:
    return TaskRows(task, split, load_rows(task.manifest, split), {})
