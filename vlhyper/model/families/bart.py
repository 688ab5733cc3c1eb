"""BART: norms with biases behind blocks, learned positions, a feed-forward that is no module of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, model_validator

from vlhyper.model.families.family import BackboneFields, Dropout, Family, Layers, TokenId, Width, with_maps
from vlhyper.model.sizes import Shape, Size

# BART's tables of positions begin with two rows that no position uses.
UNUSED_POSITIONS = 2


@dataclass(frozen=True)
class BartSize(Size):
    """The numbers of a BART from which all its parameters follow."""

    vocab_size: int
    d_model: int
    encoder_ffn_dim: int
    decoder_ffn_dim: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    max_positions: int = 1024
    family: str = "bart"

    @property
    def inner(self) -> int:
        """H·P, the joint width of all heads: always that of the model."""
        return self.d_model

    def fields(self) -> dict[str, Any]:
        """The BartConfig fields of this size."""
        return {
            "model_type": "bart",
            "vocab_size": self.vocab_size,
            "d_model": self.d_model,
            "encoder_ffn_dim": self.encoder_ffn_dim,
            "decoder_ffn_dim": self.decoder_ffn_dim,
            "encoder_attention_heads": self.heads,
            "decoder_attention_heads": self.heads,
            "encoder_layers": self.encoder_layers,
            "decoder_layers": self.decoder_layers,
            "max_position_embeddings": self.max_positions,
        }

    def shapes(self) -> dict[str, Shape]:
        """Every parameter of `BartForConditionalGeneration` by its name; tied ones once."""
        found: dict[str, Shape] = {"model.shared.weight": (self.vocab_size, self.d_model)}
        for stack, layers, width in (
            ("encoder", self.encoder_layers, self.encoder_ffn_dim),
            ("decoder", self.decoder_layers, self.decoder_ffn_dim),
        ):
            found[f"model.{stack}.embed_positions.weight"] = (self.max_positions + UNUSED_POSITIONS, self.d_model)
            found |= self._norm(f"model.{stack}.layernorm_embedding")
            for layer in range(layers):
                found |= self._layer(f"model.{stack}.layers.{layer}", stack == "decoder", width)
        return found

    def _layer(self, name: str, decoder: bool, width: int) -> dict[str, Shape]:
        found: dict[str, Shape] = {}
        for attention in ("self_attn", "encoder_attn") if decoder else ("self_attn",):
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                found |= _linear(f"{name}.{attention}.{part}", self.d_model, self.d_model)
            found |= self._norm(f"{name}.{attention}_layer_norm")
        found |= _linear(f"{name}.fc1", width, self.d_model) | _linear(f"{name}.fc2", self.d_model, width)
        return found | self._norm(f"{name}.final_layer_norm")

    def _norm(self, name: str) -> dict[str, Shape]:
        return {f"{name}.weight": (self.d_model,), f"{name}.bias": (self.d_model,)}


def _linear(name: str, out: int, into: int) -> dict[str, Shape]:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


class BartFields(BackboneFields):
    """Fields of a BartConfig, with its defaults (bart-large)."""

    vocab_size: Width = 50265
    d_model: Width = 1024
    encoder_layers: Layers = 12
    decoder_layers: Layers = 12
    encoder_attention_heads: Width = 16
    decoder_attention_heads: Width = 16
    encoder_ffn_dim: Width = 4096
    decoder_ffn_dim: Width = 4096
    max_position_embeddings: Width = 1024
    activation_function: Literal["relu", "gelu", "gelu_new", "silu"] = "gelu"
    dropout: Dropout = 0.1
    attention_dropout: Dropout = 0.0
    activation_dropout: Dropout = 0.0
    encoder_layerdrop: Dropout = 0.0
    decoder_layerdrop: Dropout = 0.0
    init_std: float = Field(0.02, gt=0, le=1_000)
    scale_embedding: bool = False
    pad_token_id: TokenId = 1
    bos_token_id: TokenId = 0
    eos_token_id: TokenId = 2
    decoder_start_token_id: TokenId = 2
    tie_word_embeddings: Literal[True] = True

    @model_validator(mode="after")
    def _fit_together(self) -> BartFields:
        self.require_tokens("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
        for name in ("encoder_attention_heads", "decoder_attention_heads"):
            if self.d_model % getattr(self, name):
                raise ValueError(f"d_model is {self.d_model}, not a multiple of {name}, {getattr(self, name)}")
        return self

    @property
    def ends(self) -> list[int]:
        """The tokens that end a text."""
        return [self.eos_token_id]

    @property
    def size(self) -> BartSize:
        """The sizes that follow from the fields."""
        return BartSize(
            vocab_size=self.vocab_size,
            d_model=self.d_model,
            encoder_ffn_dim=self.encoder_ffn_dim,
            decoder_ffn_dim=self.decoder_ffn_dim,
            heads=self.encoder_attention_heads,
            encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers,
            max_positions=self.max_position_embeddings,
        )


def _norm_of_keys(block: str, layer: int, encoder_layers: int) -> str:
    """The norm behind the layer below; the cross-attention's keys are made from the encoder's last layer."""
    if block == "decoder_cross":
        return f"model.encoder.layers.{encoder_layers - 1}.final_layer_norm"
    stack = f"model.{block.partition('_')[0]}"
    return f"{stack}.layers.{layer - 1}.final_layer_norm" if layer else f"{stack}.layernorm_embedding"


def _with_head(name: str) -> str:
    """Published files are of the model with its head, or of that below it."""
    return name if name.startswith(("model.", "lm_head.", "final_logits_bias")) else f"model.{name}"


BART = Family(
    title="BART",
    model="BartForConditionalGeneration",
    config="BartConfig",
    fields=BartFields,
    layers={"encoder": "model.encoder.layers", "decoder": "model.decoder.layers"},
    modules=with_maps(
        {
            "encoder_self": "self_attn",
            "encoder_ff": ("fc1", "fc2"),
            "decoder_self": "self_attn",
            "decoder_cross": "encoder_attn",
            "decoder_ff": ("fc1", "fc2"),
        },
        {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"},
    ),
    norm_of_keys=_norm_of_keys,
    positions="learned",
    last_of_feed_forward=".fc2",
    word_scale=lambda config: config.d_model**0.5 if config.scale_embedding else 1.0,
    aliases=lambda size: {
        "model.shared.weight": (
            "model.encoder.embed_tokens.weight",
            "model.decoder.embed_tokens.weight",
            "lm_head.weight",
        )
    },
    unused=("final_logits_bias", "*.version"),
    renamed=_with_head,
)
KNOWN_BART = {
    "facebook/bart-base": BartSize(50265, 768, 3072, 3072, 12, 6, 6),
    "facebook/bart-large": BartSize(50265, 1024, 4096, 4096, 16, 12, 12),
}
