"""The frozen backbone: loaded from the hub or a local folder, or built with random weights from a config."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedModel
from transformers.utils import logging

from vlhyper.errors import UserError
from vlhyper.model.families import FAMILIES, Family, size_of
from vlhyper.model.sizes import Size
from vlhyper.model.weight_files import faults

# Of what a folder says about generation these are the model's; how to search is the run's.
TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")


def build_backbone(backbone: str | Mapping[str, Any]) -> PreTrainedModel:
    """A model of one of the families with all parameters frozen, fp32.

    A string is a hub id or a local folder (published weights); a mapping holds fields of its config (random weights).
    Raises UserError where the weights are not available.
    """
    size = size_of(backbone)
    family = FAMILIES[size.family]
    model = _pretrained(backbone, size, family) if isinstance(backbone, str) else _random(backbone, size, family)
    config: Any = model.config
    if hasattr(config, "num_decoder_layers"):
        # generate makes room in its cache for so many layers. It does not ask T5's own name for them, and without this
        # a decoder deeper than the encoder has no room.
        config.decoder_layers = config.num_decoder_layers
    for name in family.removed:
        holder, _, last = name.rpartition(".")
        delattr(model.get_submodule(holder), last)
    generation: Any = model.generation_config
    model.generation_config = GenerationConfig(**{name: getattr(generation, name) for name in TOKENS})
    return model.requires_grad_(False)


def _pretrained(name: str, size: Size, family: Family) -> PreTrainedModel:
    for fault in faults(name, size):
        raise UserError(fault)
    # Its progress bar over the tensors of one file would interrupt ours.
    logging.disable_progress_bar()
    try:
        # The published checkpoints exist as safetensors; asking for nothing else keeps pickles out.
        kind = getattr(transformers, family.model)
        model: PreTrainedModel = kind.from_pretrained(name, dtype=torch.float32, use_safetensors=True)
        return model
    except OSError as error:
        where = "the folder lacks its weights" if Path(name).is_dir() else "it is not in the local hub cache"
        raise UserError(
            f"backbone {name!r} cannot be loaded: {where} ({str(error).splitlines()[0]}); give a local folder with "
            "config.json and model.safetensors, or download it once with network access"
        ) from None
    except SafetensorError as error:
        raise UserError(
            f"backbone {name!r}: its safetensors file is damaged or incomplete ({error}); copy it again"
        ) from None


def _random(fields: Mapping[str, Any], size: Size, family: Family) -> PreTrainedModel:
    own = family.complete({key: value for key, value in fields.items() if key != "model_type"})
    config = getattr(transformers, family.config)(**own)
    # Frozen weights are saved with no run, so the same config has to give the same ones whenever a run is opened.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: PreTrainedModel = getattr(transformers, family.model)(config)
        return _untied(model) if getattr(size, "untied_head", False) else model


def _untied(t5: Any) -> Any:
    # v1.1 and mT5 have a head of their own; transformers 5 unties it only when it loads one.
    t5.all_tied_weights_keys.pop("lm_head.weight", None)
    # Outputs are not scaled before this head, so its entries are small enough for logits of size 1.
    t5.lm_head.weight = nn.Parameter(torch.randn_like(t5.lm_head.weight) * t5.config.d_model**-0.5)
    return t5


@torch.no_grad()
def deviations_of(model: PreTrainedModel) -> dict[str, float]:
    """The deviation of a backbone's ordinary keys ("key") and values ("value"), and of its word embeddings ("word").

    A normed input has entries of mean square 1 times the norm's gain g, plus its shift s. So the entry o of a key has
    the mean square sum_d (g_d W_od)^2 + (W s + b)_o^2; where keys are normed themselves, that of the norm. Prefixes
    start at that size (docs/method.md, "Makers").
    """
    family = FAMILIES[model.config.model_type]
    squares: dict[str, list[Tensor]] = {"key": [], "value": []}
    encoder: Any = model.get_submodule(family.layers["encoder"])
    for stack, blocks in (("encoder", ("encoder_self",)), ("decoder", ("decoder_self", "decoder_cross"))):
        layers: Any = model.get_submodule(family.layers[stack])
        for number, layer in enumerate(layers):
            for block in blocks:
                norm: Any = model.get_submodule(family.norm_of_keys(block, number, len(encoder)))
                key, value = (_map(family, layer, block, part) for part in "kv")
                squares["key"].append(_mean_square(key, norm, family))
                squares["value"].append(_mean_square(value, norm, family))
                attention: Any = layer.get_submodule(family.modules[block])
                if hasattr(attention, "k_norm"):
                    squares["key"][-1] = _gain(attention.k_norm, family).square().mean()
    found = {name: torch.stack(each).mean().sqrt().item() for name, each in squares.items()}
    words: Any = model.get_input_embeddings()
    return found | {"word": words.weight.std().item() * family.word_scale(model.config)}


def _map(family: Family, layer: nn.Module, block: str, part: str) -> Any:
    """A linear map of an attention; where it shares another's, that one."""
    name: Any = family.modules.get(f"{block}_{part}", family.modules[f"decoder_self_{part}"])
    return layer.get_submodule(name)


def _gain(norm: Any, family: Family) -> Tensor:
    return norm.weight + 1 if family.norm_adds_one else norm.weight


def _mean_square(linear: Any, norm: Any, family: Family) -> Tensor:
    square: Tensor = (linear.weight * _gain(norm, family)).square().sum(-1)
    if linear.bias is not None:
        square = square + (linear.weight @ norm.bias + linear.bias).square()
    return square.mean()


@torch.no_grad()
def digest_without(backbone: PreTrainedModel, trained: Container[str]) -> str:
    """SHA-256 over names and numbers of all parameters but those: the same backbone wherever its files are."""
    digest = hashlib.sha256()
    for name, weight in backbone.named_parameters():
        if name not in trained:
            digest.update(name.encode())
            digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
