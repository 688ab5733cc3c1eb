"""The config of a run: one YAML file, read by `params`, `check`, `train` and, resolved, by `evaluate`. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from vlhyper.errors import UserError, nearest
from vlhyper.files import write_text
from vlhyper.model.methods import method
from vlhyper.model.spec import WEIGHTS, Inputs, ModelSpec
from vlhyper.readers.manifest import DATA_FOLDER, Texts
from vlhyper.run.bases import merged, read_based
from vlhyper.settings import Strict, parse_yaml, validated
from vlhyper.shipped import find_shipped, no_such_file, place_of
from vlhyper.tasks import Task, find_task

# Grids of CLIP's convolutional encoders at their own resolution: (cells, channels).
ENCODER_GRIDS = {
    "RN50": (49, 2048),
    "RN101": (49, 2048),
    "RN50x4": (81, 2560),
    "RN50x16": (144, 3072),
    "RN50x64": (196, 4096),
}

# Settings that cannot change what is trained; a run may be resumed with others.
NEUTRAL = tuple(f"training.{key}" for key in ("workers", "log_every", "checkpoint_every", "tracker", "project"))


class TaskConfig(Strict):
    """One task of the mixture; its key in `tasks` names its embedding."""

    data: str | dict[str, Any] = Field(description="path of a manifest, or its content")
    task: str | None = Field(None, description="row of the table of tasks; the key in `tasks` where left out")
    root: str | None = Field(None, description="folder of the data set's files, in place of the manifest's")
    image_key: Texts | None = Field(None, description="in place of the manifest's; found and kept where both lack it")
    train: str = Field("train", description="split to train on")
    shots: int | None = Field(None, gt=0, description="train on so many rows, drawn by training.seed; all if null")
    validation: str | None = Field("val", description="split to validate on; null for none")
    test: str = Field("test", description="split to evaluate on")
    beams: int | None = Field(None, gt=0, description="beams of the final evaluation; the task's own where left out")
    max_new_tokens: int | None = Field(None, gt=0, description="of an answer; the task's own where left out")
    max_source_tokens: int | None = Field(None, gt=0, description="of a prompt; as in training where left out")


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
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="of training, validation and evaluation; fp16 is for GPUs without bf16"
    )
    compile: bool = Field(False, description="let torch compile the step: slow at first, then faster on a GPU")
    gradient_checkpointing: bool = False
    max_source_tokens: int | None = Field(None, gt=0, description="of a prompt; each task's own where left out")
    max_target_tokens: int = Field(40, gt=0, description="of an answer to learn")
    workers: int = Field(0, ge=0, description="processes that read features and tokenise while the model runs")
    seed: int = Field(0, ge=0, lt=2**31)
    log_every: int = Field(100, gt=0, description="steps between two lines of log.jsonl")
    checkpoint_every: int = Field(1000, gt=0, description="steps between two checkpoints to resume from")
    tracker: Literal["tensorboard", "trackio", "wandb", "none"] = Field(
        "tensorboard", description="what shows the curves of log.jsonl while the run goes on"
    )
    project: str = Field("vlhyper", min_length=1, description="of trackio and wandb, the project that the run is in")


class ValidationConfig(Strict):
    """Validation while training: the same sample of each task's split every time."""

    every: int = Field(1000, ge=0, description="steps; 0 for never")
    sample: int = Field(1000, gt=0, description="rows of each task; a full beam search on everything is out of reach")
    beams: int = Field(1, gt=0)


class RunConfig(Strict):
    """A run: a model, its tasks, their features, and how it is trained and validated."""

    model: ModelSpec = ModelSpec()
    start: str | None = Field(None, description="run folder or hub id whose trained weights the run begins with")
    new_tasks: Literal["fresh", "mean"] = Field(
        "fresh", description="rows of tasks that `start` lacks: drawn anew, or the mean of the rows it has"
    )
    tasks: dict[str, TaskConfig] = Field(min_length=1)
    only: tuple[str, ...] | None = Field(None, description="names in `tasks` to train, in place of all")
    features: FeatureConfig = FeatureConfig()
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    evaluation_batch: int = Field(64, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _tasks_chosen(cls, values: Any) -> Any:
        """The same with those tasks alone that `only` names, in their order in `tasks`."""
        if not isinstance(values, dict) or not isinstance(values.get("tasks"), dict):
            return values
        only, tasks = values.get("only"), values["tasks"]
        only = [only] if isinstance(only, str) else only
        if not isinstance(only, list | tuple) or not all(isinstance(name, str) for name in only):
            return values
        for name in only:
            if name not in tasks:
                raise ValueError(f"only: there is no task {name!r} in tasks{nearest(name, tasks)}")
        return {**values, "only": None, "tasks": {name: entry for name, entry in tasks.items() if name in only}}

    @model_validator(mode="after")
    def _fits_together(self) -> RunConfig:
        kinds = [task_of(self, name) for name in self.tasks]
        # A model made for images can learn a text task too, where the config says what its images are like.
        unseen = not any(kind.sees_image for kind in kinds) and not (self.features.tokens and self.features.width)
        if method(self.model.method).images != "none" and unseen:
            raise ValueError(
                f"method {self.model.method!r} uses images, but none of the tasks has any ({', '.join(self.tasks)}); "
                "choose a method without images, such as hyperpelt"
            )
        if self.training.batch % self.training.accumulation:
            raise ValueError(
                f"training.batch {self.training.batch} is not a multiple of the {self.training.accumulation} "
                "micro-batches of training.accumulation"
            )
        return self


def task_of(config: RunConfig, name: str) -> Task:
    """The row of the table of tasks that the entry `name` of `tasks` is. Raises UserError for an unknown one."""
    entry = config.tasks[name]
    try:
        return find_task(entry.task or name)
    except UserError as error:
        hint = "" if entry.task else f"; if {name!r} is a name of your own, set tasks.{name}.task to the task it is"
        raise UserError(f"{error}{hint}") from None


def stated_inputs(config: RunConfig) -> Inputs:
    """Tasks and grid for counts: as the config states them, else as its first feature file or encoder has them."""
    stated = config.features
    grid: tuple[int | None, int | None] = ENCODER_GRIDS.get(stated.encoder or "RN101", (None, None))
    first = Path(stated.files[0]) if stated.files else None
    if first is not None and first.is_file() and not (stated.tokens and stated.width):
        from vlhyper.features import open_features

        features = open_features(first)
        grid = features.tokens, features.width
    return Inputs(tasks=tuple(config.tasks), tokens=stated.tokens or grid[0], width=stated.width or grid[1])


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config and those it is based on (`base`), put `key.sub=value` in, and make all paths absolute.

    Relative paths are resolved from the folder of the config file; in overrides, from the current directory.
    Raises UserError that names the file, the key, and the nearest valid key.
    """
    return with_overrides(config_values(path), overrides, str(path))


def config_values(path: str | Path) -> dict[str, Any]:
    """What a config and those it is based on say, paths absolute. Raises UserError that names file and line.

    The name of a config that comes with vlhyper stands for a copy of it in the current directory, but for its
    manifests, which are read where they are.
    """
    file = Path(path)
    if os.path.lexists(file):
        return read_based(path, _absolute)
    found = find_shipped(str(path), "configs") if not file.suffix else None
    if found is None:
        raise no_such_file(file, "configs")
    return read_based(found.path, _absolute_of_shipped)


def _absolute_of_shipped(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a shipped file says, as if it lay below the current directory where a copy would, but for its manifests."""
    tasks = values.get("tasks", {})
    data = {name: {"data": _under(folder, entry["data"])} for name, entry in tasks.items() if "data" in entry}
    found: dict[str, Any] = _absolute(merged(values, {"tasks": data} if data else {}), Path.cwd() / place_of(folder))
    return found


def with_overrides(values: dict[str, Any], overrides: Sequence[str], where: str) -> RunConfig:
    """The config of these values with `key.sub=value` put in. Raises UserError that begins with `where`."""
    for override in overrides:
        _override(values, override)
    return validated(RunConfig, values, where)


def load_run(folder: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The config of a trained run, with `key.sub=value` put in. Raises UserError where the folder is not one."""
    if not (folder / "config.yaml").is_file():
        raise UserError(
            f"{folder}: not a run folder (config.yaml is missing); train one with: vlhyper train CONFIG --out {folder}"
        )
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"{folder}: has no trained weights yet; finish it with the `vlhyper train` that started it")
    return load_config(folder / "config.yaml", overrides)


def save_config(config: RunConfig, path: Path) -> None:
    """Write the resolved config, defaults and all."""
    write_text(path, yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True))


def differences(old: RunConfig, new: RunConfig) -> dict[str, str]:
    """What differs between two configs: key -> `old, now new`."""
    before, after = dict(_flat(old.model_dump())), dict(_flat(new.model_dump()))
    # A task's number follows from the order of the tasks.
    before["order of tasks"], after["order of tasks"] = list(old.tasks), list(new.tasks)
    keys = dict.fromkeys([*before, *after])
    return {key: f"{before.get(key)}, now {after.get(key)}" for key in keys if before.get(key) != after.get(key)}


def _flat(value: Any, key: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [pair for name, inner in value.items() for pair in _flat(inner, f"{key}.{name}" if key else str(name))]
    return [(key, value)]


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise UserError(f"{override!r}: write an override as key.sub=value, for example training.steps=1000")
    *parents, last = key.split(".")
    section = values
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise UserError(f"{override!r}: {parent!r} is a value and has no keys below it")
    try:
        value = parse_yaml(text)
    except ValueError:
        value = text
    if parents[:1] == ["tasks"] and last == "data":
        # What was found for one data set says nothing of another.
        section.pop("image_key", None)
    section[last] = _absolute(value, Path.cwd(), (*parents, last))


def _absolute(value: Any, base: Path, keys: tuple[str, ...] = ()) -> Any:
    """The value under `keys` of a config, its relative paths made absolute from `base`."""
    match keys:
        case ("model", "backbone" | "tokenizer") | ("start",):
            return _folder(base, value)
        case ("features", "files") if isinstance(value, list):
            return [_under(base, path) for path in value]
        case ("tasks", _, "data") if isinstance(value, dict):
            value = {"root": ".", **value}
        case ("tasks", _, "data"):
            return _manifest(base, value)
        case ("tasks", _, "root") | ("tasks", _, "data", "root"):
            return _root(base, value)
        case ("tasks", _, "data", "splits", _, "exclude", "manifest"):
            return _under(base, value)
        case ("tasks", _, "data", *_) if isinstance(value, str) and value.startswith("~/"):
            # Other paths of a manifest are relative to its root.
            return _under(base, value)
        case ("tasks", _, "data", *_) if isinstance(value, list):
            return [_absolute(inner, base, keys) for inner in value]
    if isinstance(value, dict):
        return {key: _absolute(inner, base, (*keys, str(key))) for key, inner in value.items()}
    return value


def _manifest(base: Path, written: Any) -> Any:
    """The path of a manifest; one that comes with vlhyper may be given by its name."""
    path = _under(base, written)
    if not isinstance(written, str) or os.path.lexists(path) or Path(written).suffix:
        return path
    found = find_shipped(written, "data")
    return path if found is None else str(found.path)


def _folder(base: Path, name: Any) -> Any:
    """The path of a folder; a hub id stays as it is."""
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
    # A folder may really be called $HOME: what exists as it is written is not a variable.
    written = path if os.path.lexists(base / path) else os.path.expandvars(path)
    return os.path.normpath(base / Path(written).expanduser())
