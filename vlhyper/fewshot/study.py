"""What a few-shot study is: one model, one new task, and a run for each number of shots and each seed. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.errors import UserError
from vlhyper.model.families import size_of
from vlhyper.model.methods import method as row_of
from vlhyper.model.saved import read_saved
from vlhyper.model.spec import ModelSpec, count, option_models
from vlhyper.readers.manifest import load_manifest
from vlhyper.run.config import RunConfig, config_values, load_run, stated_inputs, with_overrides
from vlhyper.shipped import find_shipped
from vlhyper.tasks import find_task

# What the model config calls the part that HyperPELT TaskEmbed tunes.
TASK_EMBEDDINGS = "task embeddings"
# In place of a run's own: `training` and `validation` of every cell, unless they are overridden.
TRAINING: dict[str, Any] = {"steps": 1000, "batch": 32}
VALIDATION: dict[str, Any] = {"every": 100, "sample": 1000}
# A few numbers that stand for much take large steps. z: 20, 47, 55, 64 and 59 % on the miniature OK-VQA (128 shots, 200
# steps) for 0.001, 0.01, 0.03, 0.1 and 0.3; prompts: Lester et al. (2021).
RATE, EMBEDDING_RATE, PROMPT_RATE = 1e-3, 0.1, 0.3
# Of the run's settings those that say how, not how long, a model of this size is trained.
KEPT = ("precision", "gradient_checkpointing", "workers")
# What manifests call the split that picks the best step.
VALIDATION_SPLITS = ("val", "validation", "dev")


class Cell(NamedTuple):
    """One run of a study. With 0 shots the model is evaluated as it begins."""

    shots: int
    seed: int


@dataclass(frozen=True)
class Study:
    """One model and one new task; `config` is that of every cell but for shots, batch and seed."""

    config: RunConfig
    task: str

    @property
    def name(self) -> str:
        """What folders call the model: its method, and what of it is tuned if not all."""
        spec = self.config.model
        tuned = "" if spec.tune is None else f".{'+'.join(spec.tune).replace(' ', '-')}"
        return f"{spec.method}{tuned}{'.mismatched' if self.config.features.mismatched else ''}"

    @property
    def title(self) -> str:
        """What tables and figures call the model."""
        spec = self.config.model
        title = row_of(spec.method).title
        if spec.tune is not None:
            title += " TaskEmbed" if spec.tune == (TASK_EMBEDDINGS,) else f", {' and '.join(spec.tune)} alone"
        return f"{title}{', mismatched images' if self.config.features.mismatched else ''}"

    def cells(self, shots: Sequence[int], seeds: int) -> Iterator[Cell]:
        """The runs of a study. The start from a run is the same for all seeds, so that 0 shots are evaluated once."""
        same = self.config.start is not None and self.config.new_tasks == "mean"
        for number in sorted(set(shots)):
            yield from (Cell(number, seed) for seed in range(1 if number == 0 and same else seeds))

    def folder(self, out: Path, cell: Cell) -> Path:
        """The run folder of a cell."""
        return out / self.task / self.name / f"shots-{cell.shots:04d}" / f"seed-{cell.seed}"

    def of(self, cell: Cell) -> RunConfig:
        """The config of a cell. A batch holds no example twice."""
        config = self.config
        task = config.tasks[self.task].model_copy(update={"shots": cell.shots or None})
        batch = min(config.training.batch, cell.shots) or config.training.batch
        training = config.training.model_copy(update={"seed": cell.seed, "batch": batch})
        return config.model_copy(update={"tasks": {self.task: task}, "training": training})

    def with_config(self, config: RunConfig) -> Study:
        """The same study with more of its config known."""
        return replace(self, config=config)


def plan(
    source: Path,
    task: str,
    data: str | None = None,
    method: str | None = None,
    tune: str | None = None,
    overrides: Sequence[str] = (),
) -> Study:
    """The study of a model on a new task.

    Args:
        source: a run folder, whose trained weights are the start; or a config, whose method begins untrained.
        data: the manifest of the task; that of the config, or `TASK.yaml` beside another manifest of it, if left out.
        method: in place of the run's: begins untrained on the same backbone. A prompt has as many numbers as the
            task embedding of the run.
        tune: `all` that the method trains, or the `task-embedding` alone; as the config says if left out.
        overrides: `key.sub=value` of the cells' config.

    Raises UserError for what does not exist or does not go together.
    """
    find_task(task)
    if not source.exists() and find_shipped(str(source), "configs") is None:
        raise UserError(f"{source}: no such run folder or config; name the folder of a run that `vlhyper train` wrote")
    trained = source.is_dir()
    values = load_run(source).model_dump() if trained else config_values(source)
    given = values.get("training") or {}
    if trained:
        given = {key: given[key] for key in KEPT}
        values |= {"start": str(source.absolute()), "new_tasks": "mean", "validation": {}}
        values["model"]["tune"] = None
    if method is not None:
        if not trained:
            raise UserError(f"{source}: --method replaces that of a run; in a config set model.method")
        values |= {"start": None, "model": _another_method(source, method)}
    if tune is not None:
        values.setdefault("model", {})["tune"] = [TASK_EMBEDDINGS] if tune == "task-embedding" else None
    values["training"] = {**TRAINING, "learning_rate": _rate(values.get("model") or {}), **given}
    values["validation"] = {**VALIDATION, **(values.get("validation") or {})}
    values |= {"tasks": {task: _entry(values.get("tasks") or {}, task, data, source)}, "only": None}
    config = with_overrides(values, overrides, str(source))
    if set(config.tasks) != {task}:
        raise UserError(f"{source}: few-shot runs have one task, {task}; leave other tasks out of the overrides")
    # What is to be tuned must be there.
    count(config.model, stated_inputs(config))
    return Study(config, task)


def _rate(model: Mapping[str, Any]) -> float:
    if model.get("tune") == [TASK_EMBEDDINGS]:
        return EMBEDDING_RATE
    return PROMPT_RATE if model.get("method") == "prompt_tuning" else RATE


def _another_method(run: Path, name: str) -> dict[str, Any]:
    """The model config of another method on the backbone of a run."""
    saved = read_saved(run)
    spec: dict[str, Any] = {"method": name, "backbone": saved.spec.backbone, "tokenizer": saved.spec.tokenizer}
    options = {key for kind in option_models(row_of(name)).values() for key in kind.model_fields}
    embedding = count(_all_of(saved.spec), saved.inputs).parts.get(TASK_EMBEDDINGS)
    if "prompt_length" in options and embedding is not None:
        numbers = embedding // len(saved.inputs.tasks)
        spec["prompt_length"] = max(1, round(numbers / size_of(saved.spec.backbone).d_model))
    return spec


def _all_of(spec: ModelSpec) -> ModelSpec:
    return spec.model_copy(update={"tune": None})


def _entry(tasks: Mapping[str, Any], task: str, data: str | None, source: Path) -> dict[str, Any]:
    """What the config of a cell says of its task."""
    if data is None and task in tasks:
        return dict(tasks[task])
    path = Path(data).expanduser().absolute() if data is not None else _manifest_beside(tasks, task, source)
    splits = load_manifest(path).splits
    return {"data": str(path), "validation": next((name for name in VALIDATION_SPLITS if name in splits), None)}


def _manifest_beside(tasks: Mapping[str, Any], task: str, source: Path) -> Path:
    folders = dict.fromkeys(Path(entry["data"]).parent for entry in tasks.values() if isinstance(entry["data"], str))
    for folder in folders:
        found = folder / f"{task.replace('-', '_')}.yaml"
        if found.is_file():
            return found
    raise UserError(f"{source}: has no task {task!r} and no manifest of it lies beside its own; name one with --data")
