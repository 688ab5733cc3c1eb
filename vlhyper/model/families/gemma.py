"""T5Gemma and T5Gemma 2: norms on both sides of a block, rotary positions, fewer heads of keys than of queries.

T5Gemma 2's decoder has one attention over its own keys and the encoder's, and its three tables of embeddings are one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from pydantic import Field, model_validator

from vlhyper.model.families.family import BackboneFields, Dropout, Family, Fields, Layers, TokenId, Width, with_maps
from vlhyper.model.sizes import Shape, Size

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


class RotationFields(Fields):
    """How positions rotate queries and keys."""

    rope_type: Literal["default", "linear"] = "default"
    rope_theta: float | None = Field(None, gt=0)
    factor: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _fit_together(self) -> RotationFields:
        if self.rope_type == "linear" and self.factor is None:
            raise ValueError("a linear rope_type needs a factor")
        return self


class StackFields(Fields):
    """Fields of one stack, with the defaults of transformers (Gemma 2's 2B)."""

    vocab_size: Width = 256_000
    hidden_size: Width = 2304
    intermediate_size: Width = 9216
    num_hidden_layers: Layers = 26
    num_attention_heads: Width = 8
    num_key_value_heads: Width = 4
    head_dim: Width = 256
    hidden_activation: Literal["relu", "gelu", "gelu_new", "silu", "gelu_pytorch_tanh"] = "gelu_pytorch_tanh"
    max_position_embeddings: Width = 8192
    initializer_range: float = Field(0.02, gt=0, le=1_000)
    rms_norm_eps: float = Field(1e-6, gt=0, lt=1)
    query_pre_attn_scalar: Width = 256
    sliding_window: Width = 4096
    layer_types: list[Literal["sliding_attention", "full_attention"]] | None = None
    rope_parameters: RotationFields | None = None
    # The name of earlier releases.
    rope_theta: float | None = Field(None, gt=0)
    final_logit_softcapping: float | None = Field(30.0, gt=0)
    attn_logit_softcapping: float | None = Field(50.0, gt=0)
    attention_bias: Literal[False] = False
    pad_token_id: TokenId = 0
    eos_token_id: TokenId | list[TokenId] = 1
    bos_token_id: TokenId = 2

    @property
    def ends(self) -> list[int]:
        """The tokens that end a text."""
        return self.eos_token_id if isinstance(self.eos_token_id, list) else [self.eos_token_id]

    @model_validator(mode="after")
    def _fit_together(self) -> StackFields:
        for many, few in (("hidden_size", "num_attention_heads"), ("num_attention_heads", "num_key_value_heads")):
            if getattr(self, many) % getattr(self, few):
                raise ValueError(f"{many} is {getattr(self, many)}, not a multiple of {few}, {getattr(self, few)}")
        if self.head_dim % 2:
            raise ValueError("head_dim must be even: positions rotate pairs")
        if self.layer_types is not None and len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(f"layer_types has {len(self.layer_types)} entries for {self.num_hidden_layers} layers")
        if max(self.pad_token_id, self.bos_token_id, *self.ends) >= self.vocab_size:
            raise ValueError(f"a special token is beyond the vocabulary of {self.vocab_size} tokens")
        return self

    def written(self) -> dict[str, Any]:
        """The fields as they may be written by hand. A cap of None is none, where a field left out is the default."""
        written = self.model_dump(exclude_none=True)
        return {name: None for name in self.model_fields_set if name.endswith("softcapping")} | written


class RotationsFields(Fields):
    """The rotations of the two kinds of layers of T5Gemma 2."""

    sliding_attention: RotationFields = RotationFields()
    full_attention: RotationFields = RotationFields()


class Stack2Fields(StackFields):
    """The same of T5Gemma 2."""

    vocab_size: Width = 262_208
    max_position_embeddings: Width = 131_072
    final_logit_softcapping: float | None = Field(None, gt=0)
    attn_logit_softcapping: float | None = Field(None, gt=0)
    rope_parameters: RotationsFields | None = None  # type: ignore[assignment]


class Encoder2Fields(Fields):
    """The encoder of a T5Gemma2Config: of texts, and of images, which are not used here."""

    text_config: Stack2Fields = Stack2Fields()
    eoi_token_index: TokenId = 256_000


class GemmaFields(BackboneFields):
    """Fields of a T5GemmaConfig."""

    encoder: StackFields = StackFields()
    decoder: StackFields = StackFields()
    dropout_rate: Dropout = 0.0
    attention_dropout: Dropout = 0.0
    tie_word_embeddings: Literal[True] = True

    @property
    def text(self) -> StackFields:
        """The encoder of texts."""
        return self.encoder

    @model_validator(mode="after")
    def _stacks_have_one_width(self) -> GemmaFields:
        # Hypernetworks are shared by both stacks, and so are the widths of what they make.
        shared = ("vocab_size", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
        for name in (*shared, "head_dim"):
            one, other = getattr(self.text, name), getattr(self.decoder, name)
            if one != other:
                raise ValueError(f"{name} is {one} in the encoder and {other} in the decoder; they must be the same")
        return self

    @property
    def ends(self) -> list[int]:
        """The tokens that end a text."""
        return self.decoder.ends

    @property
    def size(self) -> GemmaSize:
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
        )

    def written(self) -> dict[str, Any]:
        """The fields as they may be written by hand."""
        return {**super().written(), "encoder": self.encoder.written(), "decoder": self.decoder.written()}

    def config(self) -> dict[str, Any]:
        """What T5GemmaConfig is given."""
        return {**self.written(), "vocab_size": self.size.vocab_size}


class Gemma2Fields(GemmaFields):
    """Fields of a T5Gemma2Config."""

    encoder: Encoder2Fields = Encoder2Fields()  # type: ignore[assignment]
    decoder: Stack2Fields = Stack2Fields()

    @property
    def text(self) -> StackFields:
        """The encoder of texts."""
        return self.encoder.text_config

    @property
    def size(self) -> GemmaSize:
        """The sizes that follow from the fields."""
        return replace(super().size, family="t5gemma2")

    def written(self) -> dict[str, Any]:
        """The fields as they may be written by hand."""
        encoder = {"text_config": self.text.written(), "eoi_token_index": self.encoder.eoi_token_index}
        return {**BackboneFields.written(self), "encoder": encoder, "decoder": self.decoder.written()}

    def config(self) -> dict[str, Any]:
        """What T5Gemma2Config is given: with the smallest image encoder that there is, since it is taken off again."""
        written = self.written()
        return {**written, "encoder": {**written["encoder"], "vision_config": NO_VISION}}


NO_VISION = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1,
    "intermediate_size": 1,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "image_size": 16,
    "patch_size": 1,
}


def _norm_of_keys(block: str, layer: int, encoder_layers: int, encoder: str = "model.encoder") -> str:
    if block == "decoder_cross":
        return f"{encoder}.norm"
    stack = encoder if block == "encoder_self" else "model.decoder"
    return f"{stack}.layers.{layer}.pre_self_attn_layernorm"


T5GEMMA = Family(
    title="T5Gemma",
    model="T5GemmaForConditionalGeneration",
    config="T5GemmaConfig",
    fields=GemmaFields,
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
    last_of_feed_forward=".down_proj",
    word_scale=lambda config: config.encoder.hidden_size**0.5,
    scales_embeddings=True,
    aliases=lambda size: {"model.decoder.embed_tokens.weight": ("lm_head.out_proj.weight",)},
)

T5GEMMA2 = replace(
    T5GEMMA,
    title="T5Gemma 2",
    model="T5Gemma2ForConditionalGeneration",
    config="T5Gemma2Config",
    fields=Gemma2Fields,
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
