"""Sizes that are known before anything is built, without torch: those of a backbone, and of a model's inputs.

Letters: V vocabulary · D width · H heads · P width of a head (H·P is not always D) · F feed-forward width · L layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import prod
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from vlhyper.errors import UserError

Shape = tuple[int, ...]


class Inputs(BaseModel):
    """What a model is made for: its tasks in the order of their embeddings, and the shape of its image features."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: tuple[str, ...] = Field(min_length=1)
    tokens: int | None = None  # cells of the image grid, None without images
    width: int | None = None  # channels of the image grid


class Size(ABC):
    """What makers need of a backbone, and all its parameters. `family` is its row in the table of backbones."""

    family: str
    vocab_size: int
    d_model: int
    encoder_layers: int
    decoder_layers: int

    @property
    @abstractmethod
    def inner(self) -> int:
        """The joint width of all heads of queries."""

    @property
    def key_inner(self) -> int:
        """H·P, the joint width of all heads of keys and values: that of the queries but for a few families."""
        return self.inner

    @property
    def layers(self) -> int:
        """How many layer ids l_i there are: encoder and decoder share them."""
        return max(self.encoder_layers, self.decoder_layers)

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """The fields of a config of this size."""

    @abstractmethod
    def shapes(self) -> dict[str, Shape]:
        """Every parameter of the model by its name; tied ones once."""

    def parameters(self) -> int:
        """All parameters (222,903,552 for t5-base)."""
        return sum(map(prod, self.shapes().values()))


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
        """The T5Config fields of this size; `from_fields` goes the other way."""
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
_UL2 = T5Size(32128, 4096, 256, 16384, 16, 32, 32, gated=True, untied_head=True)
# Sizes as published in each hub repository's config.json.
KNOWN_T5: dict[str, T5Size] = {
    **{f"t5-{name}": size for name, size in _ORIGINAL.items()},
    **{f"google-t5/t5-{name}": size for name, size in _ORIGINAL.items()},
    **{f"google/t5-v1_1-{name}": size for name, size in _V1_1.items()},
    **{f"google/flan-t5-{name}": size for name, size in _V1_1.items()},
    **dict.fromkeys(("google/ul2", "google/flan-ul2"), _UL2),
}
# What a T5Config written by hand may set. transformers ignores any other name, a misspelt one too.
T5_FIELDS = (
    "vocab_size",
    "d_model",
    "d_kv",
    "d_ff",
    "num_layers",
    "num_decoder_layers",
    "num_heads",
    "relative_attention_num_buckets",
    "relative_attention_max_distance",
    "dropout_rate",
    "layer_norm_epsilon",
    "initializer_factor",
    "feed_forward_proj",
    "tie_word_embeddings",
    "pad_token_id",
    "eos_token_id",
    "decoder_start_token_id",
)


def from_fields(fields: Mapping[str, Any]) -> T5Size:
    """Sizes from the fields of a T5Config; what is left out has the defaults of T5Config (t5-small)."""
    layers = fields.get("num_layers", 6)
    return T5Size(
        vocab_size=fields.get("vocab_size", 32128),
        d_model=fields.get("d_model", 512),
        d_kv=fields.get("d_kv", 64),
        d_ff=fields.get("d_ff", 2048),
        num_heads=fields.get("num_heads", 8),
        encoder_layers=layers,
        decoder_layers=fields.get("num_decoder_layers") or layers,
        gated=fields.get("feed_forward_proj", "relu").startswith("gated"),
        untied_head=fields.get("tie_word_embeddings") is False or fields.get("scale_decoder_outputs") is False,
        buckets=fields.get("relative_attention_num_buckets", 32),
    )
