"""Whether what a run begins with is available: published models in a folder or the hub's local cache, its tracker."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from importlib import metadata
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from transformers import PreTrainedTokenizerBase

from vlhyper.errors import UserError, first_few
from vlhyper.model.families import size_of
from vlhyper.model.spec import ModelSpec
from vlhyper.model.weight_files import faults, lacking, require_memory
from vlhyper.run.tokenizer import load_tokenizer


def missing_models(spec: ModelSpec, say: Callable[[str], None]) -> Generator[str, None, PreTrainedTokenizerBase | None]:
    """What of backbone and tokenizer is missing or damaged, one line each, without asking the network.

    `say` is told what a run is going to fetch from the hub, where that is allowed. Returns the tokenizer, where it is
    here.
    """
    if isinstance(spec.backbone, str):
        yield from _missing_backbone(spec.backbone, say)
    try:
        if not isinstance(spec.backbone, str):
            require_memory(size_of(spec.backbone), "backbone")
        return load_tokenizer(spec, local=True)
    except UserError as error:
        name = spec.tokenizer or spec.backbone
        if isinstance(name, str) and _is_hub_id(name) and not constants.HF_HUB_OFFLINE:
            say(f"tokenizer {name!r}: not in the local hub cache; training fetches it from the hub")
        else:
            yield str(error)
        return None


def _missing_backbone(name: str, say: Callable[[str], None]) -> Iterator[str]:
    try:
        size = size_of(name)
        absent = first_few(lacking(name))
        yield from faults(name, size)
    except UserError as error:
        yield str(error)
        return
    if not absent:
        return
    if Path(name).is_dir():
        yield f"backbone {name!r}: the folder lacks {absent}; copy it there"
    elif constants.HF_HUB_OFFLINE:
        yield (
            f"backbone {name!r}: the local hub cache lacks {absent} and HF_HUB_OFFLINE forbids the "
            f"network; fetch it once without that (hf download {name}), or name a local folder"
        )
    else:
        say(f"backbone {name!r}: the local hub cache lacks {absent}; training fetches it from the hub")


def _is_hub_id(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return not Path(name).is_dir()


def require_tracker(name: str) -> None:
    """Raises UserError where the package of `training.tracker` is not installed."""
    try:
        if name != "none":
            # A folder `wandb`, which wandb leaves, can be imported too: only what is installed has metadata.
            metadata.version(name)
    except metadata.PackageNotFoundError:
        told = f"training.tracker: {name} is not installed; install it with: pip install {name}"
        raise UserError(told) from None
