"""The frozen T5: loaded from the hub or a local folder, or built with random weights from a config."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import T5Config, T5ForConditionalGeneration
from transformers.utils import logging

from vlhyper.errors import UserError
from vlhyper.model.sizes import size_of
from vlhyper.model.weight_files import faults


def build_backbone(backbone: str | Mapping[str, Any]) -> T5ForConditionalGeneration:
    """A T5 with all parameters frozen, fp32.

    A string is a hub id or a local folder (published weights); a mapping holds T5Config fields (random weights).
    Raises UserError where the weights are not available.
    """
    t5 = _pretrained(backbone) if isinstance(backbone, str) else _random(backbone)
    config: Any = t5.config
    # generate makes room in its cache for so many layers. It does not ask T5's own name for them, and without this a
    # decoder deeper than the encoder has no room.
    config.decoder_layers = config.num_decoder_layers
    return t5.requires_grad_(False)


def _pretrained(name: str) -> T5ForConditionalGeneration:
    for fault in faults(name, size_of(name)):
        raise UserError(fault)
    # Its progress bar over the tensors of one file would interrupt ours.
    logging.disable_progress_bar()
    try:
        # The published T5 checkpoints exist as safetensors; asking for nothing else keeps pickles out.
        return T5ForConditionalGeneration.from_pretrained(name, dtype=torch.float32, use_safetensors=True)
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


def _random(fields: Mapping[str, Any]) -> T5ForConditionalGeneration:
    # T5Config has no default for the token a T5 decoder starts with; every published T5 uses the padding token.
    config = T5Config(**{"decoder_start_token_id": 0, **fields})
    # Frozen weights are saved with no run, so the same config has to give the same ones whenever a run is opened.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _untied(T5ForConditionalGeneration(config))


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


@torch.no_grad()
def digest_without(t5: T5ForConditionalGeneration, trained: Container[str]) -> str:
    """SHA-256 over names and numbers of all parameters but those: the same backbone wherever its files are."""
    digest = hashlib.sha256()
    for name, weight in t5.named_parameters():
        if name not in trained:
            digest.update(name.encode())
            digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
