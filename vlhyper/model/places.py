"""Places: where generated weights enter a frozen T5, and the attention that applies prefixes there.

Letters: B rows of the batch · R rows that have weights of their own (1 = all rows share them, or B) · H heads ·
P width of a head · S queries · K ordinary keys · N prefix length · d_I width of a hyper-embedding. While beams are
searched the batch has R·beams rows, the beams of a row side by side.

The T5 model file is not touched: the attention function is registered with transformers under the name `vlhyper`,
and the parallel adapter (adapters.py) is a forward hook of the feed-forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, T5ForConditionalGeneration
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from vlhyper.model.adapters import Adapter, LatentAdapter
from vlhyper.model.kinds import BLOCKS, Place


class Prefix(NamedTuple):
    """A prefix in latent form: its keys I W_K and values I W_V are never made."""

    latent: Tensor  # I, (R, N, d_I)
    key: Tensor  # W_K, (d_I, H·P)
    value: Tensor  # W_V, (d_I, H·P)


Weights = Prefix | Adapter | LatentAdapter


def latent_attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, prefixes: Sequence[Prefix], dropout: float = 0.0
) -> Tensor:
    """softmax([q (I W_K)^T for every prefix ; q k^T + bias]) [I W_V for every prefix ; v]; I W_K, I W_V are never made.

    For head h: q_h (I W_Kh)^T = (q_h W_Kh^T) I^T and a (I W_Vh) = (a I) W_Vh. Prefix positions take no
    bias and no mask.

    Args:
        query: (B, H, S, P), already scaled.
        key, value: (B, H, K, P).
        bias: position bias plus additive mask, broadcastable to (B, H, S, K), or None.
        prefixes: each with R rows, where B is a multiple of R.
        dropout: probability with which an attention weight is dropped.

    Returns:
        (B, H, S, P).
    """
    ordinary = query @ key.transpose(2, 3)
    if bias is not None:
        ordinary = ordinary + bias
    logits = [_prefix_logits(query, prefix) for prefix in prefixes]
    weights = torch.cat([*logits, ordinary], dim=-1).softmax(dim=-1, dtype=torch.float32).to(value.dtype)
    weights = F.dropout(weights, dropout, training=dropout > 0)
    *to_prefixes, to_ordinary = weights.split([part.shape[-1] for part in logits] + [key.shape[2]], dim=-1)
    output = to_ordinary @ value
    for part, prefix in zip(to_prefixes, prefixes, strict=True):
        output = output + _prefix_output(part, prefix, query.shape[-1])
    return output


def _prefix_logits(query: Tensor, prefix: Prefix) -> Tensor:
    """(q_h W_Kh^T) I^T: (B, H, S, P) -> (B, H, S, N)."""
    heads, width = query.shape[1], query.shape[3]
    rotated = _per_head(query, prefix.key.view(-1, heads, width).permute(1, 2, 0))
    return _per_row(rotated, prefix.latent.transpose(1, 2))


def _prefix_output(weights: Tensor, prefix: Prefix, width: int) -> Tensor:
    """(a I) W_Vh: (B, H, S, N) -> (B, H, S, P)."""
    mixed = _per_row(weights, prefix.latent)
    return _per_head(mixed, prefix.value.view(-1, weights.shape[1], width).transpose(0, 1))


def _per_head(x: Tensor, matrices: Tensor) -> Tensor:
    """x_h · matrix_h: (B, H, S, i), (H, i, o) -> (B, H, S, o), as one product a head over the whole batch."""
    batch, heads, queries, _ = x.shape
    return (
        torch.bmm(x.transpose(0, 1).reshape(heads, batch * queries, -1), matrices)
        .view(heads, batch, queries, -1)
        .transpose(0, 1)
    )


def _per_row(x: Tensor, matrices: Tensor) -> Tensor:
    """x_b · matrix_r for the row r of b: (B, H, S, i), (R, i, o) -> (B, H, S, o).

    Heads, queries and beams of one row share its matrix: one product a row instead of one a row and head.
    """
    return (x.reshape(matrices.shape[0], -1, x.shape[-1]) @ matrices).view(*x.shape[:3], -1)


class Places:
    """The places of one T5. `set` puts weights in; they stay until the next `set`.

    They must stay: gradient checkpointing runs blocks again during backward and needs the same weights.
    """

    def __init__(self, t5: T5ForConditionalGeneration) -> None:
        """Prepare every place of `t5`. A place without weights computes exactly what T5 computes there."""
        self._weights: dict[nn.Module, Sequence[Weights]] = {}
        self._modules = dict(_modules(t5))
        for place, module in self._modules.items():
            if BLOCKS[place.block].kind == "adapter":
                module.register_forward_hook(self._add_adapters)
            else:
                # Plain attribute: the registered function gets only the attention module to find its weights by.
                module.vlhyper_places = self
        # Older releases do not hand it on to the stacks, which would go on without prefixes and without a word.
        for part in (t5, t5.encoder, t5.decoder):
            part.set_attn_implementation("vlhyper")

    def set(self, weights: dict[Place, Sequence[Weights]]) -> None:
        """Replace all weights. Places that are left out have none."""
        self._weights = {self._modules[place]: list(parts) for place, parts in weights.items()}

    def at(self, module: nn.Module) -> Sequence[Any]:
        return self._weights.get(module, ())

    def _add_adapters(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        for adapter in self.at(module):
            output = output + adapter(inputs[0])
        return output


def _modules(t5: T5ForConditionalGeneration) -> list[tuple[Place, Any]]:
    found: list[tuple[Place, Any]] = []
    encoder: Any = t5.encoder.block
    decoder: Any = t5.decoder.block
    for layer, block in enumerate(encoder):
        found.append((Place("encoder_self", layer), block.layer[0].SelfAttention))
        found.append((Place("encoder_ff", layer), block.layer[-1].DenseReluDense))
    for layer, block in enumerate(decoder):
        found.append((Place("decoder_self", layer), block.layer[0].SelfAttention))
        found.append((Place("decoder_cross", layer), block.layer[1].EncDecAttention))
        found.append((Place("decoder_ff", layer), block.layer[-1].DenseReluDense))
    return found


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float = 1.0,
    position_bias: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """The signature of transformers' attention functions around `latent_attention`."""
    bias = position_bias
    if attention_mask is not None:
        bias = attention_mask if bias is None else bias + attention_mask
    # A Python float of 1.0 (T5 does not scale) costs no kernel.
    scaled = query if scaling == 1.0 else query * scaling
    output = latent_attention(scaled, key, value, bias, module.vlhyper_places.at(module), dropout)
    return output.transpose(1, 2).contiguous(), None


AttentionInterface.register("vlhyper", _attention)
# The mask function of eager attention always makes the causal mask. sdpa's may leave it out and trust `is_causal`,
# which is silently wrong as soon as keys (with their prefix) are longer than queries.
AttentionMaskInterface.register("vlhyper", eager_mask)
