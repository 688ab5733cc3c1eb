"""The frozen T5: loaded from the hub or a local folder, or built with random weights from a config."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import T5Config, T5ForConditionalGeneration
from transformers.utils import logging

from vlhyper.errors import UserError, first_few
from vlhyper.model.sizes import CONFIG, T5Fields, folder_fields, given_fields
from vlhyper.model.weight_files import INDEX, faults, lacking, require_memory, weight_files
from vlhyper.tensors import load_tensors


def build_backbone(backbone: str | Mapping[str, Any]) -> T5ForConditionalGeneration:
    """A T5 with all parameters frozen, fp32.

    A string is a hub id or a local folder (published weights); a mapping holds T5Config fields (random weights).
    Raises UserError where the weights are not available, do not fit config.json, or memory cannot hold them.
    """
    t5 = _pretrained(backbone) if isinstance(backbone, str) else _random(given_fields(backbone))
    config: Any = t5.config
    # generate makes room in its cache for so many layers. It does not ask T5's own name for them, and without this a
    # decoder deeper than the encoder has no room.
    config.decoder_layers = config.num_decoder_layers
    return t5.requires_grad_(False)


def _pretrained(name: str) -> T5ForConditionalGeneration:
    folder = Path(name) if Path(name).is_dir() else _fetched(name)
    if absent := lacking(str(folder)):
        raise UserError(
            f"backbone {name!r} cannot be loaded: the folder lacks {first_few(absent)}; give a local folder with "
            "config.json and model.safetensors"
        )
    fields = folder_fields(folder)
    for fault in faults(str(folder), fields.size):
        raise UserError(fault)
    require_memory(fields.size, f"backbone {name!r}")
    state: dict[str, torch.Tensor] = {}
    for file in weight_files(str(folder)):
        state |= load_tensors(folder / file, "the weights of the backbone")
    # Its progress bar over the tensors of one file would interrupt ours.
    logging.disable_progress_bar()
    # The library is given what was checked and not the folder: there it would also read, and follow, the settings of
    # generation, quantisation, adapters and code that may lie beside the weights.
    return T5ForConditionalGeneration.from_pretrained(
        None, config=T5Config(**fields.config()), state_dict=state, dtype=torch.float32
    )


def _fetched(name: str) -> Path:
    """The folder of a model of the hub in the local cache, its files fetched where that is allowed."""
    try:
        # The published T5 checkpoints exist as safetensors; asking for nothing else keeps pickles out.
        return Path(snapshot_download(name, allow_patterns=[CONFIG, "*.safetensors", INDEX]))
    except (HFValidationError, HfHubHTTPError, OSError) as error:
        raise UserError(
            f"backbone {name!r} cannot be loaded: it is not in the local hub cache ({str(error).splitlines()[0]}); "
            "give a local folder with config.json and model.safetensors, or download it once with network access"
        ) from None


def _random(fields: T5Fields) -> T5ForConditionalGeneration:
    if torch.get_default_device().type == "cpu":
        require_memory(fields.size, "backbone")
    # Frozen weights are saved with no run, so the same config has to give the same ones whenever a run is opened.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _untied(T5ForConditionalGeneration(T5Config(**fields.config())))


def _untied(t5: T5ForConditionalGeneration) -> T5ForConditionalGeneration:
    config = t5.config
    if not config.scale_decoder_outputs:
        # v1.1 checkpoints have a head of their own; transformers 5 unties it only when it loads one.
        t5.all_tied_weights_keys.pop("lm_head.weight", None)
        # Outputs are not scaled before this head, so its entries are small enough for logits of size 1.
        t5.lm_head.weight = nn.Parameter(torch.randn_like(t5.lm_head.weight) * config.d_model**-0.5)
    return t5


@torch.no_grad()
def deviations_of(t5: T5ForConditionalGeneration) -> dict[str, float]:
    """The deviation that ordinary keys ("key") and values ("value") have in this T5, and its word embeddings ("word").

    A layer-normed input has entries of mean square 1 times the norm's weight g, so the entry o of a key has the
    variance sum_d (g_d W_od)^2. Prefixes start at that size (docs/method.md, "Makers").
    """
    keys, values = [], []
    for stack in (t5.encoder, t5.decoder):
        blocks: Any = stack.block
        for block in blocks:
            pairs = [(block.layer[0].SelfAttention, block.layer[0].layer_norm.weight)]
            if stack.is_decoder:
                pairs.append((block.layer[1].EncDecAttention, t5.encoder.final_layer_norm.weight))
            for attention, gain in pairs:
                keys.append((attention.k.weight * gain).square().sum(-1).mean())
                values.append((attention.v.weight * gain).square().sum(-1).mean())
    found = {"key": torch.stack(keys).mean().sqrt(), "value": torch.stack(values).mean().sqrt()}
    return {name: value.item() for name, value in (found | {"word": t5.shared.weight.std()}).items()}


def cast_frozen(t5: T5ForConditionalGeneration, dtype: torch.dtype, kept: Container[str] = ()) -> None:
    """Keep T5's frozen matrices in the type to which autocast would cast them at every use.

    Embeddings and norms stay fp32: what they make is added up in fp32. Under fp16 the second matrix of every
    feed-forward stays fp32 too: in published T5s its outputs exceed fp16 (transformers keeps it so for that reason).
    kept: names of parameters that belong to the run, tuned or not.
    """
    for name, module in t5.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        if dtype == torch.float16 and name.endswith(".wo"):
            module.forward = partial(_without_autocast, module)  # type: ignore[method-assign]
        elif not module.weight.requires_grad and f"{name}.weight" not in kept:
            # A new parameter: the head may share its weight with the embeddings, which stay as they are.
            module.weight = nn.Parameter(module.weight.to(dtype), requires_grad=False)


def _without_autocast(linear: nn.Linear, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return F.linear(x.float(), linear.weight, linear.bias)


def copies_of(t5: T5ForConditionalGeneration, names: Container[str]) -> dict[str, Tensor]:
    """Copies of some of T5's parameters, by name."""
    return {name: weight.detach().clone() for name, weight in t5.named_parameters() if name in names}


def put_back(t5: T5ForConditionalGeneration, weights: Mapping[str, Tensor]) -> None:
    """Put such copies in."""
    for name, weight in t5.named_parameters():
        if name in weights:
            weight.data.copy_(weights[name])


@torch.no_grad()
def digest_without(t5: T5ForConditionalGeneration, trained: Container[str]) -> str:
    """SHA-256 over names and numbers of all parameters but those: the same backbone wherever its files are."""
    digest = hashlib.sha256()
    for name, weight in t5.named_parameters():
        if name not in trained:
            digest.update(name.encode())
            digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
