"""From a config's files to the rows, feature rows and batches that a run goes through.

Letters: B rows of a batch · S source tokens · T target tokens · N cells of the image grid · d_v its channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from huggingface_hub import try_to_load_from_cache
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from vlhyper.console import say
from vlhyper.errors import UserError, first_few
from vlhyper.features import FeatureSet, open_features
from vlhyper.features.layout import IDENTITY
from vlhyper.model.shapes import shape_of
from vlhyper.model.spec import Inputs, ModelSpec
from vlhyper.readers import load_rows, match_images, require_all
from vlhyper.run.config import RunConfig
from vlhyper.tasks import Task

if TYPE_CHECKING:
    from datasets import Dataset

# T5 leaves these positions out of the loss.
IGNORED = -100


@dataclass(frozen=True)
class TaskRows:
    """The rows of one task in one split, each with the key of its image features."""

    name: str  # key in the config's tasks
    number: int  # row of its task embedding
    task: Task
    rows: Dataset
    keys: Mapping[str, str]  # image id of the annotations -> feature key; empty for text tasks

    def __len__(self) -> int:
        return len(self.rows)


def load_split(config: RunConfig, splits: Mapping[str, str], features: FeatureSet | None) -> dict[str, TaskRows]:
    """The rows of `splits` (task name -> split) with their images found among `features`.

    Raises UserError, before anything else runs, for a missing file, an empty split or an image without features.
    """
    loaded = {}
    for name, split in splits.items():
        task, manifest = config.task(name), config.manifest(name)
        rows = load_rows(manifest, split)
        keys: Mapping[str, str] = {}
        if task.sees_image:
            templates = manifest.image_templates(split)
            assert features is not None
            matches = match_images(_distinct(rows, "image"), templates, features)
            where, keys = f"{name}, split {split}", matches.keys
            if matches.missing and config.features.missing == "drop":
                rows = _with_features(rows, keys, where)
            else:
                require_all(matches, templates, where)
            if len(templates) > 1:
                used = (f"{template} for {count}" for template, count in matches.used.most_common())
                say(f"{where}: images are found as {first_few(used, 6)}")
        loaded[name] = TaskRows(name, list(config.tasks).index(name), task, rows, keys)
    return _mismatched(loaded, config.training.seed) if config.features.mismatched else loaded


def _with_features(rows: Dataset, keys: Mapping[str, str], where: str) -> Dataset:
    """The rows whose image has features, and a line that says how many are left out."""
    kept = [row for row, image in enumerate(rows["image"]) if image in keys]
    if not kept:
        raise UserError(f"{where}: no image has features; is the feature file that of another data set?")
    say(f"{where}: {len(rows) - len(kept)} of {len(rows)} rows are left out, their images have no features")
    return rows.select(kept)


def _distinct(rows: Dataset, column: str) -> list[str]:
    """The distinct values of a text column, without making a Python object of each of millions of rows."""
    return rows.with_format("arrow").select_columns(column)[:][column].unique().to_pylist()


def _mismatched(loaded: dict[str, TaskRows], seed: int) -> dict[str, TaskRows]:
    """The blind control: one fixed permutation without a fixed point over the images of the split, for all tasks."""
    images = sorted({key for rows in loaded.values() for key in rows.keys.values()})
    order = np.random.default_rng(seed).permutation(len(images))
    # Each image takes the features of its successor in a random cycle, so none keeps its own.
    other = {images[order[place - 1]]: images[order[place]] for place in range(len(images))}
    return {
        name: TaskRows(name, rows.number, rows.task, rows.rows, {raw: other[key] for raw, key in rows.keys.items()})
        for name, rows in loaded.items()
    }


def find_features(config: RunConfig) -> FeatureSet | None:
    """The feature files of a run, checked against what its config states; None where no task sees images."""
    if not any(config.task(name).sees_image for name in config.tasks):
        return None
    files = config.feature_files()
    if not files:
        raise UserError(
            "features.files is empty and no manifest names a feature file; extract the images first and name it"
        )
    features = open_features(files)
    stated = config.features
    expected = {key: getattr(stated, key) for key in (*IDENTITY, "tokens", "width")}
    features.require(**{key: value for key, value in expected.items() if value is not None})
    return features


def stated(config: RunConfig, features: FeatureSet | None) -> RunConfig:
    """The config with what its feature files are written into it, so that a run refuses all others from then on."""
    if features is None:
        return config
    found = {"tokens": features.tokens, "width": features.width}
    found |= {key: features.meta[key] for key in IDENTITY}
    return config.model_copy(update={"features": config.features.model_copy(update=found)})


def model_inputs(config: RunConfig, features: FeatureSet | None) -> Inputs:
    """What the model is made for: the config's tasks and the grid the feature files hold."""
    if features is None:
        return Inputs(tasks=tuple(config.tasks))
    return Inputs(tasks=tuple(config.tasks), tokens=features.tokens, width=features.width)


def load_tokenizer(spec: ModelSpec, local: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer of a model; `local`: without asking the hub. Raises UserError where it can't be had."""
    name = spec.tokenizer or (spec.backbone if isinstance(spec.backbone, str) else None)
    if name is None:
        raise UserError("model.tokenizer is missing: a backbone built from a config has none of its own; name a folder")
    try:
        tokenizer = AutoTokenizer.from_pretrained(_cached_folder(name) if local else name)
    except (OSError, ValueError) as error:
        raise UserError(
            f"tokenizer {name!r} can't be loaded ({str(error).splitlines()[0]}); give a local folder"
        ) from None
    # Without its files transformers makes up a T5 tokenizer that knows no word and complains of nothing.
    if len(tokenizer) <= len(tokenizer.all_special_tokens) + 1:
        raise UserError(
            f"tokenizer {name!r} can't be loaded: no tokenizer.json or spiece.model is there; copy it there"
        )
    if len(tokenizer) > (known := shape_of(spec.backbone).vocab_size):
        raise UserError(f"tokenizer {name!r} has {len(tokenizer)} tokens, the backbone only {known}; use its own")
    return tokenizer


def _cached_folder(name: str) -> str:
    """The folder of a tokenizer, its own or that in the hub's cache. Raises OSError where it is in neither.

    A folder, for even what is to be loaded from the cache by its hub id can make the hub's library ask the network.
    """
    if Path(name).is_dir():
        return name
    found = (try_to_load_from_cache(name, file) for file in ("tokenizer.json", "spiece.model"))
    cached = next((path for path in found if isinstance(path, str)), None)
    if cached is None:
        raise OSError("it is neither a folder nor in the local hub cache")
    return str(Path(cached).parent)


@dataclass(frozen=True)
class Collator:
    """Makes the tensors of a batch from texts and image keys."""

    tokenizer: PreTrainedTokenizerBase
    features: FeatureSet | None
    max_source_tokens: int
    max_target_tokens: int

    def inputs(self, rows: TaskRows, prompts: Sequence[str], images: Sequence[str]) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` (B, S), `task` (), and for tasks that see images `grid` (B, N, d_v)."""
        encoded = self.tokenizer(
            list(prompts), padding=True, truncation=True, max_length=self.max_source_tokens, return_tensors="pt"
        )
        batch = {
            "input_ids": encoded["input_ids"],
            "attention_mask": encoded["attention_mask"],
            "task": torch.tensor(rows.number),
        }
        if rows.task.sees_image:
            assert self.features is not None
            batch["grid"] = torch.from_numpy(self.features.read([rows.keys[image] for image in images]))
        return batch

    def labels(self, targets: Sequence[str]) -> Tensor:
        """(B, T) token ids of the targets, -100 behind their ends."""
        encoded = self.tokenizer(
            list(targets), padding=True, truncation=True, max_length=self.max_target_tokens, return_tensors="pt"
        )
        return encoded["input_ids"].masked_fill(encoded["attention_mask"] == 0, IGNORED)


def grid_statistics(rows: Sequence[TaskRows], features: FeatureSet, most: int = 2000) -> tuple[Tensor, Tensor]:
    """Channel means (d_v,) and overall deviation () of the training images' grids, from `most` of them at most."""
    keys = sorted({key for one in rows for key in one.keys.values()})
    chosen = [keys[index] for index in np.linspace(0, len(keys) - 1, min(most, len(keys))).astype(int)]
    count, total, squares = 0, np.zeros(features.width), np.zeros(features.width)
    for start in range(0, len(chosen), 64):
        grid = features.read(chosen[start : start + 64]).astype(np.float64)
        count += grid.shape[0] * grid.shape[1]
        total += grid.sum((0, 1))
        squares += np.square(grid).sum((0, 1))
    mean = total / count
    variance = (squares / count - np.square(mean)).mean()
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(max(variance, 1e-12) ** 0.5, dtype=torch.float32)


def to_device(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """A batch on the device where the model is."""
    return {key: value.to(device, non_blocking=True) for key, value in batch.items()}
