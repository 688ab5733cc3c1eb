"""Everything a run needs, looked at before it starts: what is missing or wrong, one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from vlhyper.config import RunConfig
from vlhyper.data import find_features, load_split, load_tokenizer, model_inputs
from vlhyper.errors import UserError
from vlhyper.features import FeatureSet
from vlhyper.model.spec import sizes
from vlhyper.readers import check_manifest
from vlhyper.tasks import Examples


def problems(config: RunConfig, say: Callable[[str], None]) -> Iterator[str]:
    """What stands in the way of a run, one line each; `say` is told what was found in order.

    Reads every file the run reads. Nothing is built and nothing is trained.
    """
    features = None
    for step in (lambda: load_tokenizer(config.model), lambda: find_features(config)):
        try:
            found = step()
        except UserError as error:
            yield str(error)
        else:
            features = found if isinstance(found, FeatureSet) else features
    if features is not None:
        say(f"features: {len(features)} images of {features.tokens} × {features.width}, {features.meta['encoder']}")
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


def _split_problems(
    config: RunConfig, name: str, split: str, features: FeatureSet | None, say: Callable[[str], None]
) -> Iterator[str]:
    try:
        manifest = config.manifest(name)
        if found := list(check_manifest(manifest, split)):
            yield from (f"{name}: {line}" for line in found)
            return
        if config.task(name).sees_image and features is None:
            return
        rows = load_split(config, {name: split}, features)[name]
        examples = f", {len(Examples(rows.task, rows.rows))} examples" if split == config.tasks[name].train else ""
        say(f"{name}: split {split} has {len(rows)} rows{examples}")
    except UserError as error:
        yield str(error)
