"""Attention with prefixes, and the encoder's input with tokens beside the text.

Letters: B rows of the batch · R rows that have weights of their own (1 = all rows share them, or B) · H heads ·
P width of a head · S queries · K ordinary keys · N prefix length · d_I width of a hyper-embedding. While beams are
searched the batch has R·beams rows, the beams of a row side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vlhyper.model.forms import Prefix, Tokens, WholePrefix


def prefix_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    prefixes: Sequence[Prefix | WholePrefix],
    dropout: float = 0.0,
    softcap: float | None = None,
) -> Tensor:
    """softmax([q K_p^T for every prefix p ; q k^T + bias]) [V_p for every prefix ; v].

    Of a latent prefix K_p = I W_K and V_p = I W_V are never made: for head h, q_h (I W_Kh)^T = (q_h W_Kh^T) I^T and
    a (I W_Vh) = (a I) W_Vh. Prefix positions take no bias and no mask.

    Args:
        query: (B, H, S, P), already scaled.
        key, value: (B, H, K, P).
        bias: position bias plus additive mask, broadcastable to (B, H, S, K), or None.
        prefixes: each with R rows, where B is a multiple of R.
        dropout: probability with which an attention weight is dropped.
        softcap: c, where every logit x becomes c tanh(x / c) before bias and mask.

    Returns:
        (B, H, S, P).
    """
    ordinary = _capped(query @ key.transpose(2, 3), softcap)
    if bias is not None:
        ordinary = ordinary + bias
    logits = [_prefix_logits(query, prefix, softcap) for prefix in prefixes]
    weights = torch.cat([*logits, ordinary], dim=-1).softmax(dim=-1, dtype=torch.float32).to(value.dtype)
    weights = F.dropout(weights, dropout, training=dropout > 0)
    *to_prefixes, to_ordinary = weights.split([part.shape[-1] for part in logits] + [key.shape[2]], dim=-1)
    output = to_ordinary @ value
    for part, prefix in zip(to_prefixes, prefixes, strict=True):
        output = output + _prefix_output(part, prefix, query.shape[-1])
    return output


def _capped(logits: Tensor, softcap: float | None) -> Tensor:
    return logits if softcap is None else (logits / softcap).tanh() * softcap


def _prefix_logits(query: Tensor, prefix: Prefix | WholePrefix, softcap: float | None) -> Tensor:
    """q_h K_h^T: (B, H, S, P) -> (B, H, S, N); -inf in rows that lack the prefix."""
    heads, width = query.shape[1], query.shape[3]
    if isinstance(prefix, WholePrefix):
        return _capped(_per_row_and_head(query, _heads(prefix.key, heads).transpose(2, 3)), softcap)
    rotated = _per_head(query, prefix.key.view(-1, heads, width).permute(1, 2, 0))
    logits = _capped(_per_row(rotated, prefix.latent.transpose(1, 2)), softcap)
    if prefix.present is None:
        return logits
    lacking = ~prefix.present.repeat_interleave(len(query) // len(prefix.present))
    return logits.masked_fill(lacking[:, None, None, None], -math.inf)


def _prefix_output(weights: Tensor, prefix: Prefix | WholePrefix, width: int) -> Tensor:
    """a V_h: (B, H, S, N) -> (B, H, S, P)."""
    if isinstance(prefix, WholePrefix):
        return _per_row_and_head(weights, _heads(prefix.value, weights.shape[1]))
    mixed = _per_row(weights, prefix.latent)
    return _per_head(mixed, prefix.value.view(-1, weights.shape[1], width).transpose(0, 1))


def _heads(x: Tensor, heads: int) -> Tensor:
    """(R, N, H·P) -> (R, H, N, P)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _per_row_and_head(x: Tensor, matrices: Tensor) -> Tensor:
    """x_bh · matrix_rh for the row r of b: (B, H, S, i), (R, H, i, o) -> (B, H, S, o)."""
    rows = x.unflatten(0, (matrices.shape[0], -1))
    return (rows @ matrices[:, None]).flatten(0, 1)


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


def beside(text: Tensor, mask: Tensor, tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor, Tensor | None]:
    """The encoder's input with tokens before and behind the text.

    Args:
        text: (B, S, D) embeddings.
        mask: (B, S), 1 where there is a token.

    Returns:
        (B, S', D) embeddings, (B, S') mask, and (S',) bool: which of them have positions (None: all).
    """
    front = [form for form in tokens if form.front]
    back = [form for form in tokens if not form.front]
    pieces = [*(_embeds(form, text) for form in front), text, *(_embeds(form, text) for form in back)]
    masks = [*(_mask(form, mask) for form in front), mask, *(_mask(form, mask) for form in back)]
    embeds, longer = torch.cat(pieces, dim=1), torch.cat(masks, dim=1)
    if all(form.biased for form in tokens):
        return embeds, longer, None
    flags = [*(form.biased for form in front), True, *(form.biased for form in back)]
    spans = zip(pieces, flags, strict=True)
    biased = torch.cat([torch.full((piece.shape[1],), flag, device=text.device) for piece, flag in spans])
    return embeds, longer, biased


def _embeds(form: Tokens, text: Tensor) -> Tensor:
    """(R, N, D) -> (B, N, D), of the text's type."""
    return form.embeds.to(text.dtype).expand(len(text), -1, -1)


def _mask(form: Tokens, mask: Tensor) -> Tensor:
    """(B, N) of the mask's type."""
    size = len(mask), form.embeds.shape[1]
    return mask.new_ones(size) if form.present is None else form.present[:, None].to(mask.dtype).expand(size)
