"""The config of a run: one YAML file, read by `params`, `check`, `train` and, resolved, by `evaluate`. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from vlhyper.errors import UserError
from vlhyper.files import write_text
from vlhyper.model.methods import method
from vlhyper.model.spec import Counts, Inputs, ModelSpec, count
from vlhyper.readers.manifest import DATA_FOLDER, Manifest, load_manifest
from vlhyper.settings import Strict, read_yaml, validated
from vlhyper.tasks import Decoding, Task, find_task

# Grids of CLIP's convolutional encoders at their own resolution: (cells, channels).
ENCODER_GRIDS = {
    "RN50": (49, 2048),
    "RN101": (49, 2048),
    "RN50x4": (81, 2560),
    "RN50x16": (144, 3072),
    "RN50x64": (196, 4096),
}


class TaskConfig(Strict):
    """One task of the mixture; its key in `tasks` names its embedding."""

    data: str | dict[str, Any] = Field(description="path of a manifest, or what would stand in one")
    task: str | None = Field(None, description="row of the table of tasks; the key in `tasks` where left out")
    root: str | None = Field(None, description="folder of the data set's files, in place of the manifest's")
    train: str = Field("train", description="split to train on")
    validation: str | None = Field("val", description="split to validate on; null for none")
    test: str = Field("test", description="split to evaluate on")
    beams: int | None = Field(None, gt=0, description="beams of the final evaluation; the task's own where left out")
    max_new_tokens: int | None = Field(None, gt=0)


class FeatureConfig(Strict):
    """The image features of all tasks together."""

    files: list[str] = Field(default_factory=list, description="feature files beside those the manifests name")
    encoder: str | None = Field(None, description="refused where a file says otherwise")
    weights_sha256: str | None = Field(None, description="refused where a file says otherwise")
    preprocessing: dict[str, Any] | None = Field(None, description="refused where a file says otherwise")
    tokens: int | None = Field(None, gt=0, description="cells of the grid; refused where a file says otherwise")
    width: int | None = Field(None, gt=0, description="channels of the grid; refused where a file says otherwise")
    missing: Literal["refuse", "drop"] = Field("refuse", description="what to do with rows whose image has no features")
    mismatched: bool = Field(False, description="blind control: every image gets another's features, always the same")


class TrainingConfig(Strict):
    """Optimisation. Defaults are the paper's run where it says."""

    steps: int = Field(262_144, gt=0)
    batch: int = Field(128, gt=0, description="examples a step, over all processes and accumulated micro-batches")
    accumulation: int = Field(1, gt=0, description="micro-batches a step")
    learning_rate: float = Field(1e-3, gt=0)
    warmup: int = Field(0, ge=0, description="steps in which the rate rises from 0")
    decay: int = Field(0, ge=0, description="last steps in which the rate falls to 0; 0 is the paper's constant rate")
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    temperature: float = Field(2.0, gt=0, description="T; a task of N examples is drawn in proportion to N^(1/T)")
    precision: Literal["fp32", "bf16"] = "fp32"
    gradient_checkpointing: bool = False
    max_source_tokens: int = Field(64, gt=0)
    max_target_tokens: int = Field(40, gt=0)
    workers: int = Field(0, ge=0, description="processes that read features and tokenise while the model runs")
    seed: int = Field(0, ge=0, lt=2**31)
    log_every: int = Field(100, gt=0, description="steps between two lines of log.jsonl")
    checkpoint_every: int = Field(1000, gt=0, description="steps between two checkpoints to resume from")


class ValidationConfig(Strict):
    """Validation while training: the same sample of each task's split every time."""

    every: int = Field(1000, ge=0, description="steps; 0 for never")
    sample: int = Field(1000, gt=0, description="rows of each task; a full beam search on everything is out of reach")
    beams: int = Field(1, gt=0)


class RunConfig(Strict):
    """A run: a model, its tasks, their features, and how it is trained and validated."""

    model: ModelSpec = ModelSpec()
    tasks: dict[str, TaskConfig] = Field(min_length=1)
    features: FeatureConfig = FeatureConfig()
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    evaluation_batch: int = Field(64, gt=0)

    @model_validator(mode="after")
    def _hangs_together(self) -> RunConfig:
        row = method(self.model.method)
        for name in self.tasks:
            if self.task(name).sees_image and not row.visual:
                raise ValueError(f"task {name!r} asks about images, but method {self.model.method!r} does not see any")
            if row.visual and not self.task(name).sees_image:
                raise ValueError(
                    f"task {name!r} has no images, but method {self.model.method!r} makes weights from them"
                )
        if self.training.batch % self.training.accumulation:
            raise ValueError(
                f"training.batch {self.training.batch} can't be cut into {self.training.accumulation} micro-batches"
            )
        return self

    def task(self, name: str) -> Task:
        """What the entry `name` of `tasks` is."""
        entry = self.tasks[name]
        try:
            return find_task(entry.task or name)
        except UserError as error:
            own = "" if entry.task else f"; under a name of its own, tasks.{name}.task says which one it is"
            raise UserError(f"{error}{own}") from None

    def manifest(self, name: str) -> Manifest:
        """The data set of the entry `name` of `tasks`."""
        entry = self.tasks[name]
        return load_manifest(entry.data, root=entry.root)

    def split(self, name: str, split: str) -> str | None:
        """The manifest's name for a task's `train`, `val` or `test` split; any other name is the manifest's own."""
        entry = self.tasks[name]
        return {"train": entry.train, "val": entry.validation, "test": entry.test}.get(split, split)

    def decoding(self, name: str) -> Decoding:
        """How answers of a task are generated in the final evaluation."""
        entry, own = self.tasks[name], self.task(name).decoding
        return Decoding(entry.beams or own.beams, entry.max_new_tokens or own.max_new_tokens)

    def feature_files(self) -> list[Path]:
        """Every feature file, those of the config before those of the manifests, each once."""
        paths = [Path(path) for path in self.features.files]
        for name in self.tasks:
            paths += self.manifest(name).feature_paths()
        return list(dict.fromkeys(paths))

    def inputs(self) -> Inputs:
        """Tasks and grid for counts: as the config states them, else as its first feature file or encoder has them."""
        grid: tuple[int | None, int | None] = ENCODER_GRIDS.get(self.features.encoder or "RN101", (None, None))
        files = [Path(path) for path in self.features.files]
        if files and files[0].is_file() and not (self.features.tokens and self.features.width):
            from vlhyper.features import open_features

            features = open_features(files[0])
            grid = features.tokens, features.width
        return Inputs(
            tasks=tuple(self.tasks), tokens=self.features.tokens or grid[0], width=self.features.width or grid[1]
        )

    def counts(self) -> Counts:
        """Parameter counts of the run."""
        return count(self.model, self.inputs())


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config, put `key.sub=value` in, and make all paths absolute.

    Paths in the file are relative to its folder, those of overrides to the working folder, where they are typed.
    Raises UserError that names the file, the key, and the nearest valid key.
    """
    values = _absolute(read_yaml(path, "a config"), Path(path).absolute().parent)
    for override in overrides:
        _override(values, override)
    return validated(RunConfig, values, str(path))


def save_config(config: RunConfig, path: Path) -> None:
    """Write the resolved config, defaults and all."""
    write_text(path, yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True))


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """`key: old, now new` for each value in which two configs differ."""
    before, after = dict(_flat(old.model_dump())), dict(_flat(new.model_dump()))
    # A task's number is its place among the tasks.
    before["order of tasks"], after["order of tasks"] = list(old.tasks), list(new.tasks)
    keys = dict.fromkeys([*before, *after])
    return [f"{key}: {before.get(key)}, now {after.get(key)}" for key in keys if before.get(key) != after.get(key)]


def _flat(value: Any, place: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{place}.{key}" if place else str(key))]
    return [(place, value)]


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise UserError(f"{override!r}: write an override as key.sub=value, for example training.steps=1000")
    *parents, last = key.split(".")
    place = values
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise UserError(f"{override!r}: {parent!r} holds a value and has no keys of its own")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    place[last] = _absolute(value, Path.cwd(), (*parents, last))


def _absolute(value: Any, base: Path, place: tuple[str, ...] = ()) -> Any:
    """What stands at `place` of a config, with paths made absolute that are relative to `base`."""
    match place:
        case ("model", "backbone" | "tokenizer"):
            return _folder(base, value)
        case ("features", "files") if isinstance(value, list):
            return [_under(base, path) for path in value]
        case ("tasks", _, "data") if isinstance(value, dict):
            value = {"root": ".", **value}
        case ("tasks", _, "data"):
            return _under(base, value)
        case ("tasks", _, "root") | ("tasks", _, "data", "root"):
            return _root(base, value)
        case ("tasks", _, "data", *_) if isinstance(value, str) and value.startswith("~/"):
            # Other paths of a manifest are relative to its root.
            return _under(base, value)
        case ("tasks", _, "data", *_) if isinstance(value, list):
            return [_absolute(inner, base, place) for inner in value]
    if isinstance(value, dict):
        return {key: _absolute(inner, base, (*place, str(key))) for key, inner in value.items()}
    return value


def _folder(base: Path, name: Any) -> Any:
    """A folder as a path; a hub id is none and stays as it is."""
    if not isinstance(name, str):
        return name
    written_as_path = name.startswith(("~", "/", "./", "../"))
    return _under(base, name) if written_as_path or Path(_under(base, name)).is_dir() else name


def _root(base: Path, path: Any) -> Any:
    # A root that opens with the folder of all data sets is resolved where the manifest is read.
    return path if isinstance(path, str) and path.startswith(f"${DATA_FOLDER}") else _under(base, path)


def _under(base: Path, path: Any) -> Any:
    if not isinstance(path, str):
        return path
    return os.path.normpath(base / Path(os.path.expandvars(path)).expanduser())
