"""Everything a run needs, looked at before it starts: what is missing or wrong, one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    try:
        load_tokenizer(config.model)
        sizes(config.model, config.inputs())
        features = find_features(config)
        if features is not None:
            say(f"features: {len(features)} images of {features.tokens} × {features.width}, {features.meta['encoder']}")
            sizes(config.model, model_inputs(config, features))
    except UserError as error:
        yield str(error)
        features = None
    for name, entry in config.tasks.items():
        for split in filter(None, (entry.train, entry.validation)):
            yield from _split_problems(config, name, split, features, say)


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
