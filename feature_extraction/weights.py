"""Weights of an encoder's visual tower, from a file that cannot run code or from where they were published."""

from __future__ import annotations

import os
import socket
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from feature_extraction.naming import from_transformers, is_transformers_clip, trained_with_quick_gelu
from vlhyper.console import say
from vlhyper.errors import UserError, first_few
from vlhyper.files import existing_file, sha256
from vlhyper.tensors import header
from vlhyper.wording import named

Tensors = dict[str, torch.Tensor]
# Suffix of open_clip's names of models that are built with QuickGELU.
QUICK = "-quickgelu"
# How long a server may take to answer.
SECONDS = 20
# Entries of OpenAI's archives that are not weights.
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")


@dataclass(frozen=True)
class Weights:
    """tensors: by name in the visual tower; sha256: of the file; quick_gelu: whether trained with QuickGELU."""

    path: Path
    sha256: str
    tensors: Tensors
    quick_gelu: bool


def find_weights(model: str, weights: str, trust: bool = False) -> Weights:
    """Load the weights a user names: a file, or a tag that open_clip lists for `model` (then they are downloaded).

    Raises UserError for a name that is neither, a failed download, and files that could run code.
    """
    path, quick = locate(model, weights)
    digest = sha256(path)
    tensors, activation = read_tower(path, digest, trust)
    return Weights(path, digest, tensors, quick or activation or digest in published_digests())


def locate(model: str, weights: str, option: str = "--weights") -> tuple[Path, bool]:
    """The file of the weights a user names, and whether it was published as trained with QuickGELU.

    Raises UserError for a name that is neither a file nor a published tag, and for a failed download.
    """
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    path, quick = Path(weights), False
    if not path.exists() and (published := get_pretrained_cfg(model, weights)):
        path, quick = fetch(model, weights), bool(published.get("quick_gelu"))
    elif not path.exists():
        tags = ", ".join(list_pretrained_tags_by_model(model)) or "none"
        raise UserError(
            f"{option} {weights}: no such file, and not a tag of published {model} weights (valid are: {tags})"
        )
    return existing_file(path, "weights"), quick


def fetch(model: str, tag: str) -> Path:
    """Download the published weights `tag` of `model`, or use the cache. Raises UserError if not available."""
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    source = get_pretrained_cfg(model, tag)
    origin = f"the hub's {source['hf_hub'].rstrip('/')}" if source.get("hf_hub") else source.get("url", "")
    reason = "HF_HUB_OFFLINE is set"
    if source.get("hf_hub") or not HF_HUB_OFFLINE:
        say(f"weights {tag!r} of {model}: taken from the cache, or downloaded from {origin}")
        waited = socket.getdefaulttimeout()
        # Without a network some systems wait for minutes, and no library that downloads asks for less.
        socket.setdefaulttimeout(SECONDS)
        try:
            return Path(download_pretrained(source))
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
        finally:
            socket.setdefaulttimeout(waited)
    # A file does not say which activation it was trained with; convolutional towers have no choice of one.
    quick = source.get("quick_gelu") and not model.startswith("RN") and not model.endswith(QUICK)
    encoder = f"--encoder {model}{QUICK} " if quick else ""
    raise UserError(
        f"the weights {tag!r} of {model} are not available ({reason}); copy them from {origin} and give "
        f"{encoder}--weights FILE"
    )


def published_digests() -> set[str]:
    """SHA-256 of the archives that OpenAI published, taken from the addresses in openai/CLIP `clip/clip.py`."""
    from open_clip.pretrained import get_pretrained_url, list_pretrained_models_by_tag

    urls = [get_pretrained_url(model, "openai") for model in list_pretrained_models_by_tag("openai")]
    return {url.split("/")[-2] for url in urls if url}


def read_tower(path: Path, digest: str, trust: bool) -> tuple[Tensors, bool]:
    """The tensors of the visual tower in `path`, float32, without their prefix; and whether it says QuickGELU.

    Reads safetensors, state dicts that `torch.load(weights_only=True)` accepts (plain, under "state_dict", from data
    parallel training), and TorchScript archives. These are programs: they need OpenAI's digest or the user's consent.
    CLIP checkpoints of transformers are renamed; config.json beside them says whether they were trained with QuickGELU.
    """
    tensors = read_state(path, digest, trust)
    if is_transformers_clip(tensors):
        return _floats(from_transformers(tensors, path)), trained_with_quick_gelu(path)
    tower = {key.removeprefix("visual."): value for key, value in tensors.items() if key.startswith("visual.")}
    # A file with only the tower may omit the prefix.
    chosen = tower or {key: value for key, value in tensors.items() if key not in NOT_WEIGHTS}
    return _floats(chosen), False


def _require_plain(tensors: Tensors, path: Path) -> None:
    """Raises UserError for tensors that are no plain array, or mean more numbers than the whole file can hold."""
    size = path.stat().st_size
    strange = [
        f"{named(key)} is {tuple(value.shape)}"
        for key, value in tensors.items()
        if value.layout is not torch.strided
        or value.device.type != "cpu"
        or value.is_quantized
        or value.numel() * value.element_size() > size
    ]
    if strange:
        raise UserError(
            f"{path}: {len(strange)} tensors are sparse, quantised, without values, or larger than the file "
            f"({first_few(strange)}); save plain tensors"
        )


def read_state(path: Path, digest: str, trust: bool = False) -> Tensors:
    """All tensors of a file by name, as they are. Raises UserError for what `read_tower` does not read."""
    state = _read(path, digest, trust)
    state = state.get("state_dict", state)
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise UserError(f"{path}: not a state dict (names and tensors); save model.state_dict()")
    tensors = {key.removeprefix("module."): value for key, value in state.items() if isinstance(value, torch.Tensor)}
    _require_plain(tensors, path)
    return tensors


def _floats(tensors: Tensors) -> Tensors:
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}


def _read(path: Path, digest: str, trust: bool) -> dict[str, Any]:
    if _is_program(path):
        return _run_archive(path, digest, trust)
    _refuse_packed(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            header(path)
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, UserError):
        raise
    # The loaders raise many kinds of errors for broken files; here they all mean the same.
    except Exception as error:
        reason = str(error).split(". ")[0].split("\n")[0][:200]
        raise UserError(
            f"{path}: neither safetensors nor a state dict that loads without running code ({reason}); "
            "download or copy it again, or save it with torch.save(model.state_dict(), FILE) or as safetensors"
        ) from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: contains a {type(found).__name__}, not a state dict; save model.state_dict()")
    return found


def _refuse_packed(path: Path) -> None:
    """Raises UserError for an archive whose parts unpack to more than it holds; torch writes them as they are."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise UserError(f"{path}: damaged archive ({error}); download or copy it again") from None
    if total > path.stat().st_size:
        raise UserError(f"{path}: its parts unpack to {total / 1e6:,.0f} MB, more than it has; save it with torch.save")


def _is_program(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False
    with archive:
        return any("/code/" in name or name.endswith("constants.pkl") for name in archive.namelist())


def _run_archive(path: Path, digest: str, trust: bool) -> dict[str, Any]:
    if digest not in published_digests() and not trust:
        raise UserError(
            f"{path}: a TorchScript archive is a program, and OpenAI published none with this digest ({digest[:12]}…); "
            "convert it to safetensors, or add --trust-weights if you trust its source"
        )
    with warnings.catch_warnings():
        # torch recommends torch.export instead; the published archives have this format.
        warnings.simplefilter("ignore")
        return dict(torch.jit.load(os.fspath(path), map_location="cpu").state_dict())
