"""The rows of a run's splits, each with the key of its image's features. No torch.

The feature files themselves are found and checked here too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vlhyper.console import say
from vlhyper.errors import UserError, first_few
from vlhyper.features import FeatureSet, open_features
from vlhyper.features.layout import IDENTITY
from vlhyper.model.spec import Inputs
from vlhyper.readers import load_rows, match_images, require_all
from vlhyper.readers.image_keys import best_of, found_by
from vlhyper.readers.splits import drawn
from vlhyper.run.config import RunConfig
from vlhyper.run.tasks import Run, RunTask
from vlhyper.tasks import target_counts

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class TaskRows:
    """The rows of one task in one split (the manifest's name of it).

    keys: image id of the annotations -> feature key; empty where the model is given no images. left_out: rows of the
    split that are not among them because their images have no features.
    """

    task: RunTask
    split: str
    rows: Dataset
    keys: Mapping[str, str]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def where(self) -> str:
        """How messages call these rows."""
        return f"{self.task.name}, split {self.split}"


def load_split(run: Run, splits: Mapping[str, str], features: FeatureSet | None) -> dict[str, TaskRows]:
    """The rows of `splits` (task name -> split) with their images found among `features`.

    Raises UserError, before anything else runs, for a missing file, an empty split or an image without features.
    """
    loaded = {name: _load(run, run.tasks[name], split, features) for name, split in splits.items()}
    return _mismatched(loaded, run.config.training.seed) if run.config.features.mismatched else loaded


def load_training(run: Run, features: FeatureSet | None) -> dict[str, TaskRows]:
    """The rows that a run is trained on, of a task with `shots` so many. Raises UserError as `load_split` does."""
    loaded = load_split(run, {name: entry.train for name, entry in run.config.tasks.items()}, features)
    return {name: few_of(run, rows) for name, rows in loaded.items()}


def few_of(run: Run, rows: TaskRows) -> TaskRows:
    """The rows of a training split that `shots` asks for, whatever the method; all where it does not.

    Raises UserError where there are fewer.
    """
    shots = run.config.tasks[rows.task.name].shots
    if shots is None:
        return rows
    found, ids = learnable(rows), rows.rows["id"][:]
    if shots > len(found):
        raise UserError(f"{rows.where}: has {len(found)} rows with an answer; set shots to at most so many")
    chosen = drawn([ids[index] for index in found], shots, run.config.training.seed)
    return replace(rows, rows=rows.rows.select([found[index] for index in chosen]))


def learnable(rows: TaskRows) -> list[int]:
    """The indices of the rows that can be trained on."""
    return [int(index) for index in np.flatnonzero(target_counts(rows.rows))]


def _load(run: Run, task: RunTask, split: str, features: FeatureSet | None) -> TaskRows:
    found = TaskRows(task, split, load_rows(task.manifest, split), {})
    if not task.images:
        return found
    assert features is not None
    templates = task.manifest.image_templates(split)
    matches = match_images(_distinct(found.rows, "image"), templates, features)
    found = replace(found, keys=matches.keys)
    if matches.keys and matches.missing and run.config.features.missing == "drop":
        found = _with_features(found)
    else:
        require_all(matches, templates, found.where, features.ids, task.manifest.split_in_keys(split))
    if len(templates) > 1:
        used = (f"{template} for {count}" for template, count in matches.used.most_common())
        say(f"{found.where}: images are found as {first_few(used, 6)}")
    return found


def _with_features(found: TaskRows) -> TaskRows:
    """The rows whose image has features, and a line that says how many are left out."""
    kept = [index for index, image in enumerate(found.rows["image"]) if image in found.keys]
    left_out = len(found) - len(kept)
    say(f"{found.where}: {left_out} of {len(found)} rows are left out because their images have no features")
    return replace(found, rows=found.rows.select(kept), left_out=left_out)


def keyed(
    run: Run, features: FeatureSet | None, splits: Mapping[str, Sequence[str]], recorded: RunConfig | None = None
) -> Run:
    """The run with an `image_key` for each task whose manifest has none and whose images `{id}` does not find.

    splits: by task, the manifest's splits whose images must be found, all by one template. recorded: the config of a
    run that has begun; what it found stays. Where nothing fits, loading the rows tells so.
    """
    found: dict[str, list[str]] = {}
    if features is None:
        return run
    for name in splits:
        task = run.tasks[name]
        if not task.images or not task.manifest.lacks_image_key:
            continue
        if recorded is not None and name in recorded.tasks:
            if old := recorded.tasks[name].image_key:
                found[name] = old
        elif template := _one_template(task, splits[name], features, run.config.features.missing == "drop"):
            say(f"{name}: image_key is left out; images are found as {template}")
            found[name] = [template]
    return run.keyed(found)


def _one_template(task: RunTask, splits: Sequence[str], features: FeatureSet, drop: bool) -> str | None:
    """The template that finds every image of these splits, or most of them with `drop`; None where `{id}` does."""
    total, fits = 0, Counter[str]()
    for number, split in enumerate(splits):
        images = _distinct(load_rows(task.manifest, split), "image")
        counts = found_by(images, features.ids, task.manifest.split_in_keys(split))
        fits = Counter({name: fits[name] + count for name, count in counts.items() if name in fits or number == 0})
        total += len(images)
    best = best_of(fits)
    chosen = len(best) == 1 and fits["{id}"] < fits[best[0]] and (drop or fits[best[0]] == total)
    return best[0] if chosen else None


def _distinct(rows: Dataset, column: str) -> list[str]:
    """The distinct values of a text column, without making a Python object of each of millions of rows."""
    return rows.with_format("arrow").select_columns(column)[:][column].unique().to_pylist()


def _mismatched(loaded: dict[str, TaskRows], seed: int) -> dict[str, TaskRows]:
    """The blind control: one fixed permutation without a fixed point over the images of the split, for all tasks."""
    images = sorted({key for rows in loaded.values() for key in rows.keys.values()})
    order = np.random.default_rng(seed).permutation(len(images))
    # Each image takes the features of its successor in a random cycle, so none keeps its own.
    other = {images[order[index - 1]]: images[order[index]] for index in range(len(images))}
    return {
        name: replace(rows, keys={raw: other[key] for raw, key in rows.keys.items()}) for name, rows in loaded.items()
    }


def find_features(run: Run) -> FeatureSet | None:
    """The feature files of a run, checked against what its config states; None where no task is given images."""
    if not run.images:
        return None
    files = run.feature_files()
    if not files:
        raise UserError(
            "features.files is empty and no manifest names a feature file; extract the images and name the file there"
        )
    features = open_features(files)
    stated = run.config.features
    expected = {key: getattr(stated, key) for key in (*IDENTITY, "tokens", "width")}
    features.require(**{key: value for key, value in expected.items() if value is not None})
    if any(task.boxes for task in run.tasks.values()) and not (features.has("boxes") and features.has("sizes")):
        raise UserError(
            f"{first_few(features.paths)}: method {run.config.model.method!r} needs boxes and image sizes, which these "
            "features lack; import features of regions (vlhyper import-features), or choose clip_t5"
        )
    return features


def stated(run: Run, features: FeatureSet | None) -> Run:
    """The run with what its feature files are written into its config, so that it refuses all others from then on."""
    if features is None:
        return run
    found = {"tokens": features.tokens, "width": features.width}
    found |= {key: features.meta[key] for key in IDENTITY}
    return run.stating(run.config.features.model_copy(update=found))


def model_inputs(run: Run, features: FeatureSet | None) -> Inputs:
    """What the model is made for: the run's tasks and the grid that the feature files hold, or the config states."""
    if features is None:
        stated = run.config.features
        return Inputs(tasks=tuple(run.tasks), tokens=stated.tokens, width=stated.width)
    return Inputs(tasks=tuple(run.tasks), tokens=features.tokens, width=features.width)
