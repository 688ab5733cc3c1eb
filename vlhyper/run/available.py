"""Whether the published models a run begins with are at hand: in a folder, or in the hub's local cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open

from vlhyper.errors import UserError
from vlhyper.files import read_json
from vlhyper.model.sizes import size_of
from vlhyper.model.spec import ModelSpec
from vlhyper.run.tokenizer import load_tokenizer

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"


def missing_models(spec: ModelSpec, say: Callable[[str], None]) -> Iterator[str]:
    """What of backbone and tokenizer is missing or damaged, one line each, without asking the network.

    `say` is told what a run is going to fetch from the hub, where that is allowed.
    """
    if isinstance(spec.backbone, str):
        yield from _missing_backbone(spec.backbone, say)
    try:
        load_tokenizer(spec, local=True)
    except UserError as error:
        name = spec.tokenizer or spec.backbone
        if isinstance(name, str) and _is_hub_id(name) and not constants.HF_HUB_OFFLINE:
            say(f"tokenizer {name!r}: not in the local hub cache; training fetches it from the hub")
        else:
            yield str(error)


def _missing_backbone(name: str, say: Callable[[str], None]) -> Iterator[str]:
    try:
        size_of(name)
        lacking = [file for file in (CONFIG, *_weights(name)) if not _at_hand(name, file)]
        torn = [file for file in _weights(name) if file not in lacking and not _whole(name, file)]
    except UserError as error:
        yield str(error)
        return
    if torn:
        yield f"backbone {name!r}: {', '.join(torn)} is not a whole safetensors file; copy it again"
    if not lacking:
        return
    if _is_folder(name):
        yield f"backbone {name!r}: the folder lacks {', '.join(lacking)}; copy it there"
    elif constants.HF_HUB_OFFLINE:
        yield (
            f"backbone {name!r}: the local hub cache lacks {', '.join(lacking)} and HF_HUB_OFFLINE keeps the network "
            f"out; fetch it once without that: hf download {name}, or name a local folder"
        )
    else:
        say(f"backbone {name!r}: the local hub cache lacks {', '.join(lacking)}; training fetches it from the hub")


def _weights(name: str) -> list[str]:
    """The files the weights are in: one, or the several that an index names."""
    index = None if _at_hand(name, WEIGHTS) else _at_hand(name, INDEX)
    return sorted(set(read_json(index).get("weight_map", {}).values())) if index else [WEIGHTS]


def _whole(name: str, file: str) -> bool:
    try:
        with safe_open(_at_hand(name, file), "pt"):
            return True
    except SafetensorError:
        return False


def _at_hand(name: str, file: str) -> Path | None:
    """Where a file of a model lies on this machine."""
    if _is_folder(name):
        path = Path(name, file)
        return path if path.is_file() else None
    cached = try_to_load_from_cache(name, file)
    return Path(cached) if isinstance(cached, str) else None


def _is_folder(name: str) -> bool:
    return Path(name).is_dir()


def _is_hub_id(name: str) -> bool:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return not _is_folder(name)
