"""T5, with its later versions (v1.1, Flan, UL2), and mT5: norms before blocks, a relative position bias."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field, model_validator

from vlhyper.model.families.family import BackboneFields, Dropout, Family, Layers, TokenId, Width, with_maps
from vlhyper.model.sizes import Shape, Size


@dataclass(frozen=True)
class T5Size(Size):
    """The numbers of a T5 from which all its parameters follow."""

    vocab_size: int
    d_model: int
    d_kv: int
    d_ff: int
    num_heads: int
    encoder_layers: int
    decoder_layers: int
    gated: bool = False
    untied_head: bool = False
    buckets: int = 32
    family: str = "t5"

    @property
    def inner(self) -> int:
        """H·P, the joint width of all heads."""
        return self.num_heads * self.d_kv

    def fields(self) -> dict[str, Any]:
        """The T5Config fields of this size; `T5Fields.size` goes the other way."""
        return {
            "model_type": self.family,
            "vocab_size": self.vocab_size,
            "d_model": self.d_model,
            "d_kv": self.d_kv,
            "d_ff": self.d_ff,
            "num_heads": self.num_heads,
            "num_layers": self.encoder_layers,
            "num_decoder_layers": self.decoder_layers,
            "feed_forward_proj": "gated-gelu" if self.gated else "relu",
            "tie_word_embeddings": not self.untied_head,
            "relative_attention_num_buckets": self.buckets,
        }

    def shapes(self) -> dict[str, Shape]:
        """Every parameter of `T5ForConditionalGeneration` by its name; tied ones once."""
        found: dict[str, Shape] = {"shared.weight": (self.vocab_size, self.d_model)}
        for stack, layers in (("encoder", self.encoder_layers), ("decoder", self.decoder_layers)):
            for layer in range(layers):
                found |= self._block(f"{stack}.block.{layer}.layer", stack == "decoder", first=layer == 0)
            found[f"{stack}.final_layer_norm.weight"] = (self.d_model,)
        if self.untied_head:
            found["lm_head.weight"] = (self.vocab_size, self.d_model)
        return found

    def _block(self, name: str, decoder: bool, first: bool) -> dict[str, Shape]:
        sublayers = [f"{name}.0.SelfAttention", *([f"{name}.1.EncDecAttention"] if decoder else [])]
        found: dict[str, Shape] = {}
        for attention in sublayers:
            found |= {f"{attention}.{part}.weight": (self.inner, self.d_model) for part in "qkv"}
            found[f"{attention}.o.weight"] = (self.d_model, self.inner)
        if first:
            # All layers of a stack use the position bias of its first one.
            found[f"{sublayers[0]}.relative_attention_bias.weight"] = (self.buckets, self.num_heads)
        feed_forward = f"{name}.{len(sublayers)}.DenseReluDense"
        for part in ("wi_0", "wi_1") if self.gated else ("wi",):
            found[f"{feed_forward}.{part}.weight"] = (self.d_ff, self.d_model)
        found[f"{feed_forward}.wo.weight"] = (self.d_model, self.d_ff)
        return found | {f"{name}.{index}.layer_norm.weight": (self.d_model,) for index in range(len(sublayers) + 1)}


Activation = Literal["relu", "gelu", "gelu_new", "silu", "gated-relu", "gated-gelu", "gated-gelu_new", "gated-silu"]


class T5Fields(BackboneFields):
    """Fields of a T5Config, with its defaults (t5-small).

    T5Config has no default for the token a T5 decoder starts with; every published T5 uses the padding token.
    """

    vocab_size: Width = 32128
    d_model: Width = 512
    d_kv: Width = 64
    d_ff: Width = 2048
    num_layers: Layers = 6
    num_decoder_layers: Layers | None = None
    num_heads: Width = 8
    relative_attention_num_buckets: int = Field(32, ge=4, le=10_000)
    relative_attention_max_distance: int = Field(128, gt=0, le=10_000_000)
    dropout_rate: Dropout = 0.1
    layer_norm_epsilon: float = Field(1e-6, gt=0, lt=1)
    initializer_factor: float = Field(1.0, gt=0, le=1_000)
    feed_forward_proj: Activation = "relu"
    tie_word_embeddings: bool = True
    scale_decoder_outputs: bool = True
    pad_token_id: TokenId = 0
    eos_token_id: TokenId = 1
    decoder_start_token_id: TokenId = 0

    @model_validator(mode="after")
    def _fit_together(self) -> T5Fields:
        self.require_tokens("pad_token_id", "eos_token_id", "decoder_start_token_id")
        if self.relative_attention_max_distance <= self.relative_attention_num_buckets // 2:
            raise ValueError("relative_attention_max_distance must be more than half of the buckets")
        return self

    @property
    def ends(self) -> list[int]:
        """The tokens that end a text."""
        return [self.eos_token_id]

    @property
    def size(self) -> T5Size:
        """The sizes that follow from the fields."""
        return T5Size(
            vocab_size=self.vocab_size,
            d_model=self.d_model,
            d_kv=self.d_kv,
            d_ff=self.d_ff,
            num_heads=self.num_heads,
            encoder_layers=self.num_layers,
            decoder_layers=self.num_decoder_layers or self.num_layers,
            gated=self.feed_forward_proj.startswith("gated"),
            # v1.1 is known by either field: transformers 5 writes the second one.
            untied_head=not (self.tie_word_embeddings and self.scale_decoder_outputs),
            buckets=self.relative_attention_num_buckets,
        )

    def written(self) -> dict[str, Any]:
        """The fields as T5Config takes them."""
        fields = self.model_dump(exclude={"scale_decoder_outputs"}, exclude_none=True)
        return {**fields, "tie_word_embeddings": not self.size.untied_head}


class MT5Fields(T5Fields):
    """Fields of an MT5Config, with its defaults (mt5-small)."""

    vocab_size: Width = 250_112
    d_ff: Width = 1024
    num_layers: Layers = 8
    num_heads: Width = 6
    feed_forward_proj: Activation = "gated-gelu"

    @property
    def size(self) -> T5Size:
        """The sizes that follow from the fields."""
        # Every published mT5 has a head of its own; transformers 5 does not write that into its config.
        return replace(super().size, untied_head=True, family="mt5")


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
    fields=T5Fields,
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
    last_of_feed_forward=".wo",
    # A table that published T5s hold and never use.
    unused=("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",),
)
MT5 = replace(T5, title="mT5", model="MT5ForConditionalGeneration", config="MT5Config", fields=MT5Fields)


def _original(width: int, d_ff: int, layers: int, heads: int, d_kv: int = 64) -> T5Size:
    return T5Size(32128, width, d_kv, d_ff, heads, layers, layers)


def _v1_1(width: int, d_ff: int, layers: int, heads: int) -> T5Size:
    return T5Size(32128, width, 64, d_ff, heads, layers, layers, gated=True, untied_head=True)


_ORIGINAL = {
    "small": _original(512, 2048, 6, 8),
    "base": _original(768, 3072, 12, 12),
    "large": _original(1024, 4096, 24, 16),
    "3b": _original(1024, 16384, 24, 32, d_kv=128),
    "11b": _original(1024, 65536, 24, 128, d_kv=128),
}
_V1_1 = {
    "small": _v1_1(512, 1024, 8, 6),
    "base": _v1_1(768, 2048, 12, 12),
    "large": _v1_1(1024, 2816, 24, 16),
    "xl": _v1_1(2048, 5120, 24, 32),
    "xxl": _v1_1(4096, 10240, 24, 64),
}
_UL2 = T5Size(32128, 4096, 256, 16384, 16, 32, 32, gated=True, untied_head=True)
KNOWN_T5: dict[str, T5Size] = {
    **{f"t5-{name}": size for name, size in _ORIGINAL.items()},
    **{f"google-t5/t5-{name}": size for name, size in _ORIGINAL.items()},
    **{f"google/t5-v1_1-{name}": size for name, size in _V1_1.items()},
    **{f"google/flan-t5-{name}": size for name, size in _V1_1.items()},
    **dict.fromkeys(("google/ul2", "google/flan-ul2"), _UL2),
}
KNOWN_MT5 = {f"google/mt5-{name}": replace(size, vocab_size=250_112, family="mt5") for name, size in _V1_1.items()}
