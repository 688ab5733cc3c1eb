"""Small models and batches for the tests of the method."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from vlhyper.model.methods import METHODS
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.spec import Inputs, ModelSpec, option_models

TASKS = ("vqa", "gqa", "caption")
CELLS, CHANNELS = 7, 10
# Every way in which backbones differ: width against heads, layers of the two stacks, feed-forwards, heads of their own.
BACKBONES: dict[str, dict[str, Any]] = {
    "original": {"d_model": 16, "d_kv": 4, "num_heads": 4, "num_layers": 2},
    "wide_heads": {"d_model": 12, "d_kv": 8, "num_heads": 4, "num_layers": 2},
    "gated_untied": {
        "d_model": 16,
        "d_kv": 4,
        "num_heads": 4,
        "num_layers": 2,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    },
    "deep_encoder": {"d_model": 16, "d_kv": 4, "num_heads": 4, "num_layers": 3, "num_decoder_layers": 1},
    "deep_decoder": {"d_model": 16, "d_kv": 4, "num_heads": 4, "num_layers": 1, "num_decoder_layers": 3},
}

# The other families, each in the shape of its published models.
STACK = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "query_pre_attn_scalar": 8,
    "sliding_window": 4,
    "layer_types": ["sliding_attention", "full_attention"],
    "vocab_size": 40,
    # The published deviation of 0.02 would leave so small a model with logits of 0.
    "initializer_range": 0.3,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "mt5": {
        "model_type": "mt5",
        "vocab_size": 40,
        "d_model": 16,
        "d_kv": 4,
        "num_heads": 4,
        "num_layers": 2,
        "d_ff": 24,
    },
    "bart": {
        "model_type": "bart",
        "vocab_size": 40,
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 20,
        "max_position_embeddings": 30,
        "scale_embedding": True,
        "init_std": 0.3,
    },
    "t5gemma": {
        "model_type": "t5gemma",
        "encoder": STACK,
        "decoder": {**STACK, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 9.0},
    },
    "t5gemma2": {"model_type": "t5gemma2", "encoder": {"text_config": STACK}, "decoder": STACK},
}


# Small values for every option that a maker may have.
OPTIONS = {
    "embedding_width": 9,
    "projector_width": 11,
    "hyper_width": 5,
    "bottleneck": 3,
    "prefix_length": 6,
    "prompt_length": 4,
    "image_tokens": None,
    "rank": 2,
    "alpha": 3.0,
}
# Weights that get no gradient, and why: boxes of CLIP's grid cells are 0 (makers/image.py); no text has T5Gemma 2's
# token behind an image.
WITHOUT_GRADIENT = ("makers.image.position.weight", "t5.model.encoder.text_model.embed_tokens.eoi_embedding")


def settings(config: dict[str, Any], *left_out: str) -> dict[str, Any]:
    """What a config says of its model, not where it is from."""
    odd = ("transformers_version", "_name_or_path", "dtype", *left_out)
    kept = {name: value for name, value in config.items() if name not in odd}
    return {name: settings(value, *left_out) if isinstance(value, dict) else value for name, value in kept.items()}


def sees_images(method: str) -> bool:
    return METHODS[method].images != "none"


def spec(method: str = "vl_hyperpelt", backbone: str = "original", **options: int) -> ModelSpec:
    """A spec with small values for those options that the method's makers have."""
    known = {name for model in option_models(METHODS[method]).values() for name in model.model_fields}
    small = {name: value for name, value in OPTIONS.items() if name in known}
    fields = FAMILIES.get(backbone) or {"vocab_size": 40, "d_ff": 24, **BACKBONES[backbone]}
    return ModelSpec(method=method, backbone=fields, **{**small, **options})


def inputs(method: str = "vl_hyperpelt", tasks: tuple[str, ...] = TASKS) -> Inputs:
    return Inputs(tasks=tasks, tokens=CELLS, width=CHANNELS) if sees_images(method) else Inputs(tasks=tasks)


def model(method: str = "vl_hyperpelt", backbone: str = "original", seed: int = 0, **options: int) -> VLHyperPELT:
    """A model in eval mode whose trained weights have all left their start, so that no term is zero or one."""
    torch.manual_seed(seed)
    built = VLHyperPELT.build(spec(method, backbone, **options), inputs(method))
    with torch.no_grad():
        for name, weight in built.trained():
            weight += torch.randn_like(weight) * (0.02 if name.endswith(".up") else 0.1)
        if sees_images(method):
            built.standardise(torch.randn(CHANNELS), torch.tensor(1.7))
    return built.eval()


def batch(method: str = "vl_hyperpelt", rows: int = 4, task: int | None = None, seed: int = 1) -> dict[str, Tensor]:
    """Sources and targets of unequal length; `task` None mixes the tasks."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda high, *size: torch.randint(2, high, size, generator=generator)  # noqa: E731
    sources, targets = draw(8, rows), draw(6, rows)
    sources[0], targets[-1] = 8, 6
    labels = draw(40, rows, 6).masked_fill(torch.arange(6) >= targets[:, None], -100)
    mask = (torch.arange(8) < sources[:, None]).long()
    made = {
        "input_ids": draw(40, rows, 8) * mask,
        "attention_mask": mask,
        "labels": labels,
        "task": torch.arange(rows) % len(TASKS) if task is None else torch.tensor(task),
    }
    if sees_images(method):
        made["grid"] = torch.randn(rows, CELLS, CHANNELS, generator=generator) * 2 + 1
    if METHODS[method].boxes:
        made["boxes"] = torch.rand(rows, CELLS, 4, generator=generator)
    return made


def mixed(made: dict[str, Tensor]) -> dict[str, Tensor]:
    """The batch with images for its even rows only; what is in the grid of the others must not matter."""
    pictured = torch.arange(len(made["grid"])) % 2 == 0
    return {**made, "grid": made["grid"].masked_fill(~pictured[:, None, None], math.nan), "pictured": pictured}


def rows(made: dict[str, Tensor], chosen: Tensor | slice) -> dict[str, Tensor]:
    """Some rows of a batch as a batch of their own, without its images where none of them is pictured."""
    part = {name: value if value.ndim == 0 else value[chosen] for name, value in made.items()}
    pictured = part.pop("pictured", None)
    if pictured is None or pictured.all():
        return part
    if not pictured.any():
        return {name: value for name, value in part.items() if name not in ("grid", "boxes")}
    return {**part, "pictured": pictured}


def padded(made: dict[str, Tensor]) -> dict[str, Tensor]:
    """The batch with three more positions of padding behind every source."""
    ids, mask, rows = made["input_ids"], made["attention_mask"], len(made["input_ids"])
    longer = torch.cat([ids, torch.full((rows, 3), 9)], 1)
    return {**made, "input_ids": longer, "attention_mask": torch.cat([mask, mask.new_zeros(rows, 3)], 1)}


def without_labels(made: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in made.items() if name != "labels"}


def without_task(made: dict[str, Tensor]) -> dict[str, Tensor]:
    """What stock T5 takes of a batch."""
    return {name: made[name] for name in ("input_ids", "attention_mask", "labels")}


def gradients(model: VLHyperPELT, loss: Tensor) -> dict[str, Tensor]:
    names, weights = zip(*model.trained(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, weights), strict=True))


def difference(mine: dict[str, Tensor], oracle: dict[str, Tensor]) -> float:
    """The largest relative difference of a tensor: max |a - b| / max |b|. A zero tensor would prove nothing."""
    assert mine.keys() == oracle.keys()
    zero = {name for name in WITHOUT_GRADIENT if name in oracle and not oracle[name].any()}
    compared = {name: value for name, value in oracle.items() if name not in zero}
    assert all(value.abs().max() > 0 for value in compared.values())
    assert not any(mine[name].any() for name in zero)
    return max(((mine[name] - value).abs().max() / value.abs().max()).item() for name, value in compared.items())
