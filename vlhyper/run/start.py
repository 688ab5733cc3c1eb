"""A start from the trained weights of another run: all of them are taken, rows of tasks by the names of the tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlhyper.errors import UserError
from vlhyper.features.layout import IDENTITY
from vlhyper.files import existing_file, sha256
from vlhyper.model.saved import Saved, find_saved, read_saved
from vlhyper.model.spec import WEIGHTS, Inputs, ModelSpec
from vlhyper.run.config import load_config
from vlhyper.run.tasks import Run

if TYPE_CHECKING:
    from torch import Tensor

    from vlhyper.model.model import VLHyperPELT


@dataclass(frozen=True)
class Taken:
    """What a model got from another run: its digest, and which tasks found their rows there."""

    source: Path
    sha256: str
    tensors: int
    carried: Sequence[str]
    new: Sequence[str]
    left: Sequence[str]
    mean: bool

    def __str__(self) -> str:
        """One line for the user."""
        told = {
            "rows of {} are carried over": self.carried,
            f"those of {{}} start {'as the mean of all that it has' if self.mean else 'anew'}": self.new,
            "those of {} are left": self.left,
        }
        tasks = ", ".join(text.format(", ".join(names)) for text, names in told.items() if names)
        weights = f"starts from {self.source / WEIGHTS} (SHA-256 {self.sha256[:12]}…): {self.tensors} tensors are taken"
        return f"{weights}; {tasks}" if tasks else weights


def begun(folder: Path) -> bool:
    """Whether a run has a checkpoint to resume from; what it started from is then of no more use."""
    return any(folder.glob("checkpoints/step-*"))


def check_start(run: Run, inputs: Inputs | None = None) -> None:
    """Raises UserError where the run that `start` of a config names is missing, or its model another. No torch.

    inputs: those of the new run, once its features are known; then its features must also be those of the other run.
    """
    if run.config.start is None:
        return
    folder = find_saved(run.config.start)
    existing_file(folder / WEIGHTS, "the trained weights of the run to start from")
    saved = read_saved(folder)
    _require_fit(folder, saved, run.config.model, inputs or saved.inputs)
    if inputs is not None and (folder / "config.yaml").is_file():
        _require_same_features(folder, run)


def start_from(model: VLHyperPELT, run: str | Path, mean: bool = False) -> Taken:
    """Put the trained weights of a run (folder or hub id) into a model: those of each task by the task's name.

    Tasks that only the model has keep the weights they have or, with `mean`, get the mean of the run's tasks. The
    statistics of the image features are taken too, for the weights were trained with them.
    Raises UserError where method, options, features or backbone differ.
    """
    from vlhyper.model.model import read_weights
    from vlhyper.model.old_runs import upgraded

    folder = find_saved(run)
    saved, path = read_saved(folder), folder / WEIGHTS
    _require_fit(folder, saved, model.spec, model.inputs)
    if saved.backbone_sha256 not in (None, model.backbone_sha256):
        raise UserError(f"{folder}: was trained on another backbone than this run's; name the T5 it was trained on")
    state, fresh = upgraded(read_weights(path), saved.spec.method), model.state()
    rows = model.per_task()
    for name in rows:
        # What does not fit is left to load_state, which names it.
        if name in state and state[name].shape == (len(saved.inputs.tasks), *fresh[name].shape[1:]):
            begin = state[name].mean(0).expand_as(fresh[name]) if mean else fresh[name]
            state[name] = _matched(state[name], saved.inputs.tasks, begin, model.inputs.tasks)
    model.load_state(state, str(path))
    old, new = (saved.inputs.tasks, model.inputs.tasks) if rows else ((), ())
    return Taken(
        source=folder,
        sha256=sha256(path),
        tensors=len(state),
        carried=[task for task in new if task in old],
        new=[task for task in new if task not in old],
        left=[task for task in old if task not in new],
        mean=mean,
    )


def _matched(old: Tensor, old_tasks: Sequence[str], fresh: Tensor, tasks: Sequence[str]) -> Tensor:
    """`fresh` (tasks, …) with the rows of the tasks that `old` (old tasks, …) has as well."""
    found = fresh.clone()
    for number, task in enumerate(tasks):
        if task in old_tasks:
            found[number] = old[old_tasks.index(task)]
    return found


def _require_fit(folder: Path, saved: Saved, spec: ModelSpec, inputs: Inputs) -> None:
    if found := next(saved.differences(spec, inputs), None):
        raise UserError(f"{folder}: {found} as in this run; its weights fit only a run of the same model")


def _require_same_features(folder: Path, run: Run) -> None:
    old, new = load_config(folder / "config.yaml").features, run.config.features
    stated: Mapping[str, tuple[object, object]] = {key: (getattr(old, key), getattr(new, key)) for key in IDENTITY}
    for key, (before, now) in stated.items():
        if before is not None and before != now:
            raise UserError(f"{folder}: features.{key} is {before!r}, not {now!r} as in this run; use the same encoder")
