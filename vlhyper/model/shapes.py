"""Sizes of a T5 backbone, known before anything is built and without torch.

Letters: D width · H heads · P width of a head (H·P is not always D) · F feed-forward width · L layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError, nearest
from vlhyper.files import read_json


@dataclass(frozen=True)
class T5Shape:
    """The numbers of a T5 that parameter counts and generated weights depend on."""

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

    @property
    def norm_vectors(self) -> int:
        """Two norms an encoder layer, three a decoder layer, one at the end of each stack."""
        return 2 * self.encoder_layers + 3 * self.decoder_layers + 2

    def parameters(self) -> int:
        """All parameters of `T5ForConditionalGeneration` with these sizes (222,903,552 for t5-base)."""
        attention = 4 * self.d_model * self.inner
        feed_forward = (3 if self.gated else 2) * self.d_model * self.d_ff
        encoder = self.encoder_layers * (attention + feed_forward)
        decoder = self.decoder_layers * (2 * attention + feed_forward)
        embeddings = (2 if self.untied_head else 1) * self.vocab_size * self.d_model
        position_bias = 2 * self.buckets * self.num_heads
        return embeddings + encoder + decoder + position_bias + self.norm_vectors * self.d_model


def _original(width: int, d_ff: int, layers: int, heads: int, d_kv: int = 64) -> T5Shape:
    return T5Shape(32128, width, d_kv, d_ff, heads, layers, layers)


def _v1_1(width: int, d_ff: int, layers: int, heads: int) -> T5Shape:
    return T5Shape(32128, width, 64, d_ff, heads, layers, layers, gated=True, untied_head=True)


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
KNOWN: dict[str, T5Shape] = {
    **{f"t5-{size}": shape for size, shape in _ORIGINAL.items()},
    **{f"google-t5/t5-{size}": shape for size, shape in _ORIGINAL.items()},
    **{f"google/t5-v1_1-{size}": shape for size, shape in _V1_1.items()},
    **{f"google/flan-t5-{size}": shape for size, shape in _V1_1.items()},
}
# What a T5Config written by hand may set. transformers takes any other name in silence, a misspelt one too.
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


def shape_of(backbone: str | Mapping[str, Any]) -> T5Shape:
    """The sizes of a backbone named by hub id, by a local folder with a config.json, or given as T5Config fields.

    Raises UserError for a name that is neither known nor a local folder, and for a field that T5Config lacks.
    """
    if not isinstance(backbone, str):
        if unknown := [field for field in backbone if field not in T5_FIELDS]:
            raise UserError(f"backbone: T5Config has no field {unknown[0]!r}{nearest(unknown[0], T5_FIELDS)}")
        return from_fields(backbone)
    if backbone in KNOWN:
        return KNOWN[backbone]
    folder = Path(backbone)
    if folder.is_dir():
        fields = read_json(folder / "config.json")
        if fields.get("model_type") != "t5":
            raise UserError(f"{folder / 'config.json'}: model_type is {fields.get('model_type')!r}; vlhyper needs a T5")
        return from_fields(fields)
    raise UserError(f"backbone {backbone!r}: neither a local folder nor a T5 of known size{nearest(backbone, KNOWN)}")


def from_fields(fields: Mapping[str, Any]) -> T5Shape:
    """Sizes from the fields of a T5Config; what is left out has the defaults of T5Config (t5-small)."""
    layers = fields.get("num_layers", 6)
    return T5Shape(
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
