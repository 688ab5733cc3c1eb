"""T5Gemma and T5Gemma 2: norms on both sides of a block, rotary positions, fewer heads of keys than of queries.

T5Gemma 2's decoder has one attention over its own keys and the encoder's, and its three tables of embeddings are one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from pydantic import Field, model_validator

from vlhyper.model.families.family import Family, Fields, Layers, Width, with_maps
from vlhyper.model.sizes import Shape, Size
from vlhyper.settings import validated

MAPS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "o_proj"}


@dataclass(frozen=True)
class GemmaSize(Size):
    """The numbers of a T5Gemma from which all its parameters follow; its two stacks have the same widths."""

    vocab_size: int
    d_model: int
    d_ff: int
    heads: int
    key_heads: int
    d_kv: int
    encoder_layers: int
    decoder_layers: int
    family: str = "t5gemma"

    @property
    def merged(self) -> bool:
        """Whether the decoder has one attention over its own keys and the encoder's (T5Gemma 2)."""
        return self.family == "t5gemma2"

    @property
    def inner(self) -> int:
        """The joint width of the heads of queries."""
        return self.heads * self.d_kv

    @property
    def key_inner(self) -> int:
        """H·P, the joint width of the heads of keys and values."""
        return self.key_heads * self.d_kv

    def fields(self) -> dict[str, Any]:
        """The fields of T5GemmaConfig, or T5Gemma2Config, of this size."""
        stack = {
            "vocab_size": self.vocab_size,
            "hidden_size": self.d_model,
            "intermediate_size": self.d_ff,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_heads,
            "head_dim": self.d_kv,
        }
        encoder = {**stack, "num_hidden_layers": self.encoder_layers}
        return {
            "model_type": self.family,
            "encoder": {"text_config": encoder} if self.merged else encoder,
            "decoder": {**stack, "num_hidden_layers": self.decoder_layers},
        }

    def shapes(self) -> dict[str, Shape]:
        """Every parameter by its name, tied ones once; T5Gemma 2 without its image encoder, which is not used."""
        encoder, table = _encoder(self.family), (self.vocab_size, self.d_model)
        found: dict[str, Shape] = {f"{encoder}.embed_tokens.weight": table}
        if self.merged:
            found[f"{encoder}.embed_tokens.eoi_embedding"] = (self.d_model,)
        else:
            found["model.decoder.embed_tokens.weight"] = table
        for stack, layers in ((encoder, self.encoder_layers), ("model.decoder", self.decoder_layers)):
            found[f"{stack}.norm.weight"] = (self.d_model,)
            for layer in range(layers):
                found |= self._layer(f"{stack}.layers.{layer}", cross=stack == "model.decoder" and not self.merged)
        return found

    def _layer(self, name: str, cross: bool) -> dict[str, Shape]:
        found: dict[str, Shape] = {}
        for part in ("self_attn", "cross_attn") if cross else ("self_attn",):
            found |= self._attention(f"{name}.{part}")
        for part in ("gate_proj", "up_proj"):
            found[f"{name}.mlp.{part}.weight"] = (self.d_ff, self.d_model)
        found[f"{name}.mlp.down_proj.weight"] = (self.d_model, self.d_ff)
        blocks = ("self_attn", "feedforward", *(("cross_attn",) if cross else ()))
        sides = ("pre", "post")
        return found | {
            f"{name}.{side}_{block}_layernorm.weight": (self.d_model,) for block in blocks for side in sides
        }

    def _attention(self, name: str) -> dict[str, Shape]:
        found: dict[str, Shape] = {
            f"{name}.q_proj.weight": (self.inner, self.d_model),
            f"{name}.k_proj.weight": (self.key_inner, self.d_model),
            f"{name}.v_proj.weight": (self.key_inner, self.d_model),
            f"{name}.o_proj.weight": (self.d_model, self.inner),
        }
        norms = ("q_norm", "k_norm") if self.merged else ()
        return found | {f"{name}.{norm}.weight": (self.d_kv,) for norm in norms}


def _encoder(family: str) -> str:
    return "model.encoder.text_model" if family == "t5gemma2" else "model.encoder"


class StackFields(Fields):
    """Fields of one stack, with the defaults of transformers (Gemma 2's 2B)."""

    vocab_size: Width = 256_000
    hidden_size: Width = 2304
    intermediate_size: Width = 9216
    num_hidden_layers: Layers = 26
    num_attention_heads: Width = 8
    num_key_value_heads: Width = 4
    head_dim: Width = 256
    hidden_activation: str = "gelu_pytorch_tanh"
    max_position_embeddings: Width = 8192
    initializer_range: float = Field(0.02, gt=0)
    rms_norm_eps: float = Field(1e-6, gt=0)
    query_pre_attn_scalar: float = Field(256, gt=0, strict=False)
    sliding_window: Width = 4096
    layer_types: list[str] | None = None
    rope_parameters: dict[str, Any] | None = None
    final_logit_softcapping: float | None = Field(None, gt=0)
    attn_logit_softcapping: float | None = Field(None, gt=0)
    attention_bias: Literal[False] = False
    pad_token_id: int = 0
    eos_token_id: int | list[int] = 1
    bos_token_id: int = 2


class Stack2Fields(StackFields):
    """The same of T5Gemma 2."""

    vocab_size: Width = 262_208


class Encoder2Fields(Fields):
    """The encoder of a T5Gemma2Config: of text and of images, which are not used here."""

    text_config: Stack2Fields = Stack2Fields()


class GemmaFields(Fields):
    """Fields of a T5GemmaConfig."""

    encoder: StackFields = StackFields()
    decoder: StackFields = StackFields()
    dropout_rate: float = Field(0.0, ge=0, lt=1)
    attention_dropout: float = Field(0.0, ge=0, lt=1)
    tie_word_embeddings: Literal[True] = True

    @property
    def text(self) -> StackFields:
        """The encoder of texts."""
        return self.encoder

    @model_validator(mode="after")
    def _stacks_have_one_width(self) -> GemmaFields:
        # Hypernetworks are shared by both stacks, and so are the widths of what they make.
        for name in ("vocab_size", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"):
            one, other = getattr(self.text, name), getattr(self.decoder, name)
            if one != other:
                raise ValueError(f"{name} is {one} in the encoder and {other} in the decoder; they must be the same")
        if self.text.head_dim != self.decoder.head_dim:
            raise ValueError("head_dim must be the same in encoder and decoder")
        return self

    def size(self, family: str) -> GemmaSize:
        """The sizes that follow from the fields."""
        return GemmaSize(
            vocab_size=self.decoder.vocab_size,
            d_model=self.decoder.hidden_size,
            d_ff=self.decoder.intermediate_size,
            heads=self.decoder.num_attention_heads,
            key_heads=self.decoder.num_key_value_heads,
            d_kv=self.decoder.head_dim,
            encoder_layers=self.text.num_hidden_layers,
            decoder_layers=self.decoder.num_hidden_layers,
            family=family,
        )


class Gemma2Fields(GemmaFields):
    """Fields of a T5Gemma2Config."""

    encoder: Encoder2Fields = Encoder2Fields()  # type: ignore[assignment]
    decoder: Stack2Fields = Stack2Fields()

    @property
    def text(self) -> StackFields:
        """The encoder of texts."""
        return self.encoder.text_config


def _read(fields: Mapping[str, Any], source: str) -> GemmaSize:
    return validated(GemmaFields, dict(fields), source).size("t5gemma")


def _read_2(fields: Mapping[str, Any], source: str) -> GemmaSize:
    return validated(Gemma2Fields, dict(fields), source).size("t5gemma2")


# T5Gemma 2 has an image encoder. It is taken off after loading; one written by hand gets the smallest there is.
NO_VISION = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1,
    "intermediate_size": 1,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "image_size": 16,
    "patch_size": 1,
}


def _without_vision(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "encoder": {**fields.get("encoder", {}), "vision_config": NO_VISION}}


def _norm_of_keys(block: str, layer: int, encoder_layers: int, encoder: str = "model.encoder") -> str:
    if block == "decoder_cross":
        return f"{encoder}.norm"
    stack = encoder if block == "encoder_self" else "model.decoder"
    return f"{stack}.layers.{layer}.pre_self_attn_layernorm"


def _names(*prefixes: str) -> tuple[str, ...]:
    """The fields of a config with those of its stacks."""
    own = ("dropout_rate", "attention_dropout", "tie_word_embeddings")
    return (*own, *(f"{prefix}.{name}" for prefix in prefixes for name in StackFields.model_fields))


T5GEMMA = Family(
    title="T5Gemma",
    model="T5GemmaForConditionalGeneration",
    config="T5GemmaConfig",
    read=_read,
    fields=_names("encoder", "decoder"),
    layers={"encoder": "model.encoder.layers", "decoder": "model.decoder.layers"},
    modules=with_maps(
        {
            "encoder_self": "self_attn",
            "encoder_ff": "mlp",
            "decoder_self": "self_attn",
            "decoder_cross": "cross_attn",
            "decoder_ff": "mlp",
        },
        MAPS,
    ),
    norm_of_keys=_norm_of_keys,
    norm_adds_one=True,
    positions="rotary",
    word_scale=lambda config: config.encoder.hidden_size**0.5,
    scales_embeddings=True,
    aliases=lambda size: {"model.decoder.embed_tokens.weight": ("lm_head.out_proj.weight",)},
)

T5GEMMA2 = replace(
    T5GEMMA,
    title="T5Gemma 2",
    model="T5Gemma2ForConditionalGeneration",
    config="T5Gemma2Config",
    read=_read_2,
    fields=_names("encoder.text_config", "decoder"),
    complete=_without_vision,
    layers={"encoder": "model.encoder.text_model.layers", "decoder": "model.decoder.layers"},
    # The merged attention takes the prefixes and adapters of both; its maps are those of decoder_self.
    modules={
        **with_maps({"encoder_self": "self_attn", "decoder_self": "self_attn"}, MAPS),
        "decoder_cross": "self_attn",
        "encoder_ff": "mlp",
        "decoder_ff": "mlp",
    },
    norm_of_keys=partial(_norm_of_keys, encoder="model.encoder.text_model"),
    shared_maps=tuple(f"decoder_cross_{part}" for part in MAPS),
    word_scale=lambda config: config.encoder.text_config.hidden_size**0.5,
    scales_embeddings=False,
    aliases=lambda size: {
        "model.encoder.text_model.embed_tokens.weight": (
            "model.decoder.embed_tokens.weight",
            "lm_head.out_proj.weight",
        ),
        "model.encoder.text_model.embed_tokens.eoi_embedding": ("model.decoder.embed_tokens.eoi_embedding",),
    },
    removed=("model.encoder.vision_tower", "model.encoder.multi_modal_projector"),
    unused=("model.encoder.vision_tower.*", "model.encoder.multi_modal_projector.*"),
    # The names of the first release.
    renamed=lambda name: re.sub(r"^model\.encoder\.(?=embed_tokens|layers|norm)", "model.encoder.text_model.", name),
)

_OBJECTIVES = ("prefixlm", "prefixlm-it", "ul2", "ul2-it")
_SIZES = {
    "s-s": GemmaSize(256_000, 512, 1024, 8, 8, 64, 8, 8),
    "b-b": GemmaSize(256_000, 768, 2048, 12, 12, 64, 12, 12),
    "l-l": GemmaSize(256_000, 1024, 2816, 16, 16, 64, 24, 24),
    "xl-xl": GemmaSize(256_000, 2048, 5120, 32, 32, 64, 24, 24),
    "2b-2b": GemmaSize(256_000, 2304, 9216, 8, 4, 256, 26, 26),
    "9b-9b": GemmaSize(256_000, 3584, 14336, 16, 8, 256, 42, 42),
}
KNOWN_GEMMA = {
    **{f"google/t5gemma-{name}-{kind}": size for name, size in _SIZES.items() for kind in _OBJECTIVES},
    "google/t5gemma-2-270m-270m": GemmaSize(262_144, 640, 2048, 4, 1, 256, 18, 18, "t5gemma2"),
    "google/t5gemma-2-1b-1b": GemmaSize(262_144, 1152, 6912, 4, 1, 256, 26, 26, "t5gemma2"),
    "google/t5gemma-2-4b-4b": GemmaSize(262_144, 2560, 10240, 8, 4, 256, 34, 34, "t5gemma2"),
}
