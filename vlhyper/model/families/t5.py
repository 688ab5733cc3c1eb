"""T5, with its later versions (v1.1, Flan, UL2), and mT5: norms before blocks, a relative position bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vlhyper.model.families.family import Family, with_maps
from vlhyper.model.sizes import KNOWN_T5, T5_FIELDS, T5Size, from_fields

EMBEDDINGS = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
HEAD = "lm_head.weight"


def _aliases(size: T5Size) -> dict[str, tuple[str, ...]]:
    return {"shared.weight": EMBEDDINGS if size.untied_head else (*EMBEDDINGS, HEAD)}


def _norm_of_keys(block: str, layer: int, encoder_layers: int) -> str:
    if block == "decoder_cross":
        return "encoder.final_layer_norm"
    return f"{block.partition('_')[0]}.block.{layer}.layer.0.layer_norm"


T5 = Family(
    title="T5",
    model="T5ForConditionalGeneration",
    config="T5Config",
    read=lambda fields, source: from_fields(fields),
    fields=T5_FIELDS,
    # T5Config has no default for the token a T5 decoder starts with; every published T5 uses the padding token.
    complete=lambda fields: {"decoder_start_token_id": 0, **fields},
    layers={"encoder": "encoder.block", "decoder": "decoder.block"},
    modules=with_maps(
        {
            "encoder_self": "layer.0.SelfAttention",
            "encoder_ff": "layer.1.DenseReluDense",
            "decoder_self": "layer.0.SelfAttention",
            "decoder_cross": "layer.1.EncDecAttention",
            "decoder_ff": "layer.2.DenseReluDense",
        },
        {part: part for part in "qkvo"},
    ),
    norm_of_keys=_norm_of_keys,
    positions="bias",
    aliases=_aliases,
    # A table that published T5s hold and never use.
    unused=("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",),
)

# The defaults of MT5Config where they are not those of T5Config.
MT5_DEFAULTS = {"vocab_size": 250_112, "d_ff": 1024, "num_layers": 8, "num_heads": 6, "feed_forward_proj": "gated-gelu"}


def _mt5(fields: Mapping[str, Any], source: str) -> T5Size:
    # Every published mT5 has a head of its own; transformers 5 does not write that into its config.
    return replace(from_fields({**MT5_DEFAULTS, **fields}), untied_head=True, family="mt5")


MT5 = replace(T5, title="mT5", model="MT5ForConditionalGeneration", config="MT5Config", read=_mt5)
KNOWN_MT5 = {
    f"google/mt5-{name}": replace(KNOWN_T5[f"google/t5-v1_1-{name}"], vocab_size=250_112, family="mt5")
    for name in ("small", "base", "large", "xl", "xxl")
}
