"""A trained model as it is kept: in a run folder, or in a repository of the hub. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.errors import UserError
from vlhyper.files import read_object
from vlhyper.model.hub import download
from vlhyper.model.methods import method
from vlhyper.model.sizes import Inputs
from vlhyper.model.spec import WEIGHTS, ModelSpec
from vlhyper.settings import validated

CONFIG = "adapter_config.json"
# The entry of the configuration that tells the frozen weights apart.
BACKBONE = "backbone_sha256"
# What the card tells is read from these: a card that is there already, and the scores that `vlhyper evaluate` wrote.
CARD, SCORES = "README.md", "scores.json"
# All that a repository of the hub has of a run.
SHARED = (WEIGHTS, CONFIG, CARD, SCORES)


class Saved(NamedTuple):
    """What a trained model is, and the digest of its frozen weights; runs of earlier releases have none."""

    spec: ModelSpec
    inputs: Inputs
    backbone_sha256: str | None

    def differences(self, spec: ModelSpec, inputs: Inputs) -> Iterator[str]:
        """`key is old, not new` for each setting that gives the trained tensors another meaning or shape.

        Where the backbone lies, what of the method is tuned and how many tasks there are do neither.
        """
        old, new = ({**one.model_dump(exclude={"backbone", "tokenizer", "tune"})} for one in (self.spec, spec))
        if self.spec.method == spec.method and method(spec.method).images != "none":
            old |= {f"features.{key}": getattr(self.inputs, key) for key in ("tokens", "width")}
            new |= {f"features.{key}": getattr(inputs, key) for key in ("tokens", "width")}
        for key in ("method", *new):
            if old.get(key) != new[key]:
                yield f"{key if '.' in key else f'model.{key}'} is {old.get(key)!r}, not {new[key]!r}"


def find_saved(run: str | Path, **options: Any) -> Path:
    """The folder of a trained model: a run folder, or the copy of a hub repository in the hub's cache.

    options: those of huggingface_hub's `snapshot_download`, for a hub id. Raises UserError where it is neither.
    """
    if Path(run).is_absolute() and not Path(run).is_dir():
        # No id of the hub: a config's `start` that is written as a path.
        raise UserError(f"{run}: no such run folder; train it first, or name another run")
    if Path(run).is_dir():
        return Path(run)
    return download(
        str(run),
        SHARED,
        f"{run}: neither a local run folder nor a repository that is available ({{reason}})",
        **options,
    )


def read_saved(folder: Path) -> Saved:
    """What `save_pretrained` wrote. Raises UserError that names the file and the entry."""
    path = folder / CONFIG
    config = read_object(path)
    if not {"model", "inputs"} <= config.keys():
        raise UserError(f"{path}: not the configuration of a trained model (needs the entries model and inputs)")
    cure = "copy the run again"
    spec = validated(ModelSpec, config["model"], f"{path}: model", cure)
    inputs = validated(Inputs, config["inputs"], f"{path}: inputs", cure)
    return Saved(spec, inputs, config.get(BACKBONE))
