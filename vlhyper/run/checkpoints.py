"""What a run folder keeps so that a killed run goes on where it was: trained weights, AdamW's moments, the step.

All of it is safetensors and JSON; nothing is pickled.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from vlhyper.errors import JobError, UserError, first_few
from vlhyper.files import read_object, write_json
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.old_runs import upgraded
from vlhyper.settings import Strict, validated
from vlhyper.tensors import is_finite, load_tensors
from vlhyper.wording import some

MOMENTS = ("exp_avg", "exp_avg_sq", "step")
PROGRESS, STEP = "progress.json", "step-"


class _Written(Strict):
    """A progress.json: every entry of `Progress`, and no other; the scaler of fp16 runs alone."""

    step: int = Field(ge=0, strict=True)
    best: float | None
    best_step: int | None = Field(ge=0, strict=True)
    validated: bool = Field(strict=True)
    scaler: dict[str, int | float] | None = None


@dataclass
class Progress:
    """How far a run has come."""

    step: int = 0  # steps done
    best: float | None = None  # best mean validation score so far, × 100
    best_step: int | None = None
    validated: bool = True  # False: the validation due at `step` is still to be done
    scaler: dict[str, float] | None = None  # of fp16: by what the loss is multiplied, and how that goes on

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "scaler" or value}


def save_checkpoint(run: Path, model: VLHyperPELT, optimizer: Optimizer, progress: Progress) -> None:
    """Write `checkpoints/step-NNNNNNNNN` whole or not at all, then drop the older one."""
    folder = _folder(run, progress)
    part = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        save_file(model.state(), part / "model.safetensors")
        save_file(_moments(model, optimizer), part / "optimizer.safetensors")
        write_json(part / PROGRESS, progress.to_json())
    except BaseException:
        # On a full disk half a checkpoint would take the room that is left.
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    for old in run.glob("checkpoints/*step-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def require_finite_state(run: Path, model: VLHyperPELT, optimizer: Optimizer, progress: Progress) -> None:
    """Raises JobError where an update left no numbers: they must not take the place of the last checkpoint."""
    if broken := [
        name
        for name, weight in model.trained()
        if not all(map(is_finite, (weight.detach(), *optimizer.state[weight].values())))
    ]:
        raise JobError(
            f"step {progress.step}: the update gave a NaN or an infinity in {some(broken)}; try a lower "
            f"training.learning_rate in another --out; what {run} had saved before is kept"
        )


def save_progress(run: Path, progress: Progress) -> None:
    """Record again how far the run has come, in the checkpoint that was made at this step."""
    write_json(_folder(run, progress) / PROGRESS, progress.to_json())


def load_checkpoint(run: Path, model: VLHyperPELT, optimizer: Optimizer) -> Progress:
    """Put the newest checkpoint in, if there is one. Raises UserError that names a file that does not fit."""
    folder = newest(run)
    if folder is None:
        return Progress()
    try:
        model.load_state(load_tensors(folder / "model.safetensors"), str(folder / "model.safetensors"))
        moments = upgraded(load_tensors(folder / "optimizer.safetensors", "the optimiser"), model.spec.method)
        _check_moments(moments, model, folder / "optimizer.safetensors")
        _load_moments(moments, model, optimizer)
    except UserError as error:
        raise _damaged(folder, error) from None
    return load_progress(folder)


def load_progress(folder: Path) -> Progress:
    """How far the run had come at a checkpoint. Raises UserError where that cannot be read."""
    try:
        written = validated(_Written, read_object(folder / PROGRESS), str(folder / PROGRESS))
        if written.step != int(folder.name.removeprefix(STEP)):
            raise UserError(f"{folder / PROGRESS}: is of step {written.step}")
        return Progress(**dict(written))
    except UserError as error:
        raise _damaged(folder, error) from None


def _damaged(folder: Path, error: UserError) -> UserError:
    # The cure of the file alone, to copy it again, is not what a checkpoint needs.
    told = str(error).split("; ")[0].removeprefix(f"{folder}/")
    return UserError(f"{folder}: damaged checkpoint ({told}); remove this folder to start the run again")


def _folder(run: Path, progress: Progress) -> Path:
    return run / "checkpoints" / f"{STEP}{progress.step:09d}"


def newest(run: Path) -> Path | None:
    """The folder of the last whole checkpoint."""
    return max(
        (path for path in run.glob(f"checkpoints/{STEP}*") if path.name.removeprefix(STEP).isdecimal()), default=None
    )


def _moments(model: VLHyperPELT, optimizer: Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}.{moment}": optimizer.state[parameter][moment].detach().cpu().contiguous()
        for name, parameter in model.trained()
        for moment in MOMENTS
        if moment in optimizer.state[parameter]
    }


def _check_moments(saved: Mapping[str, Tensor], model: VLHyperPELT, path: Path) -> None:
    """Raises UserError for moments that are not of this model: all three of a parameter, or none, in its shape."""
    wanted = {
        f"{name}.{moment}": torch.Size() if moment == "step" else parameter.shape
        for name, parameter in model.trained()
        for moment in MOMENTS
        if any(f"{name}.{each}" in saved for each in MOMENTS)
    }
    if odd := sorted(wanted.keys() ^ saved.keys()):
        raise UserError(f"{path}: does not fit this model: {some(odd)} are in only one of the two")
    if odd := [f"{key} is {tuple(saved[key].shape)}" for key, shape in wanted.items() if saved[key].shape != shape]:
        raise UserError(f"{path}: {first_few(odd)}, which is not the shape of its parameter")


def _load_moments(saved: dict[str, Tensor], model: VLHyperPELT, optimizer: Optimizer) -> None:
    # Only the fused AdamW counts its steps on the device.
    fused = optimizer.defaults.get("fused")
    for name, parameter in model.trained():
        if f"{name}.step" in saved:
            optimizer.state[parameter] = {
                moment: saved[f"{name}.{moment}"].to("cpu" if moment == "step" and not fused else parameter.device)
                for moment in MOMENTS
            }


def fresh_seed(seed: int, step: int, rank: int) -> None:
    """Seed torch for one step, so that a resumed run draws the dropout an uninterrupted one draws."""
    torch.manual_seed((seed * 1_000_003 + step) * 4099 + rank)
