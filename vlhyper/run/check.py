"""Everything a run needs, looked at before it starts: what is missing or wrong, one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from vlhyper.errors import JobError, UserError
from vlhyper.features import FeatureSet
from vlhyper.model.spec import sizes
from vlhyper.readers import check_manifest, load_rows
from vlhyper.run.available import missing_models
from vlhyper.run.batches import TaskRows, find_features, load_split, model_inputs
from vlhyper.run.config import RunConfig
from vlhyper.run.validation import hold_out_of
from vlhyper.tasks import Examples

Say = Callable[[str], None]


def problems(config: RunConfig, say: Say) -> Iterator[str]:
    """What stands in the way of a run, one line each and each once; `say` is told what was found in order.

    Reads every file the run reads, and nothing from the network. Nothing is built and nothing is trained.
    """
    told: set[str] = set()
    for problem in _all_problems(config, say):
        # Several tasks may stumble over one file.
        if problem not in told:
            told.add(problem)
            yield problem


def _all_problems(config: RunConfig, say: Say) -> Iterator[str]:
    features = None
    try:
        features = find_features(config)
    except UserError as error:
        yield str(error)
    if features is not None:
        say(f"features: {len(features)} images of {features.tokens} × {features.width}, {features.meta['encoder']}")
    yield from missing_models(config.model, say)
    try:
        sizes(config.model, model_inputs(config, features) if features else config.inputs())
    except UserError as error:
        yield str(error)
    for name in config.tasks:
        for split in _splits(config, name):
            yield from _split_problems(config, name, split, features, say)


def _splits(config: RunConfig, name: str) -> list[str]:
    """The splits of a task that training and evaluation will read; `test` where there is one or it is asked for."""
    entry = config.tasks[name]
    found = [entry.train]
    if config.validation.every and entry.validation:
        found.append(entry.validation)
    with suppress(UserError):
        if "test" in entry.model_fields_set or entry.test in config.manifest(name).splits:
            found.append(entry.test)
    return list(dict.fromkeys(found))


def _split_problems(config: RunConfig, name: str, split: str, features: FeatureSet | None, say: Say) -> Iterator[str]:
    entry = config.tasks[name]
    try:
        manifest = config.manifest(name)
        if found := list(check_manifest(manifest, split)):
            yield from found
            return
        rows = _rows(config, name, split, features)
        examples = f", {len(Examples(rows.task, rows.rows))} examples" if split == entry.train else ""
        unseen = (
            "; its images are not checked, there are no features" if rows.task.sees_image and features is None else ""
        )
        say(f"{name}: split {split} has {len(rows)} rows{examples}{unseen}")
        if split == entry.validation and config.validation.every:
            hold_out_of(config, rows)
    except (UserError, JobError) as error:
        yield str(error)


def _rows(config: RunConfig, name: str, split: str, features: FeatureSet | None) -> TaskRows:
    task = config.task(name)
    if task.sees_image and features is None:
        return TaskRows(name, 0, task, load_rows(config.manifest(name), split), {})
    return load_split(config, {name: split}, features)[name]
