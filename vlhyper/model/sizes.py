"""Sizes that are known before anything is built, without torch: those of a T5 backbone, and of a model's inputs.

Letters: V vocabulary · D width · H heads · P width of a head (H·P is not always D) · F feed-forward width · L layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vlhyper.errors import UserError, nearest
from vlhyper.files import read_object
from vlhyper.settings import validated
from vlhyper.wording import shown

Shape = tuple[int, ...]


class Inputs(BaseModel):
    """What a model is made for: its tasks in the order of their embeddings, and the shape of its image features."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: tuple[str, ...] = Field(min_length=1)
    tokens: int | None = None  # cells of the image grid, None without images
    width: int | None = None  # channels of the image grid


@dataclass(frozen=True)
class T5Size:
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

    @property
    def inner(self) -> int:
        """H·P, the joint width of all heads."""
        return self.num_heads * self.d_kv

    @property
    def layers(self) -> int:
        """How many layer ids l_i there are: encoder and decoder share them."""
        return max(self.encoder_layers, self.decoder_layers)

    def fields(self) -> dict[str, Any]:
        """The T5Config fields of this size; `T5Fields.size` goes the other way."""
        return {
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

    def parameters(self) -> int:
        """All parameters (222,903,552 for t5-base)."""
        return sum(map(prod, self.shapes().values()))


def matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The names that fit one of the patterns (`*layer_norm.weight`). Raises UserError for a pattern that fits none."""
    given = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in given):
            close = get_close_matches(pattern, given, n=1, cutoff=0)[0]
            raise UserError(f"pattern {pattern!r} matches no parameter of the backbone; the nearest name is {close!r}")
    return [name for name in given if any(fnmatchcase(name, pattern) for pattern in patterns)]


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
# Sizes as published in each hub repository's config.json.
KNOWN: dict[str, T5Size] = {
    **{f"t5-{name}": size for name, size in _ORIGINAL.items()},
    **{f"google-t5/t5-{name}": size for name, size in _ORIGINAL.items()},
    **{f"google/t5-v1_1-{name}": size for name, size in _V1_1.items()},
    **{f"google/flan-t5-{name}": size for name, size in _V1_1.items()},
}
CONFIG = "config.json"
# Bounds that no T5 comes near; what is beyond them is damaged or a slip, and would be built or counted for hours.
Width = Annotated[int, Field(gt=0, le=10_000_000)]
Layers = Annotated[int, Field(gt=0, le=1_000)]
TokenId = Annotated[int, Field(ge=0, lt=10_000_000)]
Activation = Literal["relu", "gelu", "gelu_new", "silu", "gated-relu", "gated-gelu", "gated-gelu_new", "gated-silu"]


class T5Fields(BaseModel):
    """The fields of a T5Config from which a T5 is built, with its defaults (t5-small); all others are passed over.

    T5Config has no default for the token a T5 decoder starts with; every published T5 uses the padding token.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    vocab_size: Width = 32128
    d_model: Width = 512
    d_kv: Width = 64
    d_ff: Width = 2048
    num_layers: Layers = 6
    num_decoder_layers: Layers | None = None
    num_heads: Width = 8
    relative_attention_num_buckets: int = Field(32, ge=4, le=10_000)
    relative_attention_max_distance: int = Field(128, gt=0, le=10_000_000)
    dropout_rate: float = Field(0.1, ge=0, lt=1)
    layer_norm_epsilon: float = Field(1e-6, gt=0, lt=1)
    initializer_factor: float = Field(1.0, gt=0, le=1_000)
    feed_forward_proj: Activation = "relu"
    tie_word_embeddings: bool = True
    scale_decoder_outputs: bool = True
    pad_token_id: TokenId = 0
    eos_token_id: TokenId = 1
    decoder_start_token_id: TokenId = 0

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, values: Any) -> Any:
        return {key: value for key, value in values.items() if value is not None}

    @model_validator(mode="after")
    def _fit_together(self) -> T5Fields:
        for name in ("pad_token_id", "eos_token_id", "decoder_start_token_id"):
            if getattr(self, name) >= self.vocab_size:
                raise ValueError(f"{name} is {getattr(self, name)}, the vocabulary has {self.vocab_size} tokens")
        if self.relative_attention_max_distance <= self.relative_attention_num_buckets // 2:
            raise ValueError("relative_attention_max_distance must be more than half of the buckets")
        return self

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

    def config(self) -> dict[str, Any]:
        """The fields as T5Config takes them."""
        fields = self.model_dump(exclude={"scale_decoder_outputs"}, exclude_none=True)
        return {**fields, "tie_word_embeddings": not self.size.untied_head}


def size_of(backbone: str | Mapping[str, Any]) -> T5Size:
    """The sizes of a backbone named by hub id, by a local folder with a config.json, or given as T5Config fields.

    Raises UserError for a name that is neither known nor a local folder, and for a field that T5Config lacks.
    """
    if not isinstance(backbone, str):
        return given_fields(backbone).size
    if backbone in KNOWN:
        return KNOWN[backbone]
    if Path(backbone).is_dir():
        return folder_fields(Path(backbone)).size
    raise UserError(f"backbone {backbone!r}: neither a local folder nor a known T5{nearest(backbone, KNOWN)}")


def given_fields(fields: Mapping[str, Any]) -> T5Fields:
    """Fields written by hand. Raises UserError for one that T5Config lacks: transformers ignores a misspelt name."""
    known = T5Fields.model_fields.keys() - {"scale_decoder_outputs"}
    if unknown := [field for field in fields if field not in known]:
        raise UserError(f"backbone: T5Config has no field {unknown[0]!r}{nearest(unknown[0], known)}")
    return validated(T5Fields, fields, "backbone")


def folder_fields(folder: Path) -> T5Fields:
    """The fields in a folder's config.json. Raises UserError that names the file and the field."""
    path = folder / CONFIG
    fields = read_object(path)
    if fields.get("model_type") != "t5":
        raise UserError(f"{path}: model_type is {shown(fields.get('model_type'))}; vlhyper needs a T5 ('t5')")
    return validated(T5Fields, fields, str(path), "copy the model again")
